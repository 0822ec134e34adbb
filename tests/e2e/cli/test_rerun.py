"""A run that failed is repeated from the step on that failed, on the real Docker."""

from __future__ import annotations

import json

import pytest

from tests.e2e.cli.conftest import Cli

pytestmark = pytest.mark.docker

PIPELINE = """
name: Again
id: again-TAG
args:
  who: {description: Who asks}
steps:
  - name: draw
    container: {image: IMAGE, commands: ["echo v=$(cat /proc/sys/kernel/random/uuid) > $GAMEPIPELINE_OUTPUT"]}
  - name: use
    container: {image: IMAGE, commands: ["echo ${{ args.who }} ${{ steps.draw.outputs.v }}", "exit 3"]}
"""


def test_a_run_is_repeated_from_the_step_that_failed(cli: Cli) -> None:
    """Its outputs, arguments and images are those of the first; what is taken over has no container and no log."""
    first = cli("run", cli.file(PIPELINE), "--arg", "who=ada", "-o", "json").json
    drawn = first["steps"][0]["outputs"]["v"]
    done = cli("rerun", first["id"], "--from", "use")
    again = done.out.strip()
    assert (done.code, again) == (0, f"{first['id']}-2")
    assert cli("logs", again, "-f").out.splitlines() == [f"use  | ada {drawn}"]
    status = cli("status", again, "-o", "json").json
    assert [(one["status"], one["attempt"]) for one in status["steps"]] == [("completed", 0), ("failed", 1)]
    assert status["steps"][0]["outputs"] == {"v": drawn}
    assert status["steps"][1]["image_digest"] == first["steps"][1]["image_digest"]
    submitted = json.loads(cli("events", again, "--type", "PipelineSubmitted").out)["data"]
    assert (submitted["rerun"]["pipeline_id"], submitted["rerun"]["from_step"]) == (first["id"], "use")
    assert first["id"] in cli("why", again).out
    assert cli("audit", "verify", again).code == 0


def test_a_whole_run_is_repeated(cli: Cli) -> None:
    """Every step runs again, with the arguments and the images of then; nothing is taken over."""
    first = cli("run", cli.file(PIPELINE), "--arg", "who=ada", "-o", "json").json
    done = cli("rerun", first["id"])
    again = done.out.strip()
    assert (done.code, again) == (0, f"{first['id']}-2")
    assert cli("logs", again, "-f").code == 0
    status = cli("status", again, "-o", "json").json
    assert [(one["status"], one["attempt"]) for one in status["steps"]] == [("completed", 1), ("failed", 1)]
    assert status["steps"][0]["outputs"]["v"] != first["steps"][0]["outputs"]["v"]
    assert [one["image_digest"] for one in status["steps"]] == [one["image_digest"] for one in first["steps"]]
    submitted = json.loads(cli("events", again, "--type", "PipelineSubmitted").out)["data"]
    assert (submitted["args"], submitted["rerun"]["from_step"]) == ({"who": "ada"}, None)
    assert submitted["rerun"]["taken_over"] == []
    assert first["id"] in cli("why", again).out


def test_a_run_that_goes_on_is_not_repeated(cli: Cli) -> None:
    """Exit code 2, and what to do about it."""
    step = "{name: a, container: {image: IMAGE, commands: [sleep 300]}}"
    file = cli.file(f"name: Long\nid: long-TAG\nsteps: [{step}]\n")
    assert cli("run", file, "--detach").code == 0
    for more in ((), ("--from", "a")):
        done = cli("rerun", cli.id("long"), *more)
        assert (done.code, done.out) == (2, "")
        assert "wait for its end, or end it with `gamepipeline cancel`" in done.err
    cli("cancel", cli.id("long"), "--reason", "enough")
