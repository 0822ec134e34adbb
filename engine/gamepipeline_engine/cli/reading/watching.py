"""``gamepipeline list --watch``: the list again whenever it has changed."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import click

from gamepipeline_engine.cli.options import NDJSON
from gamepipeline_engine.cli.output import emit, is_terminal, note
from gamepipeline_engine.cli.render.tables import list_text
from gamepipeline_projections.broker_errors import BrokerUnavailable
from gamepipeline_projections.reading import JournalUnavailable
from gamepipeline_projections.readmodel import Listed
from gamepipeline_projections.sending import QueueUnavailable

PACE = 1.0
"""Seconds between two looks. One that finds nothing new costs a few milliseconds."""

_HOME_AND_CLEAR = "\x1b[H\x1b[2J"

Row = Callable[[Listed], dict[str, Any]]


async def watch(look: Callable[[], Awaitable[list[Listed]]], row: Row, output: str) -> None:
    """Show what ``look`` finds, now and whenever it has changed, until somebody interrupts."""
    show = _Screen() if output != NDJSON and is_terminal(sys.stdout) else _Changes(row, output)
    before: list[Listed] | None = None
    while True:
        try:
            found = await look()
        except (JournalUnavailable, QueueUnavailable, BrokerUnavailable) as error:
            note(f"warning: {error}; trying again")
        else:
            if found != before:
                show(found)
            before = found
        await asyncio.sleep(PACE)


class _Screen:
    """The whole list, drawn over the one before; as much of it as the terminal has lines."""

    def __call__(self, found: list[Listed]) -> None:
        lines = list_text(found).splitlines()[: shutil.get_terminal_size().lines - 1]
        click.echo(_HOME_AND_CLEAR + "\n".join(lines))


class _Changes:
    """What is new or has changed since it was shown last; oldest first, as it happened."""

    def __init__(self, row: Row, output: str) -> None:
        self._row = row
        self._output = output
        self._shown: dict[str, Listed] = {}

    def __call__(self, found: list[Listed]) -> None:
        changed = [one for one in reversed(found) if self._shown.get(one.id) != one]
        self._shown = {one.id: one for one in found}
        if not changed:
            return
        if self._output == NDJSON:
            emit([self._row(one) for one in changed], NDJSON)
        else:
            click.echo(list_text(changed), nl=False)
        sys.stdout.flush()
