"""Read models of real processes on a real stream: killed in the middle, several at once, a stream that went back."""

from __future__ import annotations

import random
import secrets
from pathlib import Path

import pytest

from gamepipeline_engine.broker.streams import StreamOptions, provision
from gamepipeline_projections.readmodel import ReadModel, ReadModelRewound
from tests.integration.readmodel.conftest import Stored
from tests.support.histories import Story
from tests.support.readmodels import REALM, contents
from tests.support.streams import ListedEvents, interleaved

KILLS = 3


async def replayed(folder: Path, events: ListedEvents, position: int) -> dict[str, list[tuple[object, ...]]]:
    """The contents of a read model of the first ``position`` events, made in one go in this process."""
    model = ReadModel.open(folder, REALM)
    await model.catch_up(ListedEvents(events.records[:position], size=500))
    model.close()
    return contents(folder)


async def test_readers_killed_at_random_leave_a_model_that_is_right(stored: Stored, tmp_path: Path) -> None:
    """After each SIGKILL the file is the replay of the events up to its position; at the end nothing counts twice."""
    seed = secrets.randbelow(10**6)
    dice = random.Random(seed)
    for kill in range(KILLS):
        # Two of them at once, and both may be anywhere when they die.
        victims = [stored.start(), stored.start()]
        for victim in victims:
            with victim:
                assert victim.stdout is not None
                for _ in range(dice.randrange(1, 8)):
                    victim.stdout.readline()
                victim.kill()
        position = contents(stored.folder)["about"][0][1]
        expected = await replayed(tmp_path / f"replay-{kill}", stored.events, position)
        assert contents(stored.folder) == expected, f"seed {seed}, kill {kill}, position {position}"
    with stored.start() as last:
        assert last.stdout is not None
        assert int(last.stdout.read().split()[-1]) == len(stored.events.records)
    assert contents(stored.folder) == await replayed(tmp_path / "whole", stored.events, len(stored.events.records))


async def test_processes_that_share_a_file_agree(stored: Stored, tmp_path: Path) -> None:
    """Three catch up the same file at once: each ends at the last event, and the rows are those of one."""
    readers = [stored.start() for _ in range(3)]
    for one in readers:
        with one:
            assert one.stdout is not None
            assert int(one.stdout.read().split()[-1]) == len(stored.events.records)
    assert contents(stored.folder) == await replayed(tmp_path / "whole", stored.events, len(stored.events.records))


async def test_a_stream_that_was_restored_from_an_earlier_backup_is_refused(stored: Stored) -> None:
    """The last sequence went back, and then grew again with other events: both are noticed."""
    model = ReadModel.open(stored.folder, REALM)
    await model.catch_up(stored.reader)
    before = contents(stored.folder)
    await stored.client.jetstream().delete_stream(stored.topology.events)
    await provision(stored.client.jetstream(), stored.topology, StreamOptions(), presence=False)
    with pytest.raises(ReadModelRewound, match="nothing is stored"):
        await model.catch_up(stored.reader)
    await stored.publish(ListedEvents(stored.events.records[:100]))
    with pytest.raises(ReadModelRewound, match=r"restored from an earlier backup"):
        await model.catch_up(stored.reader)
    assert contents(stored.folder) == before
    other = interleaved([Story(pipeline_id=f"q{number}").payloads for number in range(len(stored.events.records))], [])
    await stored.publish(other)
    with pytest.raises(ReadModelRewound, match="another event is stored"):
        await model.catch_up(stored.reader)
    model.close()
