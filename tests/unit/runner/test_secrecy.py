"""Secrets that come along where nobody expects them: in arguments, reasons, refusals."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gamepipeline_engine.clock import new_id
from gamepipeline_engine.core.inputs import RejectCommand
from gamepipeline_engine.journal.faults import Full
from gamepipeline_engine.runner import Writer
from gamepipeline_events import (
    Event,
    Execute,
    LogClosed,
    PipelineCancelRequested,
    PipelineRejected,
    StepCompleted,
    StepFailed,
    StepLog,
    encode,
)
from gamepipeline_events.subjects import CommandSubject
from tests.support.engine_on_fakes import EngineOnFakes, names
from tests.support.histories import pipeline, step
from tests.support.simulated import simulate

SECRET = "hunter22-and-more"


def secretive(*steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A pipeline that lists the secret."""
    return {**pipeline(*steps), "secrets": ["S3"], **more}


def test_an_argument_that_tells_a_secret_is_refused() -> None:
    """Before anything of it is on record: the first event is the refusal, and no container exists."""

    async def main() -> None:
        engine = EngineOnFakes(variables={"S3": SECRET})
        document = secretive(step("a"), args=["A", "B"])
        async with engine.serving():
            await engine.submit(document, args={"A": f"key={SECRET}", "B": "fine"})
            status = await engine.wait()
            assert status.status == "rejected"
        events = await engine.events()
        assert names(events) == ["PipelineRejected"]
        assert isinstance(events[0].data, PipelineRejected)
        assert [(one.code, one.path) for one in events[0].data.errors] == [("GP304", "args.A")]
        assert not any(SECRET.encode() in record.payload for record in engine.world.events.records)
        assert engine.world.daemon.starts == {}

    simulate(main())


def test_a_wrong_argument_is_not_quoted() -> None:
    """What else is wrong with it would repeat it, or the first part of a long one."""

    async def main() -> None:
        secret = SECRET * 20
        engine = EngineOnFakes(variables={"S3": secret})
        document = secretive(step("a"), args={"A": {"enum": ["x", "y"]}})
        async with engine.serving():
            await engine.submit(document, args={"A": secret, "B": [secret]})
            await engine.wait()
        (event,) = await engine.events()
        assert isinstance(event.data, PipelineRejected)
        assert [(one.code, one.path) for one in event.data.errors] == [("GP304", "args.A"), ("GP304", "args.B")]
        assert SECRET.encode() not in encode(event)

    simulate(main())


def test_outputs_are_masked_before_they_are_taken_apart() -> None:
    """A secret of two lines is one value, and a name that tells it is no name."""

    async def main() -> None:
        secret = "the-first-line\nthe-second-line"
        engine = EngineOnFakes(variables={"S3": secret})
        echo = "echo tag=${{ secrets.S3 }} >> $GAMEPIPELINE_OUTPUT; echo ${{ secrets.S3 }}=1 >> $GAMEPIPELINE_OUTPUT"
        async with engine.serving():
            await engine.submit(secretive(step("a", container={"image": "busybox:stable", "commands": [echo]})))
            status = await engine.wait()
        assert status.steps[0].outputs == {"tag": "***"}
        stored = [encode(one) for one in [*await engine.events(), *await engine.log_events()]]
        assert not any(b"the-first" in one or b"the-second" in one for one in stored)

    simulate(main())


def test_a_reason_that_tells_a_secret() -> None:
    """Whoever cancels may paste anything: it is masked, also by an engine that does not run the pipeline."""

    async def main() -> None:
        engine = EngineOnFakes(variables={"S3": SECRET})
        async with engine.serving():
            await engine.submit(secretive(step("a", container={"image": "busybox:stable", "commands": ["sleep 100"]})))
            await engine.until("p1", "StepStarted")
            other = EngineOnFakes(engine.world, node="other", variables={"S3": SECRET})
            await other.cancel("p1", f"because of {SECRET}")
            asked = (await engine.until("p1", "PipelineCancelRequested")).data
            assert isinstance(asked, PipelineCancelRequested)
            assert asked.reason == "because of ***"
            await engine.wait()
        assert not any(SECRET.encode() in encode(event) for event in await engine.events())

    simulate(main())


def test_a_refusal_that_is_masked_is_on_record_once() -> None:
    """It is told from the last one by its text: masked, it must still be the same one."""

    async def main() -> None:
        engine = EngineOnFakes(variables={"S3": SECRET})
        async with engine.serving():
            await engine.submit(secretive(step("a")))
            await engine.wait()
        writer = Writer(engine.host, "p1")
        await writer.catch_up()
        refusal = RejectCommand(command="stop", command_id=None, code="bad_command", message=f"no {SECRET}")
        assert await writer.settle(refusal)
        assert not await writer.settle(refusal)

    simulate(main())


@pytest.mark.parametrize("value", ["", "abc"])
def test_a_value_too_short_to_be_told_is_no_reason(value: str) -> None:
    """Nobody can say whether ``abc`` is the secret or a word."""

    async def main() -> None:
        engine = EngineOnFakes(variables={"S3": value})
        async with engine.serving():
            command = Execute(id=new_id(), pipeline=secretive(step("a"), args=["A"]), args={"A": "abc"})
            await engine.queue.publish(CommandSubject("execute", "p1", "default"), command)
            assert (await engine.wait()).status == "completed"

    simulate(main())


ADDS = (
    "echo early-token; echo '::add-mask::made-token'; echo made-token; echo tag=made-token >> $GAMEPIPELINE_OUTPUT; "
    "sleep 50; echo middle; sleep 50; echo late made-token; exit 3"
)


def shown(events: list[Event]) -> list[str]:
    """The lines of the log."""
    return [text for event in events if isinstance(event.data, StepLog) for _, _, text in event.data.lines]


def test_a_step_adds_a_mask() -> None:
    """From its line on: in the log, in the lines a failure quotes, and in outputs."""

    async def main() -> None:
        engine = EngineOnFakes()
        container = {"image": "busybox:stable", "commands": [ADDS]}
        okay = {"image": "busybox:stable", "commands": [ADDS.replace("exit 3", "true")]}
        async with engine.serving():
            await engine.submit(pipeline(step("b", container=okay), step("a", container=container)))
            await engine.wait()
        failed = next(event.data for event in await engine.events() if isinstance(event.data, StepFailed))
        lines = ["early-token", "::add-mask::***", "***", "middle", "late ***"]
        assert failed.log_tail == lines
        assert shown(await engine.log_events(step="a")) == lines
        done = next(event.data for event in await engine.events() if isinstance(event.data, StepCompleted))
        assert done.outputs == {"tag": "***"}

    simulate(main())


@pytest.mark.parametrize("when", ["while it runs", "after its end"])
def test_an_engine_that_comes_later_knows_the_masks(when: str) -> None:
    """The value is stored nowhere: the next engine reads the log again, and masks what it reads and the outputs."""

    async def main() -> None:
        first = EngineOnFakes()
        okay = {"image": "busybox:stable", "commands": [ADDS.replace("exit 3", "true")]}
        async with first.serving():
            await first.submit(pipeline(step("a", container=okay)))
            async with asyncio.timeout(60):
                while "middle" not in shown(await first.log_events()):  # noqa: ASYNC110 - in simulated time
                    await asyncio.sleep(0.1)
            if when == "after its end":
                # The log is read to its end and closed, the exit is not on record.
                first.journal.script(*[Full()] * 50)
                await asyncio.sleep(110)
            await first.crash()
        if when == "after its end":
            assert any(isinstance(event.data, LogClosed) for event in await first.log_events())
            assert "StepCompleted" not in names(await first.events())
        second = EngineOnFakes(first.world)
        async with second.serving():
            status = await second.wait()
        assert status.steps[0].outputs == {"tag": "***"}
        assert shown(await second.log_events()) == ["early-token", "::add-mask::***", "***", "middle", "late ***"]

    simulate(main())
