"""``list --watch`` shows what changed, once and in its order, over whatever happens to the server."""

from __future__ import annotations

import json
from collections.abc import Sequence

import msgspec
import pytest

from gamepipeline_engine.cli.reading import watching
from gamepipeline_engine.cli.reading.list import row
from gamepipeline_projections import PipelineState
from gamepipeline_projections.broker_errors import BrokerUnavailable
from gamepipeline_projections.reading import JournalUnavailable
from gamepipeline_projections.readmodel import Listed, Query
from gamepipeline_projections.sending import QueueUnavailable


class Enough(Exception):
    """The person at the keyboard has seen enough."""


def listed(*ids: str, status: str = "pending") -> list[Listed]:
    """A list of these pipelines, newest first."""
    found = Query().select(PipelineState(id=one) for one in ids)
    return [msgspec.structs.replace(one, status=status) for one in sorted(found, key=lambda one: ids.index(one.id))]


async def watched(
    looks: Sequence[list[Listed] | Exception], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> tuple[list[tuple[str, str]], str]:
    """Ids and statuses as they were shown while the looks came to this, and stderr."""
    coming = iter([*looks, Enough()])

    async def look() -> list[Listed]:
        found = next(coming)
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(watching, "PACE", 0)
    with pytest.raises(Enough):
        await watching.watch(look, row, "ndjson")
    out, err = capsys.readouterr()
    shown = [json.loads(line) for line in out.splitlines()]
    return [(one["id"], one["status"]) for one in shown], err


async def test_what_changed_is_shown_oldest_first(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each line once, again when it is another one, as it happened."""
    later = [*listed("c"), *listed("b", status="running"), *listed("a")]
    shown, _ = await watched([listed("b", "a"), listed("b", "a"), later], capsys, monkeypatch)
    assert shown == [("a", "pending"), ("b", "pending"), ("b", "running"), ("c", "pending")]


@pytest.mark.parametrize(
    "away", [JournalUnavailable("away"), QueueUnavailable("away"), BrokerUnavailable("nats://x", "away", "start it")]
)
async def test_a_server_that_is_away_ends_no_watch(
    away: Exception, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever request it does not answer: a line says so, and the list goes on when it is back."""
    shown, told = await watched([listed("a"), away, listed("b", "a")], capsys, monkeypatch)
    assert shown == [("a", "pending"), ("b", "pending")]
    assert "away" in told
    assert "trying again" in told
