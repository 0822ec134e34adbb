"""The image of a step: one for all its attempts, and its digest on record."""

from __future__ import annotations

import pytest

from gamepipeline_engine.containers.fake import FakeImage, FakeScript
from gamepipeline_events import Event, ImagePulled, StepFailed, StepStarted
from tests.support.engine_on_fakes import EngineOnFakes
from tests.support.histories import pipeline, step
from tests.support.simulated import simulate

REFERENCE = "registry.example/game:1"
FIRST, SECOND = (f"sha256:{letter * 64}" for letter in "ab")
FAILS_ONCE = {("a", 1): FakeScript(exit_code=1, run_for=1.0), ("a", 2): FakeScript()}
RETRIED = {"limit": 1, "backoff": "5s"}


def digests(events: list[Event]) -> list[tuple[str, str | None]]:
    """What the events say of the image."""
    return [
        (event.name, found.image_digest if isinstance(found, StepStarted) else found.digest)
        for event in events
        if isinstance(found := event.data, StepStarted | ImagePulled)
    ]


@pytest.mark.parametrize("pull_policy", ["always", "missing"])
def test_a_tag_that_moves_between_two_attempts(pull_policy: str) -> None:
    """The second attempt runs the image of the first, without another pull; the next pipeline gets the new one."""

    async def main() -> list[list[tuple[str, str | None]]]:
        engine = EngineOnFakes(scripts=FAILS_ONCE)
        daemon = engine.world.daemon
        daemon.registry[REFERENCE] = FakeImage(digest=FIRST)
        one = step("a", retry=RETRIED, container={"image": REFERENCE, "pull_policy": pull_policy, "command": ["true"]})
        async with engine.serving():
            await engine.submit(pipeline(one))
            await engine.until("p1", "StepFailed")
            moved = FakeImage(digest=SECOND)
            daemon.registry[REFERENCE] = moved
            daemon.images[REFERENCE] = moved  # as if another pipeline had pulled it meanwhile
            assert (await engine.wait()).status == "completed"
            await engine.run(pipeline(one), "p2")
            return [digests(await engine.events(name)) for name in ("p1", "p2")]

    first, second = simulate(main())
    assert first == [("ImagePulled", FIRST), ("StepStarted", FIRST), ("StepStarted", FIRST)]
    assert {digest for _, digest in second} == {SECOND}


def test_an_image_that_was_here_has_its_digest_on_record() -> None:
    """The registry's, although nothing was pulled; the image's id where no registry knows it."""

    async def main() -> list[tuple[str, str | None]]:
        engine = EngineOnFakes(scripts={"a": FakeScript(), "b": FakeScript()})
        daemon = engine.world.daemon
        daemon.images |= {REFERENCE: FakeImage(digest=FIRST), "made-here:1": FakeImage(id=SECOND)}
        steps = [step(name, container={"image": image}) for name, image in (("a", REFERENCE), ("b", "made-here:1"))]
        async with engine.serving():
            await engine.run(pipeline(*steps))
            return digests(await engine.events())

    assert simulate(main()) == [("StepStarted", FIRST), ("StepStarted", SECOND)]


@pytest.mark.parametrize(("pull_policy", "named"), [("never", True), ("missing", False)])
def test_an_image_that_must_not_be_fetched(pull_policy: str, named: bool) -> None:
    """The hint names what kept it from being fetched; elsewhere the registry has it not."""

    async def main() -> StepFailed:
        engine = EngineOnFakes()
        one = step("a", container={"image": "none.example/none:1", "pull_policy": pull_policy, "command": ["true"]})
        async with engine.serving():
            assert (await engine.run(pipeline(one))).status == "failed"
            assert not engine.world.daemon.containers
            (failed,) = (event.data for event in await engine.events() if isinstance(event.data, StepFailed))
            return failed

    failed = simulate(main())
    assert failed.cause == "image_not_found"
    assert ("pull_policy" in (failed.hint or "")) is named
