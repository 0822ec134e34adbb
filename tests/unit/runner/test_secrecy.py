"""Secrets that come along where nobody expects them: in arguments, reasons, refusals."""

from __future__ import annotations

from typing import Any

import pytest

from gamepipeline_engine.clock import new_id
from gamepipeline_engine.core.inputs import RejectCommand
from gamepipeline_engine.runner import Writer
from gamepipeline_events import Execute, PipelineCancelRequested, PipelineRejected, encode
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
