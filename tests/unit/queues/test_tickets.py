"""The laws of the queue, on histories that somebody else makes up.

Any number of pipelines take tickets, get their places, end in every way there is. The laws hold
for whoever reads all of the stream, a part of it, or begins anew in the middle.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from gamepipeline_events import Event, ServiceExited, ServiceReady, ServiceStopped, StepReset
from gamepipeline_projections.state import PipelineState, Ticket
from gamepipeline_projections.tickets import Standing, TicketTable
from tests.support.histories import Story, pipeline, service, step

GROUPS = ("g", "h")

Draw = Any


class Town:
    """Pipelines whose events stand in one stream. ``standings`` are those of a reader of all of it."""

    def __init__(self) -> None:
        self.stories: dict[str, Story] = {}
        self.events: list[Event] = []
        self.table = TicketTable()

    def begin(self, document: dict[str, Any]) -> str:
        """A new pipeline."""
        pipeline_id = f"p{len(self.stories)}"
        story = self.stories[pipeline_id] = _InStream(document, pipeline_id=pipeline_id, empty=True)
        story.town = self
        story.then(story.submission())
        return pipeline_id


class _InStream(Story):
    """A story whose events get the next place in the town's stream."""

    town: Town

    def event(self, data: Any, **envelope: Any) -> Event:
        """As in Story, with a sequence of the whole stream."""
        return replace(super().event(data, **envelope), sequence=len(self.town.events) + 1)

    def then(self, data: Any, **envelope: Any) -> Any:
        """As in Story, and everybody can read it."""
        before = len(self.payloads)
        told = self.event(data, **envelope)
        super().then(data, **envelope)
        assert len(self.payloads) == before + 1
        self.town.events.append(told)
        self.town.table.take(told)
        return self


def tickets_of(states: list[PipelineState]) -> set[int]:
    """The living tickets as the states of their pipelines have them."""
    own = {state.ticket.sequence for state in states if state.ticket is not None}
    return own | {step.ticket.sequence for state in states for step in state.steps.values() if step.ticket is not None}


def document(draw: Draw) -> dict[str, Any]:
    """A container, a service, perhaps a group for the whole."""
    more = {"concurrency": {"group": "h", "limit": 2}} if draw(st.booleans()) else {}
    return pipeline(step("a"), service("s"), max_parallel=2, **more)


def move(draw: Draw, town: Town) -> None:
    """Something that can happen next, in one pipeline."""
    if len(town.stories) < 2 or draw(st.integers(0, 5)) == 0:
        town.begin(document(draw))
        return
    story = town.stories[draw(st.sampled_from(sorted(town.stories)))]
    state = story.state
    if state.phase == "pending":
        _before_the_start(draw, town, story)
    elif state.phase == "running":
        _under_way(draw, town, story)
    elif state.terminal:
        _service(draw, story)


def _before_the_start(draw: Draw, town: Town, story: Story) -> None:
    state = story.state
    what = draw(st.sampled_from(["queue", "start", "cancel", "reject"]))
    if what == "cancel":
        story.pipeline_canceled()
    elif what == "reject":
        story.rejected()
    elif "concurrency" not in state.document:
        story.started()
    elif state.ticket is None:
        story.pipeline_queued("h", limit=2)
    elif _granted(town, state.ticket):
        story.started()


def _under_way(draw: Draw, town: Town, story: Story) -> None:  # noqa: C901, PLR0912 - one branch for each way to go on
    name = draw(st.sampled_from(["a", "s"]))
    one = story.state.steps[name]
    what = draw(st.sampled_from(["on", "fail", "retry", "cancel", "end"]))
    match one.phase:
        case "pending" if one.ticket is None:
            story.queued(name, draw(st.sampled_from(GROUPS)), limit=draw(st.integers(1, 2)))
        case "pending" if _granted(town, one.ticket):
            story.scheduled(name)
        case "pending" if what == "cancel":
            _ = story.step_canceled(name) if one.attempt else story.skipped(name)
        case "scheduled":
            story.step_started(name)
        case "running" if what == "fail" and one.service is None:
            story.step_failed(name)
        case "running" if what == "retry" and one.service is None:
            story.step_failed(name, retry_in=1)
        case "running" if one.kind == "container":
            story.step_completed(name)
        case "running" if one.service is not None and one.service.phase == "starting":
            story.then(_ready(name))
        case "running":
            story.step_completed(name)
        case "completed" if what == "retry" and one.service is None:
            story.then(StepReset(step=name, reason="test"))
        case "completed":
            _service(draw, story)
        case _:
            pass
    if what == "end" and all(each.settled for each in story.state.steps.values()) and story.state.phase == "running":
        story.pipeline_completed()


def _ready(name: str) -> Any:
    return ServiceReady(step=name, container_id="c", endpoints=[])


def _service(draw: Draw, story: Story) -> None:
    found = story.state.steps.get("s")
    if found is None or found.service is None or found.service.phase != "ready":
        return
    gone = ServiceExited(step="s", exit_code=0, cause="exit_nonzero", uptime=1.0)
    stopped = ServiceStopped(step="s", reason="x", requested_by="cli:x", uptime=1.0)
    story.then(draw(st.sampled_from([gone, stopped])), epoch=None)


def _granted(town: Town, ticket: Ticket | None) -> bool:
    found = town.table.standing(ticket.sequence) if ticket is not None else None
    return found is not None and found.granted


def held(table: TicketTable) -> list[Any]:
    """The tickets that have their places."""
    return [place for place in table if (table.standing(place.sequence) or Standing(granted=False)).granted]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_the_laws_of_the_queue(data: st.DataObject) -> None:
    """Never too many, in order, once had kept, once dead dead, and the same as the pipelines' own states say."""
    town = Town()
    dead: set[int] = set()
    for _ in range(data.draw(st.integers(1, 60))):
        had = {place.sequence for place in held(town.table)}
        lived = {place.sequence for place in town.table}
        move(data.draw, town)
        living = list(town.table)
        alive = {place.sequence for place in living}
        now = held(town.table)
        dead |= lived - alive

        assert alive == tickets_of([story.state for story in town.stories.values()])
        assert not alive & dead, "revived"
        assert {one for one in alive if town.table.has_place(one)} == {place.sequence for place in now}
        assert had & alive <= {place.sequence for place in now}, "a place was taken away"
        for kind, name in {(want.kind, want.name) for place in living for want in place.wants}:
            queue = [place for place in living if (kind, name) in {(want.kind, want.name) for want in place.wants}]
            in_use = [place for place in now if place in queue]
            for place in in_use:
                limit = next(want.limit for want in place.wants if want.name == name)
                assert sum(one.sequence <= place.sequence for one in queue) <= limit, "too many"
            assert queue[0] in in_use, "the first waits for nobody"


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_who_reads_less_is_only_more_careful(data: st.DataObject) -> None:
    """A place that is there after a part of the stream is there after all of it, unless its ticket has died."""
    town = Town()
    for _ in range(data.draw(st.integers(1, 60))):
        move(data.draw, town)
    part = TicketTable()
    for event in town.events[: data.draw(st.integers(0, len(town.events)))]:
        part.take(event)
    alive = {place.sequence for place in town.table}
    full = {place.sequence for place in held(town.table)}
    assert {place.sequence for place in held(part)} & alive <= full
    assert all(part.standing(ticket) is None for ticket in alive if ticket > part.position)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_who_begins_in_the_middle_finds_the_same(data: st.DataObject) -> None:
    """The histories of those with a ticket up to there, and from there on everything, twice if need be."""
    town = Town()
    for _ in range(data.draw(st.integers(1, 60))):
        move(data.draw, town)
    upto = data.draw(st.integers(0, len(town.events)))
    asked = {event.pipeline_id for event in town.events[:upto] if event.name in {"StepQueued", "PipelineQueued"}}
    late = TicketTable()
    for event in town.events[:upto]:
        if event.pipeline_id in asked:
            late.take(event)
    late.position = upto
    for event in (*town.events[upto:], *town.events):
        late.take(event)
    assert list(late) == list(town.table)
    assert Counter(place.sequence for place in late) == Counter(place.sequence for place in town.table)
