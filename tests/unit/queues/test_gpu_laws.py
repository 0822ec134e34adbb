"""A GPU has one holder: on histories that somebody else makes up, whoever chooses and however little it has read."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gamepipeline_engine.assembly import AskedGpus
from gamepipeline_events import StepQueued, StepScheduled, Want
from gamepipeline_projections.tickets import Standing, TicketTable
from tests.support.histories import IMAGE, Story, pipeline, step
from tests.unit.queues.test_tickets import Town

IDS = ("a", "b", "c")
DAEMONS = ("one", "two")
ASKS = (
    AskedGpus(count=1),
    AskedGpus(count=2),
    AskedGpus(names=("b",)),
    AskedGpus(names=("c",), count=1),
    AskedGpus(every=True),
)


class Asking:
    """What each pipeline's step asks for, and where it runs."""

    def __init__(self) -> None:
        self.town = Town()
        self.asks: dict[str, tuple[str, AskedGpus]] = {}

    def move(self, data: st.DataObject) -> None:
        """Something that can happen next, in one pipeline."""
        if not self.asks or data.draw(st.integers(0, 4)) == 0:
            pipeline_id = self.town.begin(pipeline(step("a", retry={"limit": 50})))
            self.asks[pipeline_id] = data.draw(st.sampled_from(DAEMONS)), data.draw(st.sampled_from(ASKS))
            self.town.stories[pipeline_id].started()
            return
        pipeline_id = data.draw(st.sampled_from(sorted(self.asks)))
        story, (docker, asked) = self.town.stories[pipeline_id], self.asks[pipeline_id]
        one = story.state.steps["a"]
        match one.phase:
            case "pending" if one.ticket is None:
                want = Want(kind="gpu", name=docker, limit=len(IDS), count=asked.size(IDS))
                story.then(StepQueued(step="a", attempt=one.attempt + 1, wants=[want], on_full="wait"))
            case "pending" if one.ticket is not None:
                found = self.read(data).standing(one.ticket.sequence)
                chosen = asked.choose(IDS, found.taken) if found is not None and found.granted else None
                if chosen is not None:
                    story.then(scheduled(story, docker, chosen))
            case "scheduled":
                story.step_started("a")
            case "running" if data.draw(st.booleans()):
                story.step_failed("a", retry_in=1)
            case "running":
                story.step_completed("a")
            case _:
                pass

    def read(self, data: st.DataObject) -> TicketTable:
        """What an engine knows that has read only a part of the stream."""
        table = TicketTable()
        last = len(self.town.events)
        for event in self.town.events[: data.draw(st.integers(max(0, last - 6), last))]:
            table.take(event)
        return table


def scheduled(story: Story, docker: str, gpus: list[str]) -> Any:
    """The next attempt, with these."""
    attempt = story.state.steps["a"].attempt + 1
    return StepScheduled(
        step="a",
        name="a",
        attempt=attempt,
        kind="container",
        image=IMAGE,
        container_name=f"gp-{story.state.id}.a.{attempt}",
        docker=docker,
        gpus=gpus,
    )


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_gpu_has_one_holder(data: st.DataObject) -> None:
    """Of each id on each Docker engine; and the first that waits is never refused what is free."""
    world = Asking()
    table = world.town.table
    for _ in range(data.draw(st.integers(1, 80))):
        world.move(data)
        held = Counter((place.wants[0].name, gpu) for place in table for gpu in table.gpus(place.sequence))
        assert all(count == 1 for count in held.values()), held
        for docker in DAEMONS:
            queue = [place for place in table if place.wants[0].name == docker]
            waiting = [place for place in queue if not table.gpus(place.sequence)]
            places = [table.standing(place.sequence) or Standing(granted=False) for place in waiting]
            assert not any(one.granted for one in places[1:]), "it chooses before its turn"
            if waiting and not held_on(held, docker):
                assert places[0].granted
                assert world.asks[waiting[0].pipeline_id][1].choose(IDS, places[0].taken) is not None


def held_on(held: Counter[tuple[str, str]], docker: str) -> bool:
    """Whether anybody has a GPU there."""
    return any(name == docker for name, _ in held)
