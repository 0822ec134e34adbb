"""What the daemon's notes about a container say of its end."""

from __future__ import annotations

import pytest

from gamepipeline_engine.containers.history import Happening, judge

END = 1_000_000.0


def kill(signal: int | None, before: float = 0.5) -> Happening:
    """Somebody signalled it, ``before`` seconds before its end."""
    return Happening(action="kill", time=END - before, signal=signal)


DIED = Happening(action="die", time=END + 0.05)
STARTED = Happening(action="start", time=END - 100)
RESTARTED = Happening(action="restart", time=END - 100)


@pytest.mark.parametrize(
    ("happenings", "code", "expected"),
    [
        ([], 137, (False, False, False)),
        ([STARTED, DIED], 137, (True, False, False)),
        ([STARTED, kill(9), DIED], 137, (True, True, False)),
        ([STARTED, kill(9)], 137, (False, True, False)),
        # The note of a signal may come after the end.
        ([STARTED, kill(9, -0.01), DIED], 137, (True, True, False)),
        # So may that of a stop signal whose handler is quick.
        ([STARTED, kill(15, -0.001), DIED], 5, (True, True, False)),
        # A handler may answer a stop signal with any code, for a while.
        ([kill(15), DIED], 0, (True, True, False)),
        ([kill(15, 29), DIED], 5, (True, True, False)),
        ([kill(15, 31), DIED], 0, (True, False, False)),
        ([kill(15, 31), DIED], 143, (True, True, False)),
        # A signal that is no stop signal ends nothing, unless the code says that it did.
        ([kill(1), DIED], 0, (True, False, False)),
        ([kill(1), DIED], 129, (True, True, False)),
        ([kill(None), DIED], 137, (True, False, False)),
        # What happened in an earlier run.
        ([kill(9, 101), STARTED, DIED], 137, (True, False, False)),
        ([kill(15, 101), RESTARTED, STARTED, DIED], 3, (True, False, True)),
        # The end of an earlier run is not this one.
        ([Happening(action="die", time=END - 1), STARTED], 3, (False, False, False)),
    ],
)
def test_judge(happenings: list[Happening], code: int, expected: tuple[bool, bool, bool]) -> None:
    """Known, killed, restarted."""
    found = judge(happenings, finished=END, exit_code=code)
    assert (found.known, found.killed, found.restarted) == expected
    assert found.whole == (STARTED in happenings)
