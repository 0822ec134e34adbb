"""What a person sees of a run: golden texts."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from gamepipeline_engine.cli.reading.list import row
from gamepipeline_engine.cli.reading.services import live_services
from gamepipeline_engine.cli.render import lines
from gamepipeline_engine.cli.render.lines import change
from gamepipeline_engine.cli.render.live import tree
from gamepipeline_engine.cli.render.outcome import next_commands, outcome_text
from gamepipeline_engine.cli.render.status import status_text
from gamepipeline_engine.cli.render.tables import list_text, services_text
from gamepipeline_engine.cli.render.view import RunView
from gamepipeline_engine.cli.render.words import duration, endpoint, size
from gamepipeline_events import STATE_EVENTS, Endpoint, PipelineRejected, RejectedError, decode
from gamepipeline_projections import replay, status_of
from gamepipeline_projections.state import PipelineState
from tests.support import histories
from tests.unit.cli.histories import (
    FAILING,
    SERVING,
    failed,
    history,
    running,
    scheduled,
    started,
    step,
    submitted,
    view_of,
)


def test_status_of_a_failed_run() -> None:
    """The facts, a line for each step with why it failed, and the service with where it answers."""
    assert (
        status_text(replay(FAILING))
        == """\
id: start-1
name: Platform Start
status: failed
error: step verify: ended with exit code 3
steps: 3/4
node: node-1
pool: default
submitted: 2026-11-23T18:00:00Z
started: 2026-11-23T18:00:03Z
ended: 2026-11-23T18:00:27Z
took: 24.0s

STEP    STATUS     ATTEMPT  TOOK  DETAIL
fetch   completed  1        1.5s  exit code 0
game    completed  1        3.0s
verify  failed     2        1.5s  exit_nonzero: ended with exit code 3
report  skipped

SERVICE  STATUS  ENDPOINTS                RESTARTS  OBSERVED
game     ready   0.0.0.0:49153->8080/tcp  0         2026-11-23T18:00:13Z
"""
    )


def test_list_is_a_table() -> None:
    """One line for each pipeline; what is not known is empty."""
    waiting = status_of(PipelineState(id="waits", document={"name": "Waits"}, pool="gpu"))
    assert (
        list_text([waiting, replay(FAILING)])
        == """\
ID       NAME            STATUS       STEP  NODE    SUBMITTED             TOOK
waits    Waits           not_started  0/0
start-1  Platform Start  failed       3/4   node-1  2026-11-23T18:00:00Z  24.0s
"""
    )


def test_a_row_of_list_has_the_fields_of_the_contract() -> None:
    """Names and order are what other programs read."""
    assert list(row(replay(FAILING))) == [
        "id",
        "name",
        "model",
        "node_id",
        "pool",
        "status",
        "submitted_at",
        "start_time",
        "end_time",
        "reason",
        "error",
    ]


def test_services_are_those_whose_container_is_there() -> None:
    """A ready service is listed with its endpoints, also that of a run that has ended."""
    assert (
        services_text(live_services(replay(SERVING)))
        == """\
PIPELINE  STEP  STATUS  ENDPOINTS                RESTARTS  NODE    OBSERVED
serve-1   game  ready   0.0.0.0:49153->8080/tcp  0         node-1  2026-11-23T18:00:07Z
"""
    )
    assert live_services(replay(history("x", submitted(step("a")), started(1)))) == []


def test_one_plain_line_for_each_change() -> None:
    """Without a terminal a run reads as a list of what happened."""
    assert [change(event) for event in FAILING] == [
        "start-1: submitted: Platform Start",
        "start-1: started on node-1, 4 steps",
        "fetch: scheduled, image busybox:stable",
        "fetch: image pulled, 4.2 MB in 2.5s",
        "fetch: running",
        "fetch: completed in 1.5s",
        "game: scheduled, image busybox:stable",
        "game: running",
        "game: ready, 0.0.0.0:49153->8080/tcp",
        "game: completed in 1.5s",
        "verify: scheduled, image busybox:stable",
        "verify: running",
        "verify: failed after 1.5s: exit_nonzero: ended with exit code 3, will be tried again",
        "verify: scheduled, image busybox:stable, attempt 2",
        "verify: running, attempt 2",
        "verify: failed after 1.5s: exit_nonzero: ended with exit code 3",
        "report: skipped: needs verify, which failed",
        "start-1: failed after 24.0s: step verify: ended with exit code 3",
    ]


def test_every_event_that_a_person_waits_for_has_a_line() -> None:
    """Only the refusal of a command, which changes nothing, is left out."""
    source = lines.__dict__
    assert {one.__name__ for one in STATE_EVENTS} - set(source) == {"CommandRejected"}


def test_what_waits_for_a_place_says_for_which() -> None:
    """In the status, in the plain lines, and in the live tree: the group and its size."""
    story = histories.Story().pipeline_queued("deploy")
    assert "waiting for: a place in the group deploy since 2026-11-23T18:00:02Z" in status_text(status_of(story.state))
    story.started().queued("a", "licence", limit=2)
    assert "waits for a place in the group licence (of 2) since" in status_text(status_of(story.state))
    view = RunView("p1")
    said = []
    for payload in story.payloads:
        event = decode(payload)
        view.event(event)
        said.append(change(event))
    assert said[1] == "p1: waits for a place in the group deploy"
    assert said[3] == "a: waits for a place in the group licence (of 2)"
    shown = Console(width=100, record=True, file=StringIO())
    shown.print(tree(view, story.now, height=10))
    assert "a  waiting  for a place in the group licence (of 2)" in shown.export_text()


def test_the_outcome_says_why_and_what_to_type() -> None:
    """The failed step with its cause, its last lines and the hint; the services; the next commands."""
    assert (
        outcome_text(view_of(FAILING))
        == """\
start-1 failed after 24.0s: step verify: ended with exit code 3
step verify, attempt 2: exit_nonzero, exit code 3: ended with exit code 3
  verify | one
  verify | two
hint: Look at the path.
service game: ready, 0.0.0.0:49153->8080/tcp
next:
  gamepipeline logs start-1 --step verify
  gamepipeline status start-1
  gamepipeline events start-1
  gamepipeline stop start-1 --reason '...'
"""
    )


def test_a_run_without_services_suggests_no_stop() -> None:
    """What cannot be done is not suggested."""
    view = view_of(history("x", submitted(step("a")), started(1)))
    assert not [command for command in next_commands(view) if " stop " in command]


def test_text_of_containers_cannot_drive_the_terminal() -> None:
    """Escape sequences, carriage returns and direction marks of a log line do not reach the screen."""
    hostile = "\x1b[2Jclear\rover\u202eback\x07"
    events = history("x", submitted(step("a")), started(1), scheduled("a"), running("a"), failed("a", tail=[hostile]))
    text = outcome_text(view_of([*events]))
    assert not set(text) & set("\x1b\r\u202e\x07")
    assert "clear" in text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.0s"), (59.94, "59.9s"), (59.96, "1m00s"), (125, "2m05s"), (11_220, "3h07m"), (352_800, "4d02h")],
)
def test_durations_are_short(seconds: float, text: str) -> None:
    """Two units at most, and no jump from one to the next."""
    assert duration(seconds) == text


@pytest.mark.parametrize(("amount", "text"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 KB"), (2.5e9, "2.5 GB")])
def test_sizes_are_short(amount: float, text: str) -> None:
    """Decimal units, as registries count."""
    assert size(amount) == text


def test_an_ipv6_endpoint_can_be_typed() -> None:
    """Its address stands in brackets."""
    assert endpoint(Endpoint(container_port=80, host_ip="::", host_port=8080, protocol="tcp")) == "[::]:8080->80/tcp"


def test_a_rejection_names_each_place_and_prints_one_text_that_mends_all() -> None:
    """What goes into the node's configuration is united; other hints stand for themselves."""
    errors = [
        RejectedError(code="GP302", message="A has no value", path="envs[0]", hint="set it on the node"),
        RejectedError(
            code="GP401", message="step a: no", path="steps[0].container.ports", hint='[policy]\nports = "80"'
        ),
        RejectedError(code="GP401", message="step b: no", path="", hint="[policy]\ngpus = true"),
    ]
    text = outcome_text(view_of(history("p1", submitted(step("a")), PipelineRejected(errors=errors))))
    assert (
        "GP302 at envs[0]: A has no value\n"
        "GP401 at steps[0].container.ports: step a: no\n"
        "GP401: step b: no\n"
        "hint: set it on the node\n"
        "hint: the node would allow it with these lines of its configuration\n"
        "  [policy]\n"
        '  ports = "80"\n'
        "  gpus = true\n"
    ) in text
    assert text.startswith("p1 rejected\n")
    assert text.count("A has no value") == 1
