"""One seed from its beginning to its verdict."""

from __future__ import annotations

import asyncio
import functools
import gc
import hashlib
import logging
import random
import traceback
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import structlog

from tests.support.simulation.checks import findings
from tests.support.simulation.loop import SeededLoop, current_process
from tests.support.simulation.world import Note, World


class Result(NamedTuple):
    """What a seed came to. ``problems`` is empty when all is as promised."""

    seed: int
    problems: list[str]
    notes: list[Note]
    fingerprint: str
    """Hash of every event, log record and container of the run, in order."""
    seconds: float
    """Of simulated time."""
    steps: int
    pipelines: int


def simulate(seed: int, *, keep_notes: bool = False) -> Result:
    """Run the world of ``seed``."""
    _settle_modules()
    loop = SeededLoop(random.Random(f"{seed}/order"))
    complaints: list[str] = []
    loop.set_exception_handler(lambda _, context: complaints.append(_complaint(context)))
    world = World(loop, seed, keep_notes=keep_notes)
    collecting = gc.isenabled()
    gc.disable()  # a collector that runs sometimes would end forgotten generators sometimes
    try:
        with _listening(world, complaints):
            try:
                loop.run_until_complete(world.run())
            except AssertionError as exc:
                complaints.append(f"{type(exc).__name__}: {exc}")
            except Exception as exc:  # noqa: BLE001 - whatever it is, it belongs to the seed
                complaints.append("".join(traceback.format_exception(exc)))
            problems = findings(world) + complaints
            result = Result(
                seed, problems, list(world.notes), _fingerprint(world), loop.time(), loop.steps, len(world.made)
            )
            loop.bury()
    finally:
        asyncio.set_event_loop(None)
        if collecting:
            gc.enable()
    return result


@functools.cache
def _settle_modules() -> None:
    """What is imported stays: the collector need not look at it after every run."""
    gc.collect()
    gc.freeze()


def _complaint(context: dict[str, Any]) -> str:
    error = context.get("exception")
    trace = "".join(traceback.format_exception(error)) if error is not None else ""
    return f"the event loop: {context.get('message')} {trace}"


def _fingerprint(world: World) -> str:
    found = hashlib.sha256()
    for stream in (world.events, world.logs):
        for stored in stream.records:
            found.update(f"{stored.at:.9f} {stored.record.subject}\n".encode())
            found.update(stored.record.payload)
    for change in world.truth.changes:
        found.update(repr(change).encode())
    return found.hexdigest()


@contextmanager
def _listening(world: World, complaints: list[str]) -> Iterator[None]:
    """What the engine logs belongs to the trace; an error it did not foresee is a complaint."""

    def hear(_logger: Any, method: str, event: MutableMapping[str, Any]) -> Any:
        process = current_process()
        if method in {"error", "exception", "critical"}:
            trace = event.get("trace") or traceback.format_exc()
            complaints.append(f"{method}: {event['event']} at {world.loop.time():.3f}: {trace}")
        who = process.name[-6:] if process is not None else "?"
        said = " ".join(f"{key}={value}" for key, value in event.items() if key != "event")
        world.note(f"engine {who}", f"{method}: {event['event']} {said}")
        raise structlog.DropEvent

    before = structlog.get_config()
    quiet = logging.getLogger("gamepipeline_engine")
    level = quiet.level
    structlog.configure(processors=[hear])
    quiet.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        structlog.configure(**before)
        quiet.setLevel(level)
