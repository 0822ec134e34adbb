"""``gamepipeline logs``."""

from __future__ import annotations

import asyncio
import sys
from contextlib import aclosing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, BinaryIO

import click

from gamepipeline_engine.cli.options import NDJSON, Settings, id_argument, nats_option, parse_duration

if TYPE_CHECKING:
    from gamepipeline_engine.cli.render.loglines import Line, Printer
    from gamepipeline_engine.cli.session import Session
    from gamepipeline_projections import PipelineState
    from gamepipeline_projections.reading import Recorded

SETTLE = 3.0
"""Seconds in which a log whose step has ended gets its last record, at most."""

TEXT = "text"


@click.command("logs")
@id_argument
@click.option("--step", metavar="S", help="Only this step: its lines as they are.")
@click.option("-f", "--follow", is_flag=True, help="Go on with new lines until there can be no more.")
@click.option("--tail", type=click.IntRange(min=0), metavar="N", help="Only the last N lines of each step.")
@click.option("--since", metavar="DURATION", callback=parse_duration, help="Only lines of the last DURATION.")
@click.option("-t", "--timestamps", is_flag=True, help="Put the time in front of each line.")
@click.option(
    "-o",
    "--output",
    type=click.Choice((TEXT, NDJSON)),
    default=TEXT,
    show_default=True,
    help="ndjson: an object for each line.",
)
@nats_option
def command(
    pipeline: str,
    step: str | None,
    tail: int | None,
    since: float | None,
    output: str,
    *,
    follow: bool,
    timestamps: bool,
) -> None:
    """Print what the steps wrote, stdout and stderr together.

    One step: its lines, nothing added. Several: `<step> | line`. What is missing or was cut is
    said on stderr.
    """
    from gamepipeline_engine.cli.loop import run_async

    start = None if since is None else _wire(datetime.now(UTC) - timedelta(seconds=since))
    wanted = Wanted(step=step, tail=tail, since=start, follow=follow, times=timestamps, json=output == NDJSON)
    run_async(_logs(Settings.current(), pipeline, wanted))


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What the options ask for. ``since`` is a wire time."""

    step: str | None
    tail: int | None
    since: str | None
    follow: bool
    times: bool
    json: bool


async def _logs(settings: Settings, text: str, wanted: Wanted) -> None:
    from gamepipeline_engine.cli.lookup import read_state, resolve_id
    from gamepipeline_engine.cli.session import open_session

    async with open_session(settings) as session:
        pipeline_id = await resolve_id(session, text)
        state = await read_state(session, pipeline_id)
        check_step(wanted.step, state)
        writer = Writer(wanted, list(state.steps), sys.stdout.buffer)
        end = await _end(session, pipeline_id, wanted.step)
        async with aclosing(session.logs.read(pipeline_id, wanted.step)) as records:
            async for record in records:
                if record.sequence > end:
                    break
                writer.take(record)
        writer.tail_is_over()
        if wanted.follow:
            await _follow(session, state, wanted.step, writer)
        writer.end()


def check_step(step: str | None, state: PipelineState) -> None:
    """Raise CliError, 7, for a step that the pipeline has not."""
    from gamepipeline_engine.cli.exits import CliError, Exit
    from gamepipeline_events.ids import PIPELINE_LEVEL

    if step is not None and step != PIPELINE_LEVEL and step not in state.steps:
        known = ", ".join(state.steps)
        raise CliError(Exit.NOT_FOUND, f"pipeline {state.id} has no step {step!r:.80}", f"its steps are {known}")


class Writer:
    """Takes records in the order of the stream and writes what is asked for."""

    def __init__(self, wanted: Wanted, steps: list[str], out: BinaryIO) -> None:
        from gamepipeline_engine.cli.render.loglines import Chunks, Tail

        self._wanted = wanted
        self._out = out
        self._chunks = Chunks()
        self._printer = _printer(wanted, steps)
        self._tail = None if wanted.tail is None else Tail(wanted.tail)
        self.position = 0

    @property
    def complete(self) -> bool:
        """Whether every attempt that wrote anything has its last record."""
        return self._chunks.complete

    def take(self, record: Recorded) -> None:
        """One record; one that was taken before is skipped."""
        from gamepipeline_engine.cli.output import note
        from gamepipeline_engine.cli.render.loglines import remark, remark_object
        from gamepipeline_events import LogClosed, decode

        if record.sequence <= self.position:
            return
        self.position = record.sequence
        event = decode(record.payload)
        for line in self._chunks.lines(event.data):
            self._line(line)
        if isinstance(event.data, LogClosed):
            self._out.write(self._printer.closed(event.data.step, event.data.attempt))
        text = remark(event.data)
        if text is not None and self._wanted.json:
            import msgspec

            self._out.write(msgspec.json.encode(remark_object(event.name, event.data)) + b"\n")
        elif text is not None:
            note(f"gamepipeline: {text}")

    def _line(self, line: Line) -> None:
        if self._wanted.since is not None and line.time < self._wanted.since:
            return
        if self._tail is not None:
            self._tail.add(line)
        else:
            self._out.write(self._printer.line(line))

    def tail_is_over(self) -> None:
        """From here on every line is written."""
        tail, self._tail = self._tail, None
        for line in tail.take() if tail is not None else ():
            self._out.write(self._printer.line(line))
        self._out.flush()

    def flush(self) -> None:
        """Hand on what was written."""
        self._out.flush()

    def end(self) -> None:
        """There is no more."""
        self._out.write(self._printer.end())
        self._out.flush()


def _printer(wanted: Wanted, steps: list[str]) -> Printer:
    from gamepipeline_engine.cli.render.loglines import JsonPrinter, PrefixPrinter, RawPrinter

    if wanted.json:
        return JsonPrinter()
    if wanted.step is not None or len(steps) == 1:
        return RawPrinter(times=wanted.times)
    return PrefixPrinter(steps, times=wanted.times)


async def _follow(session: Session, state: PipelineState, step: str | None, writer: Writer) -> None:
    """Write new lines until the step, or everything of the pipeline, has ended and its log is complete."""
    from gamepipeline_engine.cli.loop import end

    over = asyncio.Event()

    async def watch() -> None:
        await _until_over(session, state, step)
        over.set()

    async def lines() -> None:
        async with aclosing(session.logs.follow(state.id, step, after=writer.position)) as records:
            async for record in records:
                writer.take(record)
                writer.flush()

    async with asyncio.TaskGroup() as group:
        following = group.create_task(lines())
        watching = group.create_task(watch())
        await asyncio.wait({following, watching}, return_when=asyncio.FIRST_COMPLETED)
        await end(following, watching)
    with suppress(TimeoutError):
        async with asyncio.timeout(SETTLE):
            while True:
                async with aclosing(session.logs.read(state.id, step, after=writer.position)) as records:
                    async for record in records:
                        writer.take(record)
                if writer.complete:
                    return
                await asyncio.sleep(0.1)


async def _until_over(session: Session, state: PipelineState, step: str | None) -> None:
    from gamepipeline_events import decode
    from gamepipeline_projections import evolve

    if is_over(state, step):
        return
    async with aclosing(session.events.follow(state.id, state.head.sequence)) as records:
        async for record in records:
            state = evolve(state, decode(record.payload, sequence=record.sequence))
            if is_over(state, step):
                return


def is_over(state: PipelineState, step: str | None) -> bool:
    """Whether no more lines can come: of ``step``, or of the whole pipeline."""
    live = state.live_services()
    if step is None or step not in state.steps:
        return state.terminal and not live
    return (state.terminal or state.steps[step].settled) and step not in live


async def _end(session: Session, pipeline_id: str, step: str | None) -> int:
    from gamepipeline_events.ids import PIPELINE_LEVEL

    subjects = session.topology.subjects
    if step is None:
        subject = subjects.pipeline_logs(pipeline_id)
    else:
        subject = subjects.log(pipeline_id, None if step == PIPELINE_LEVEL else step)
    last = await session.api(session.topology.logs).last(subject)
    return last.sequence if last is not None else 0


def _wire(moment: datetime) -> str:
    from gamepipeline_events.times import timestamp

    return timestamp(moment)
