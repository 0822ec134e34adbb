"""Who counts as gone, and who was only not looked for."""

from __future__ import annotations

import pytest

from gamepipeline_engine.presence import Record
from gamepipeline_engine.supervision.absence import Absence

OTHER = Record(instance="01J2", node="n", docker="D", pools=("default",), daemon=True)


class Looking:
    """A process that looks around; time is what it says."""

    def __init__(self) -> None:
        self.now = 100.0
        self.absence = Absence(lambda: self.now, needed=12.0, lives=10.0)

    def look(self, *records: Record, after: float = 2.0, answered_after: float = 0.0) -> None:
        """One look, ``after`` seconds from the last answer."""
        self.now += after
        asked = self.now
        self.now += answered_after
        self.absence.saw(records, asked)

    @property
    def is_gone(self) -> bool:
        """The verdict on the other."""
        return self.absence.is_gone(OTHER.instance)


@pytest.fixture
def looking() -> Looking:
    """One that sees the other."""
    one = Looking()
    one.look(OTHER)
    return one


def test_who_is_missed_for_long_enough_is_gone(looking: Looking) -> None:
    """As long as needed, not a look earlier."""
    for _ in range(5):
        looking.look()
        assert not looking.is_gone
    looking.look()
    assert looking.is_gone


def test_who_comes_back_is_there(looking: Looking) -> None:
    """One sight begins the waiting anew."""
    for _ in range(6):
        looking.look()
    looking.look(OTHER)
    assert not looking.is_gone


def test_a_paused_process_has_missed_nobody(looking: Looking) -> None:
    """Time in which it did not look proves nothing: neither before its next look nor right after it."""
    looking.now += 60.0
    assert not looking.is_gone
    looking.look(after=0.0)
    assert not looking.is_gone


def test_an_answer_read_after_a_pause_is_old(looking: Looking) -> None:
    """Who was missing when the question was asked may have come back since."""
    looking.look(answered_after=60.0)
    assert not looking.is_gone
    looking.look()
    assert not looking.is_gone


def test_who_was_seen_in_an_old_answer_was_seen_lately(looking: Looking) -> None:
    """When exactly is not known, so it counts as now."""
    looking.look(OTHER, answered_after=9.0)
    for _ in range(6):
        looking.look()
    assert not looking.is_gone


def test_after_a_break_the_waiting_begins_anew(looking: Looking) -> None:
    """Everybody's record may have been gone meanwhile."""
    for _ in range(5):
        looking.look()
    looking.absence.lost_sight()
    looking.look()
    assert not looking.is_gone


def test_nothing_is_known_before_the_first_look() -> None:
    """Nobody is gone."""
    assert not Looking().is_gone
    assert Looking().absence.daemon_absent("D") == 0.0


def test_who_has_just_come_is_not_gone() -> None:
    """A name that comes up for the first time may be that of an engine that started after the last look."""
    looking = Looking()
    for _ in range(20):
        looking.look()
    assert not looking.is_gone
    assert looking.absence.daemon_absent(OTHER.docker) == 0.0
    for _ in range(6):
        looking.look()
    assert looking.is_gone


def test_a_daemon_is_missed_as_its_engines_are(looking: Looking) -> None:
    """The seconds since an engine of it was seen."""
    looking.look()
    looking.look()
    assert looking.absence.daemon_absent("D") == 4.0
