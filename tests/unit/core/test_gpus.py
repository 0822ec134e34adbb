"""What a pipeline makes of the node's GPUs, decision by decision."""

from __future__ import annotations

from typing import Any

import pytest

from gamepipeline_engine.assembly import AskedGpus
from gamepipeline_engine.assembly.fields.gpus import by_id
from gamepipeline_engine.core.deadlines import ENDING_LIMIT
from gamepipeline_engine.core.inputs import Tick
from gamepipeline_events import EventData, StepFailed, StepQueued, StepScheduled, Want
from gamepipeline_projections.tickets import Standing
from tests.support.histories import DOCKER, IMAGE, Story, pipeline, step

GPUS = ("a", "b")
FREE = Standing(granted=True)


def asking(count: int = 1, **more: Any) -> Story:
    """A started pipeline whose step ``s`` asks for so many."""
    container = {"image": IMAGE, "gpus": [{"count": count}]}
    return Story(pipeline(step("s", container=container, **more))).started()


def tick(story: Story, standing: Standing | None, *, docker: str = DOCKER, gpus: Any = GPUS) -> EventData | None:
    """What follows when the step's ticket stands so."""
    ticket = story.state.steps["s"].ticket
    standings = {} if ticket is None or standing is None else {ticket.sequence: standing}
    return story.ask(Tick(docker=docker, standings=standings, gpus=gpus))


def queued(story: Story) -> Story:
    """It has taken its ticket."""
    found = tick(story, None)
    assert isinstance(found, StepQueued)
    return story.then(found)


def test_a_ticket_and_then_ids() -> None:
    """As many as it asks for, of those that nobody before it has."""
    story = queued(asking())
    ticket = story.state.steps["s"].ticket
    assert ticket is not None
    assert ticket.wants == (Want(kind="gpu", name=DOCKER, limit=2),)
    assert tick(story, None) is None
    assert tick(story, Standing(granted=False, only_gpus=True)) is None
    found = tick(story, Standing(granted=True, taken=frozenset("a")))
    assert isinstance(found, StepScheduled)
    assert found.gpus == ["b"]
    assert story.then(found).state.steps["s"].gpus == ("b",)
    assert tick(queued(asking()), Standing(granted=True, taken=frozenset("ab"))) is None


@pytest.mark.parametrize(("docker", "gpus"), [("elsewhere", GPUS), (DOCKER, ("a", "b", "c"))])
def test_a_ticket_for_other_gpus_is_given_back(docker: str, gpus: tuple[str, ...]) -> None:
    """The pipeline went on elsewhere, or the node has others now: a new ticket, at the end of the right queue."""
    found = tick(queued(asking()), FREE, docker=docker, gpus=gpus)
    assert isinstance(found, StepQueued)
    assert found.wants == [Want(kind="gpu", name=docker, limit=len(gpus))]


@pytest.mark.parametrize("gpus", [None, ()])
def test_a_ticket_for_nothing_is_given_back(gpus: tuple[str, ...] | None) -> None:
    """Where nothing is known any more, or nothing is there, it holds up nobody; the attempt says what that means."""
    story = queued(asking())
    found = tick(story, FREE, gpus=gpus)
    assert isinstance(found, StepQueued)
    assert found.wants == []
    started = tick(story.then(found), None, gpus=gpus)
    assert isinstance(started, StepScheduled)
    assert started.gpus is None


def test_the_last_step_of_an_ending_pipeline_waits_for_so_long() -> None:
    """As for a place in a group: then it fails, for want of a GPU."""
    container = {"image": IMAGE, "gpus": "all"}
    story = Story(pipeline(step("a"), step("s", when="always", container=container))).started()
    story.cancel_requested().skipped("a")
    story = queued(story)
    assert tick(story, Standing(granted=False, only_gpus=True)) is None
    found = tick(story.wait(ENDING_LIMIT), Standing(granted=False, only_gpus=True))
    assert isinstance(found, StepFailed)
    assert (found.cause, found.kind, found.will_retry) == ("gpu_unavailable", "error", False)


def test_one_gpu_by_two_names_is_one() -> None:
    """By its id and by its CDI name."""
    asked = AskedGpus(names=("b", "vendor.example/gpu=b"), count=1)
    assert asked.size(GPUS) == 2
    assert asked.missing(GPUS) is None
    assert asked.choose(GPUS, ()) == ["b", "a"]
    assert asked.choose(GPUS, ("a",)) is None


def test_a_number_means_others_than_those_that_are_named() -> None:
    """So each of those that were given is in the container."""
    request = {"Driver": "", "Count": 1, "Capabilities": [["gpu"]]}
    assert by_id([request], ["vendor.example/gpu=b"], ["b", "a"])[0]["DeviceIDs"] == ["a"]


def test_a_gpu_that_cdi_names_is_asked_for_by_that_name() -> None:
    """Unless the step writes another driver: that one gets what stands behind the name."""
    request = {"Driver": "", "Count": 1, "Capabilities": [["gpu"]]}
    given = ["nvidia.com/gpu=1"]
    assert by_id([request], [], given) == [{"Driver": "cdi", "DeviceIDs": given}]
    nvidia = {**request, "Driver": "nvidia"}
    assert by_id([nvidia], [], given) == [{"Driver": "nvidia", "Capabilities": [["gpu"]], "DeviceIDs": ["1"]}]


def test_one_gpu_by_either_of_its_names() -> None:
    """A CDI name in the inventory is also called by what stands behind it; another vendor's is another GPU."""
    inventory = ("nvidia.com/gpu=0",)
    assert AskedGpus(names=("0",)).choose(inventory, ()) == ["nvidia.com/gpu=0"]
    assert AskedGpus(names=("nvidia.com/gpu=0",)).choose(inventory, ()) == ["nvidia.com/gpu=0"]
    assert AskedGpus(names=("vendor.example/gpu=0",)).missing(inventory) is not None
    assert AskedGpus(names=("1",)).missing(inventory) is not None
