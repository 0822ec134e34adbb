"""Engines, NATS and Docker's replies are struck at random while clients work."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.chaos import budget
from tests.support.chaos.arena import Arena, arena
from tests.support.chaos.faults import Striker
from tests.support.chaos.storm import storm

pytestmark = [pytest.mark.chaos, pytest.mark.docker]

ROUND = 100
"""Kills after which a run is judged and the next one begins, with a store of its own."""


@pytest.mark.timeout(3 * 3600 if budget.is_full() else 600)
async def test_nothing_is_lost_and_nothing_runs_twice(tmp_path: Path, say: Callable[[str], None]) -> None:
    """Whatever is killed, frozen or lost: one end for each pipeline, one start for each attempt, nothing left."""
    seed, wanted, survived, number = budget.seed_of_run(), budget.kills_wanted(), 0, 0
    while survived < wanted:
        number += 1
        kills = min(ROUND, wanted - survived)
        async with arena(tmp_path / f"round-{number}") as one:
            striker = await storm(one, f"{seed}/{number}", _seconds(kills), kills)
            verdict = await one.finish()
        told = _told(one, striker)
        say(f"storm, seed {seed}, round {number}: {told}\n  {verdict}")
        assert not verdict.wrong, f"seed {seed}, round {number}: {told}\n{verdict}"
        assert one.kills >= kills, told
        survived += one.kills
    say(f"storm: {survived} kills survived")


def _seconds(kills: int) -> float:
    return kills * 2.2 if budget.is_full() else budget.storm_seconds()


def _told(one: Arena, striker: Striker) -> str:
    blows = ", ".join(f"{name} {count}" for name, count in sorted(striker.done.items()))
    return f"{one.kills} kills; {blows}; {'; '.join(one.notes)}"
