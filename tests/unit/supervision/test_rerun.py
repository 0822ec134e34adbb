"""A command that repeats another run: what it may take over."""

from __future__ import annotations

import asyncio

import pytest

from gamepipeline_events import CommandRejected, Rerun, TakenOver
from tests.support.engine_on_fakes import EngineOnFakes
from tests.support.histories import pipeline, service, step
from tests.support.simulated import simulate


@pytest.mark.parametrize("taken", ["nope", "s"])
def test_what_cannot_be_taken_over_is_refused(taken: str) -> None:
    """A step that does not exist, and a service: the command says so, and nothing of it is on record."""

    async def main() -> None:
        bench = EngineOnFakes()
        rerun = Rerun(pipeline_id="p0", from_step="b", taken_over=[TakenOver(step=taken, attempt=1)])
        async with bench.serving():
            await bench.submit(pipeline(service("s"), step("b")), rerun=rerun)
            await asyncio.sleep(5)  # virtual: whatever follows from the command has
        (_, event) = bench.rejected[0]
        assert isinstance(event.data, CommandRejected)
        assert (event.data.code, taken in event.data.message) == ("bad_command", True)
        assert [one async for one in bench.journal.read("p1")] == []

    simulate(main())
