"""Playing a run again: what comes after what, and when it is shown."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from io import StringIO

import click
import pytest

from gamepipeline_engine.cli.reading.playback import PastClock, frame_of, play
from gamepipeline_engine.cli.reading.replay import command, parse_speed
from gamepipeline_engine.cli.render.loglines import Line
from gamepipeline_engine.cli.render.timeline import Closed, Happening, Remark, timeline
from gamepipeline_engine.cli.render.view import RunView
from gamepipeline_engine.cli.running.screen import PlainScreen
from gamepipeline_events import ErrorLog, Event, EventData, LogClosed, StepLog
from gamepipeline_events.times import moment, timestamp
from tests.unit.cli.histories import BETWEEN, FAILING, START

FIRST = moment(FAILING[0].time)


def record(data: EventData, seconds: float) -> Event:
    """A record of the log, stored ``seconds`` after the first event."""
    return Event(
        id="01ARZ3NDEKTSV4RRFFQ69G0000",
        source="gamepipeline/node-1",
        name=type(data).__name__,
        version=1,
        pipeline_id=FAILING[0].pipeline_id,
        time=after(seconds),
        data=data,
    )


def after(seconds: float) -> str:
    """That long after the first event."""
    return timestamp(FIRST + timedelta(seconds=seconds))


def chunk(step: str, number: int, *lines: tuple[float, str]) -> Event:
    """A chunk, stored half a second after its last line."""
    data = StepLog(step=step, attempt=1, chunk=number, lines=[(after(at), "stdout", text) for at, text in lines])
    return record(data, lines[-1][0] + 0.5)


async def stored(*records: Event) -> AsyncIterator[Event]:
    """As a reader gives them."""
    for one in records:
        yield one


async def told(*records: Event) -> list[Happening]:
    """The whole row."""
    return [one async for one in timeline(FAILING, stored(*records))]


async def test_lines_stand_between_the_events_around_them() -> None:
    """By the time they were written, not by that of their chunk; a chunk that is stored twice counts once."""
    found = await told(chunk("fetch", 1, (2.0, "one"), (4.0, "two")), chunk("fetch", 1, (2.0, "one"), (4.0, "two")))
    assert [one.what for one in found if isinstance(one.what, Event)] == FAILING
    lines = [place for place, one in enumerate(found) if isinstance(one.what, Line)]
    assert len(lines) == 2
    for place in lines:
        assert found[place - 1].time <= found[place].time < found[place + 1].time


async def test_time_never_goes_back() -> None:
    """Also where a line claims to be older than what was stored before it."""
    found = await told(chunk("fetch", 1, (9.0, "late")), chunk("fetch", 2, (1.0, "early")))
    times = [one.time for one in found]
    assert times == sorted(times)
    assert [one.what.text for one in found if isinstance(one.what, Line)] == ["late", "early"]


async def test_what_is_beside_the_lines_is_told_too() -> None:
    """Faults, and that a log is complete."""
    fault = ErrorLog(step="fetch", attempt=1, time=after(3), cause="image_pull", message="no route", context={})
    closed = LogClosed(step="fetch", attempt=1, chunks=0, lines=0, bytes=0, sha256="")
    found = [one.what for one in await told(record(fault, 5), record(closed, 6)) if not isinstance(one.what, Event)]
    assert found == [Remark("fetch: image_pull: no route"), Closed("fetch", 1)]


class Recorder(PlainScreen):
    """Plain lines, and when they came."""

    def __init__(self, out: StringIO, clock: PastClock) -> None:
        super().__init__(["fetch"], out)
        self.clock = clock
        self.shown: list[datetime] = []
        self.ticks = 0

    def event(self, event: Event) -> None:
        """Note the time."""
        self.shown.append(self.clock.now())
        super().event(event)

    def tick(self) -> None:
        """Count."""
        self.ticks += 1


async def test_each_event_is_shown_at_its_time() -> None:
    """The screen moves between them, and the view ends where the run did."""
    clock, out, view = PastClock(FIRST, None), StringIO(), RunView(FAILING[0].pipeline_id)
    screen = Recorder(out, clock)
    await play(timeline(FAILING, stored(chunk("fetch", 1, (4.0, "hello")))), view, screen, clock, frame=0.5)
    screen.close()
    assert screen.shown == [moment(event.time) for event in FAILING]
    assert screen.ticks >= (len(FAILING) - 1) * (BETWEEN / timedelta(seconds=0.5))
    assert view.state.phase == "failed"
    assert "fetch | hello\n" in out.getvalue()
    assert out.getvalue().splitlines()[-1] == "start-1: failed after 24.0s: step verify: ended with exit code 3"


async def test_a_clock_of_the_past_runs_as_fast_as_it_is_told() -> None:
    """From its start on; without a speed it is where it is wanted at once."""
    fast, jumping = PastClock(START, 1e6), PastClock(START, None)
    assert fast.now() == START
    await fast.sleep(3600)
    await jumping.sleep(3600)
    assert fast.now() >= START + timedelta(seconds=3600)
    assert jumping.now() == START + timedelta(seconds=3600)
    assert frame_of(8.0) == 1.0


@pytest.mark.parametrize(("text", "speed"), [("10", 10.0), ("0.5", 0.5), ("max", None)])
def test_a_speed_is_a_number_or_max(text: str, speed: float | None) -> None:
    """Times the world's."""
    assert parse_speed(click.Context(command), command.params[1], text) == speed


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "fast", ""])
def test_what_is_no_speed_is_refused(text: str) -> None:
    """With what is one."""
    with pytest.raises(click.BadParameter, match="above 0, or max"):
        parse_speed(click.Context(command), command.params[1], text)
