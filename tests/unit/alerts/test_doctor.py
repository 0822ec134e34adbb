"""What doctor says about alerts."""

from __future__ import annotations

import pytest

from gamepipeline_engine.alerts.watch.disk import Fill
from gamepipeline_engine.cli.doctor.alerting import judge_dead_letters, judge_fill, judge_pools, judge_webhook
from gamepipeline_events import ErrorLog
from gamepipeline_events.subjects import CommandSubject


@pytest.mark.parametrize(
    ("fill", "status", "detail"),
    [
        (Fill("E", 10, 100), "ok", "E: 10 bytes, 10 % of its limit"),
        (Fill("E", 90, 100), "warn", "E: 90 bytes, 90 % of its limit"),
        (Fill("E", 90, None), "ok", "E: 90 bytes"),
    ],
)
def test_how_full_the_events_are(fill: Fill, status: str, detail: str) -> None:
    """From nine tenths on it is worth a warning, with what to do."""
    (found,) = judge_fill(fill)
    assert (found.status, found.detail) == (status, detail)
    assert (found.fix is None) is (status == "ok")


def test_pools_nobody_serves_are_listed() -> None:
    """By pool, with how many commands wait; nothing is said when all are served."""
    waiting = [CommandSubject("execute", one, pool) for one, pool in (("a", "gpu"), ("b", "gpu"), ("c", "cpu"))]
    assert judge_pools(waiting, {"gpu", "cpu"}) == []
    (found,) = judge_pools(waiting, set())
    assert found.detail == "commands wait: 1 in cpu, 2 in gpu"


@pytest.mark.parametrize(
    ("waiting", "status", "words"), [(None, "warn", "nobody delivers"), (0, "ok", "no alerts"), (3, "warn", "3 alerts")]
)
def test_what_waits_for_a_webhook(waiting: int | None, status: str, words: str) -> None:
    """None while no engine with the webhook has run, else the number."""
    found = judge_webhook("https://hooks.example", "alerts_0", waiting)
    assert found.status == status
    assert words in found.detail


def test_dead_letters_are_counted_and_the_last_is_shown() -> None:
    """None, and nothing is said."""
    assert judge_dead_letters([]) == []
    letter = ErrorLog(step=None, attempt=None, time="T", cause="engine_error", message="to https://h: 410", context={})
    (found,) = judge_dead_letters([letter, letter])
    assert found.detail == "2 alerts were given up; the last at T: to https://h: 410"
