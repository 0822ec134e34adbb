"""A pipeline on the fakes while the world misbehaves: lost replies, a daemon or a store that is away, hands.

Everything runs in simulated time: an hour of patience costs nothing, and a loop that never rests
would hang here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from gamepipeline_engine.config import parse_config
from gamepipeline_engine.containers.fake import FakeOutput, FakeScript
from gamepipeline_engine.journal.faults import Full, Ghost, LostAck, Silence
from gamepipeline_engine.journal.memory import MemoryLogStore
from gamepipeline_engine.journal.port import JournalUnavailable
from gamepipeline_engine.runner.desk import LOG_DRAIN
from gamepipeline_events import (
    AlertRaised,
    ErrorLog,
    Event,
    LogClosed,
    LogGap,
    LogTruncated,
    ServiceExited,
    StepFailed,
    StepLog,
)
from tests.support.engine_on_fakes import EngineOnFakes, names
from tests.support.histories import pipeline, service, step
from tests.support.simulated import simulate

IMAGE = "busybox:stable"


def does(name: str, *commands: str, **more: Any) -> dict[str, Any]:
    """A step that runs these commands."""
    return step(name, container={"image": IMAGE, "commands": list(commands)}, **more)


def serves(name: str, *commands: str, **more: Any) -> dict[str, Any]:
    """A service that runs these commands."""
    return service(name, container={"image": IMAGE, "commands": list(commands)}, **more)


def play(main: Coroutine[Any, Any, None]) -> None:
    """In simulated time."""
    simulate(main)


async def text(engine: EngineOnFakes, name: str, attempt: int = 1) -> list[str]:
    """The lines an attempt has published, chunks in order and each once."""
    chunks: dict[int, StepLog] = {}
    for event in await engine.log_events(step=name):
        if isinstance(event.data, StepLog) and event.data.attempt == attempt:
            chunks.setdefault(event.data.chunk, event.data)
    assert sorted(chunks) == list(range(1, len(chunks) + 1))
    return [line for number in sorted(chunks) for _, _, line in chunks[number].lines]


# --- containers ----------------------------------------------------------------------------------------


def test_the_container_of_an_attempt_goes_when_the_attempt_is_over() -> None:
    """While a step waits for its next attempt the last one's container is gone."""

    async def main() -> None:
        engine = EngineOnFakes()
        async with engine.serving():
            await engine.submit(pipeline(does("a", "exit 1", retry={"limit": 1, "backoff": "1h", "max_backoff": "1h"})))
            await engine.until("p1", "StepFailed")
            await asyncio.sleep(60)
            assert [one for one in await engine.left() if ".a." in one] == []
            await engine.wait()

    play(main())


@pytest.mark.parametrize("operation", ["prepare", "create", "start", "wait", "remove", "dispose", "inspect", "logs"])
@pytest.mark.parametrize("how", ["lose_reply", "lose_request"])
def test_a_call_that_got_lost(operation: str, how: str) -> None:
    """Whether the daemon heard the request or not: the step runs once and the pipeline completes."""

    async def main() -> None:
        engine = EngineOnFakes()
        getattr(engine.world.daemon.faults, how)(operation)
        async with engine.serving():
            status = await engine.run(pipeline(does("a", "echo one", "sleep 1", "echo two"), does("b", "echo b")))
            assert status.status == "completed"
            assert engine.world.daemon.starts == {"gp-p1.a.1": 1, "gp-p1.b.1": 1}
            assert await text(engine, "a") == ["one", "two"]
            assert await engine.left() == []

    play(main())


def test_a_start_that_got_lost_and_is_refused_the_second_time() -> None:
    """The container runs all the same: it is not removed, and its attempt has its one run."""

    async def main() -> None:
        engine = EngineOnFakes()
        faults = engine.world.daemon.faults
        async with engine.serving():
            faults.lose_reply("start")
            await engine.submit(pipeline(step("a", container={"image": IMAGE, "commands": ["sleep 5"]})))
            while not engine.world.daemon.starts:  # noqa: ASYNC110 - a daemon says nothing of its starts
                await asyncio.sleep(0.01)
            faults.refuse("start", "container_start")
            status = await engine.wait()
        assert (status.status, status.steps[0].attempt) == ("completed", 1)
        assert list(engine.world.daemon.starts.values()) == [1]

    play(main())


def test_a_daemon_that_is_away_decides_nothing() -> None:
    """Containers run on and no step fails; the fault is in the log, and all goes on when the daemon is back."""

    async def main() -> None:
        engine = EngineOnFakes()
        daemon = engine.world.daemon
        async with engine.serving():
            await engine.submit(pipeline(does("a", "sleep 30", "echo done")))
            await engine.until("p1", "StepStarted")
            daemon.go_away()
            await asyncio.sleep(600)
            assert names(await engine.events())[-1] == "StepStarted"
            daemon.come_back()
            status = await engine.wait()
            assert (status.status, await text(engine, "a")) == ("completed", ["done"])
            faults = [one.data for one in await engine.log_events() if isinstance(one.data, ErrorLog)]
            assert {fault.cause for fault in faults} == {"daemon_unreachable"}

    play(main())


def test_a_log_waits_for_a_daemon_that_is_away() -> None:
    """Only a log store has a limit: the daemon away right after the exit costs no line."""

    async def main() -> None:
        engine = EngineOnFakes()
        daemon = engine.world.daemon
        async with engine.serving():
            gate = daemon.faults.hold("history")
            await engine.submit(pipeline(does("a", "sleep 5", "printf end")))
            await gate.reached.wait()
            logs = daemon.faults.hold("logs")
            gate.open.set()
            await logs.reached.wait()
            daemon.go_away()
            logs.open.set()
            await asyncio.sleep(LOG_DRAIN * 5)
            daemon.come_back()
            status = await engine.wait()
            assert (status.status, await text(engine, "a")) == ("completed", ["end"])
            assert not any(isinstance(one.data, LogTruncated) for one in await engine.log_events())

    play(main())


@pytest.mark.parametrize("how", ["refuse", "lose_reply"])
def test_a_history_that_is_hidden_says_nothing(how: str) -> None:
    """A proxy that hides the daemon's events costs precision and nothing else; a lost answer is asked for again."""

    async def main() -> None:
        engine = EngineOnFakes()
        faults = engine.world.daemon.faults
        if how == "refuse":
            faults.refuse("history", "engine_error", status=403)
        else:
            faults.lose_reply("history")
        async with engine.serving():
            await engine.submit(pipeline(does("a", "sleep 30")))
            await engine.until("p1", "StepStarted")
            engine.world.daemon.kill_by_hand("gp-p1.a.1")
            status = await engine.wait()
            assert status.steps[0].cause == ("signal" if how == "refuse" else "killed_external")

    play(main())


def test_a_service_that_somebody_restarted_before_it_was_ready() -> None:
    """It may go on: its readiness is what counts."""

    async def main() -> None:
        engine = EngineOnFakes(scripts={"s": FakeScript(run_for=None, ready_after=20)})
        async with engine.serving():
            document = serves("s", "anything", ready={"exec": ["ready"], "timeout": "5m"})
            await engine.submit(pipeline(document))
            await engine.until("p1", "StepStarted")
            await asyncio.sleep(5)
            engine.world.daemon.restart_by_hand("gp-p1.s.1")
            assert (await engine.wait()).status == "completed"

    play(main())


def test_streams_that_break_are_no_exits() -> None:
    """A broken wait or log stream is taken up where it was; no line is lost or doubled."""

    async def main() -> None:
        engine = EngineOnFakes()
        script = FakeScript(run_for=30, output=tuple(FakeOutput(f"{n}\n".encode(), after=1) for n in range(20)))
        engine.world.daemon.scripts["a"] = script
        async with engine.serving():
            await engine.submit(pipeline(does("a", "anything")))
            await engine.until("p1", "StepStarted")
            for _ in range(10):
                await asyncio.sleep(2.3)
                engine.world.daemon.break_streams()
            status = await engine.wait()
            assert status.status == "completed"
            assert await text(engine, "a") == [str(n) for n in range(20)]

    play(main())


def test_a_container_that_somebody_removed() -> None:
    """The attempt is lost, said so with an alert and a gap in the log, and the next one succeeds."""

    async def main() -> None:
        engine = EngineOnFakes()
        async with engine.serving():
            await engine.submit(pipeline(does("a", "echo begun", "sleep 30")))
            await engine.until("p1", "StepStarted")
            await asyncio.sleep(5)
            engine.world.daemon.remove_by_hand("gp-p1.a.1")
            status = await engine.wait()
            assert (status.status, status.steps[0].attempt) == ("completed", 2)
            events = await engine.events()
            failed = next(one.data for one in events if isinstance(one.data, StepFailed))
            assert (failed.cause, failed.kind, failed.will_retry) == ("container_lost", "error", True)
            assert [one.data.alert for one in events if isinstance(one.data, AlertRaised)] == ["step_lost"]
            assert any(isinstance(one.data, LogGap) for one in await engine.log_events())

    play(main())


def test_a_container_that_somebody_killed() -> None:
    """A kill from outside ends the step as a failure of its container."""

    async def main() -> None:
        engine = EngineOnFakes()
        async with engine.serving():
            await engine.submit(pipeline(does("a", "sleep 30")))
            await engine.until("p1", "StepStarted")
            await asyncio.sleep(1)
            engine.world.daemon.kill_by_hand("gp-p1.a.1")
            status = await engine.wait()
            found = status.steps[0]
            assert (status.status, found.exit_code, found.cause) == ("failed", 137, "killed_external")

    play(main())


def test_a_container_that_somebody_stopped_and_that_says_success() -> None:
    """A step that answers TERM with 0 is not done when somebody stops it."""

    async def main() -> None:
        engine = EngineOnFakes()
        async with engine.serving():
            await engine.submit(pipeline(does("a", "trap 'exit 0' TERM", "sleep 30 & wait")))
            await engine.until("p1", "StepStarted")
            await asyncio.sleep(1)
            engine.world.daemon.stop_by_hand("gp-p1.a.1")
            status = await engine.wait()
            assert (status.steps[0].exit_code, status.steps[0].cause) == (0, "killed_external")

    play(main())


def test_a_container_that_somebody_restarted() -> None:
    """Its attempt had its one run: the second one is ended, and the attempt has failed."""

    async def main() -> None:
        engine = EngineOnFakes()
        async with engine.serving():
            await engine.submit(pipeline(does("a", "echo run", "sleep 300")))
            await engine.until("p1", "StepStarted")
            await asyncio.sleep(1)
            before = engine.world.clock.now()
            engine.world.daemon.restart_by_hand("gp-p1.a.1")
            status = await engine.wait()
            assert (status.status, status.steps[0].cause) == ("failed", "killed_external")
            assert (engine.world.clock.now() - before).total_seconds() < 30
            assert await engine.left() == []

    play(main())


def test_a_service_that_somebody_restarted_goes_on() -> None:
    """For a service a restart by hand is no end."""

    async def main() -> None:
        engine = EngineOnFakes()
        async with engine.serving():
            assert (await engine.run(pipeline(serves("s", "sleep inf")))).status == "completed"
            engine.world.daemon.restart_by_hand("gp-p1.s.1")
            await asyncio.sleep(60)
            assert names(await engine.events())[-1] == "PipelineCompleted"
            engine.world.daemon.stop_by_hand("gp-p1.s.1")
            ended = (await engine.until("p1", "ServiceExited")).data
            assert isinstance(ended, ServiceExited)
            assert ended.cause == "killed_external"

    play(main())


def test_a_daemon_that_shuts_down_interrupts() -> None:
    """What its shutdown ended runs again from the system's budget; what had ended by itself has its own result.

    Nobody read what these said last: each log says so.
    """

    async def main() -> None:
        engine = EngineOnFakes()
        daemon = engine.world.daemon
        async with engine.serving():
            steps = does("a", "sleep 60"), does("b", "sleep 1", "exit 3"), does("c", "sleep 1")
            await engine.submit(pipeline(*(one | {"needs": []} for one in steps), max_parallel=3))
            for name in ("a", "b", "c"):
                await engine.until("p1", "StepStarted", name)
            daemon.go_away()
            await asyncio.sleep(3)
            daemon.restart(live_restore=False)
            await asyncio.sleep(3)
            daemon.come_back()
            status = await engine.wait()
            assert [(one.status, one.attempt, one.cause) for one in status.steps[1:]] == [
                ("failed", 1, "exit_nonzero"),
                ("completed", 1, None),
            ]
            failures = [one.data for one in await engine.events() if isinstance(one.data, StepFailed)]
            assert {(one.step, one.cause, one.kind) for one in failures} == {
                ("a", "interrupted", "error"),
                ("b", "exit_nonzero", "failure"),
            }
            gaps = [one.data for one in await engine.log_events() if isinstance(one.data, LogGap)]
            assert sorted((one.step, one.attempt) for one in gaps) == [("a", 1), ("b", 1), ("c", 1)]

    play(main())


def test_somebody_elses_container_of_that_name() -> None:
    """A foreign container is neither adopted nor removed: the step fails with name_conflict."""

    async def main() -> None:
        engine = EngineOnFakes()
        engine.world.daemon.add_foreign("gp-p1.a.1")
        async with engine.serving():
            status = await engine.run(pipeline(does("a", "echo never")))
            assert (status.status, status.steps[0].cause) == ("failed", "name_conflict")
            assert "gp-p1.a.1" in engine.world.daemon.containers

    play(main())


@pytest.mark.parametrize("cause", ["port_conflict", "mount_denied", "gpu_unavailable", "container_start"])
def test_a_start_that_is_refused_leaves_no_container(cause: str) -> None:
    """What was created for it is removed, also between two attempts."""

    async def main() -> None:
        engine = EngineOnFakes(scripts={"a": FakeScript(start_error=cause)})
        async with engine.serving():
            status = await engine.run(pipeline(does("a", "anything")))
            assert (status.status, status.steps[0].cause) == ("failed", cause)
            assert await engine.left() == []
            assert engine.world.daemon.starts == {}

    play(main())


def test_a_retry_waits_for_a_place_and_the_engine_rests() -> None:
    """A back-off that is over while max_parallel is used up costs nothing: time goes on meanwhile."""

    async def main() -> None:
        engine = EngineOnFakes()
        steps = (
            does("flaky", '[ "$GAMEPIPELINE_ATTEMPT" = 2 ]', needs=[], retry={"limit": 1, "backoff": "1s"}),
            does("long", "sleep 600", needs=[]),
        )
        async with engine.serving():
            status = await engine.run(pipeline(*steps, max_parallel=1))
            assert [(one.status, one.attempt) for one in status.steps] == [("completed", 2), ("completed", 1)]

    play(main())


# --- cancels at awkward moments ------------------------------------------------------------------------


@pytest.mark.parametrize("operation", ["ensure_image", "prepare", "create", "start"])
def test_a_cancel_on_the_way_to_the_start(operation: str) -> None:
    """Whatever call is under way: the step is canceled, nothing is left, and what was started was stopped."""

    async def main() -> None:
        engine = EngineOnFakes()
        gate = engine.world.daemon.faults.hold(operation)
        async with engine.serving():
            await engine.submit(pipeline(does("a", "sleep 600")))
            await gate.reached.wait()
            await engine.cancel("p1", "enough")
            await asyncio.sleep(5)
            gate.open.set()
            status = await engine.wait()
            assert (status.status, status.steps[0].status) == ("canceled", "canceled")
            assert await engine.left() == []
            assert all(count == 1 for count in engine.world.daemon.starts.values())

    play(main())


def test_a_cancel_while_the_pipeline_cleans_up() -> None:
    """A cancel that comes while a completed run removes its things ends it as canceled, services and all."""

    async def main() -> None:
        engine = EngineOnFakes()
        gate = engine.world.daemon.faults.hold("dispose")
        async with engine.serving():
            await engine.submit(pipeline(serves("web", "sleep 6000", ready={"running": "1s"})))
            await gate.reached.wait()
            cancel = asyncio.ensure_future(engine.cancel("p1", "enough"))  # noqa: TID251 - awaited below
            gate.open.set()
            await cancel
            status = await engine.wait()
            found = status.steps[0].service
            if status.status == "canceled":
                assert found is not None
                assert found.status == "stopped"
                assert await engine.left() == []
            else:
                assert status.status == "completed"

    play(main())


@pytest.mark.parametrize("grace", ["1s", "30s", 5, "${{ args.GRACE }}"])
def test_a_container_that_ignores_the_stop(grace: str | int) -> None:
    """After its grace period it is killed; the step is canceled all the same."""

    async def main() -> None:
        engine = EngineOnFakes(scripts={"a": FakeScript(run_for=None, ignores_term=True)})
        async with engine.serving():
            one = step("a", container={"image": IMAGE, "stop_grace_period": grace})
            await engine.submit(pipeline(one, args=["GRACE"]), args={"GRACE": "3s"})
            await engine.until("p1", "StepStarted")
            await engine.cancel("p1", "enough")
            status = await engine.wait()
            assert (status.status, status.steps[0].cause) == ("canceled", "cancel")

    play(main())


# --- the journal ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", range(8))
@pytest.mark.parametrize("fault", [LostAck(2.0), Ghost(2.0), Full()], ids=["lost ack", "ghost", "full"])
def test_an_append_that_goes_wrong(fault: Any, place: int) -> None:
    """Whichever append of a run meets the fault: the history is the same, no event is doubled or lost."""

    async def main() -> None:
        engine = EngineOnFakes()
        engine.journal.script(*[None] * place, fault)
        async with engine.serving():
            status = await engine.run(pipeline(does("a", "echo a"), does("b", "echo b")))
            assert status.status == "completed"
            assert names(await engine.events()) == [
                "PipelineSubmitted",
                "PipelineStarted",
                *["StepScheduled", "StepStarted", "StepCompleted"] * 2,
                "PipelineCompleted",
            ]

    play(main())


def test_a_stream_that_is_away_holds_everything() -> None:
    """Without the journal nothing new is started; what runs goes on, and the run ends when it is back."""

    async def main() -> None:
        engine = EngineOnFakes()
        async with engine.serving():
            await engine.submit(pipeline(does("a", "sleep 5"), does("b", "echo b")))
            await engine.until("p1", "StepStarted")
            engine.journal.away = True
            await asyncio.sleep(120)
            assert "gp-p1.b.1" not in engine.world.daemon.starts
            engine.journal.away = False
            assert (await engine.wait()).status == "completed"

    play(main())


# --- logs ------------------------------------------------------------------------------------------------


def lines(count: int, every: float) -> FakeScript:
    """A container that prints numbers."""
    return FakeScript(output=tuple(FakeOutput(f"{n}\n".encode(), after=every) for n in range(count)))


@pytest.mark.parametrize("begin", [0.0, 1.1, 4.6, 4.9])
@pytest.mark.parametrize("seconds", [0.5, 5.0, 40.0])
def test_a_log_store_that_is_away_for_a_while_loses_nothing(begin: float, seconds: float) -> None:
    """Lines written, and a container that ends, while the store is away: all of it is published afterwards."""

    async def main() -> None:
        engine = EngineOnFakes(scripts={"a": lines(20, 0.25)})
        async with engine.serving():
            await engine.submit(pipeline(does("a", "anything")))
            await engine.until("p1", "StepStarted")
            await asyncio.sleep(begin)
            engine.logs.away = True
            await asyncio.sleep(seconds)
            engine.logs.away = False
            assert (await engine.wait()).status == "completed"
            assert await text(engine, "a") == [str(n) for n in range(20)]
            closed = [one.data for one in await engine.log_events() if isinstance(one.data, LogClosed)]
            assert [one.lines for one in closed] == [20]

    play(main())


@pytest.mark.parametrize("stored", [False, True])
def test_a_publish_without_an_answer(stored: bool) -> None:
    """A chunk whose reply was lost is published again under its number: readers see each line once."""

    async def main() -> None:
        engine = EngineOnFakes(scripts={"a": lines(20, 0.25)})
        engine.logs.script(Silence(stored=stored), None, Silence(stored=stored))
        async with engine.serving():
            assert (await engine.run(pipeline(does("a", "anything")))).status == "completed"
            assert await text(engine, "a") == [str(n) for n in range(20)]

    play(main())


def test_a_log_store_that_stays_away_pins_nothing() -> None:
    """After a minute the end is recorded without the rest of the log, and an alert says so."""

    async def main() -> None:
        engine = EngineOnFakes(scripts={"a": lines(20, 0.25)})
        async with engine.serving():
            await engine.submit(pipeline(does("a", "anything")))
            await engine.until("p1", "StepStarted")
            engine.logs.away = True
            before = engine.world.clock.now()
            assert (await engine.wait()).status == "completed"
            assert (engine.world.clock.now() - before).total_seconds() < LOG_DRAIN + 30
            events = await engine.events()
            assert [one.data.alert for one in events if isinstance(one.data, AlertRaised)] == ["logs_lost"]

    play(main())


class _TakesNoLines(MemoryLogStore):
    async def publish(self, event: Event, payload: bytes, step_id: str | None, *, after: int | None = None) -> int:
        if event.name in {"LogGap", "ErrorLog"}:
            return await super().publish(event, payload, step_id, after=after)
        await self._sleep(self._limit)
        raise JournalUnavailable("too slow")


def test_a_log_that_was_given_up_has_a_gap() -> None:
    """The store takes no line in time, but this: the rest is missing."""

    async def main() -> None:
        engine = EngineOnFakes(scripts={"a": lines(20, 0.25)})
        async with engine.serving():
            await engine.submit(pipeline(does("a", "anything")))
            await engine.until("p1", "StepStarted")
            engine.logs.__class__ = _TakesNoLines
            assert (await engine.wait()).status == "completed"
            assert [one.name for one in await engine.log_events()][-2:] == ["LogGap", "ErrorLog"]

    play(main())


def test_a_line_that_could_begin_a_secret_is_not_lost() -> None:
    """Held back until the end, while the other stream went on for long: it is published all the same."""

    async def main() -> None:
        key = "-----BEGIN KEY-----\nabcdefghijklmnop\n-----END KEY-----"
        output = [FakeOutput(b"-----BEGIN KEY-----\n")]
        output += [FakeOutput(f"{n}\n".encode(), "stderr", after=1.0) for n in range(8)]
        engine = EngineOnFakes(scripts={"a": FakeScript(output=tuple(output))}, variables={"PEM_KEY": key})
        async with engine.serving():
            document = pipeline(does("a", "anything"), secrets=["PEM_KEY"])
            assert (await engine.run(document)).status == "completed"
            assert sorted(await text(engine, "a")) == ["***", *map(str, range(8))]

    play(main())


def test_a_log_beyond_its_limit() -> None:
    """What is too much is dropped and counted; the step itself is not touched."""

    async def main() -> None:
        flood = FakeScript(output=tuple(FakeOutput(b"x" * 1000 + b"\n") for _ in range(100)))
        config = parse_config('[limits]\nlog_bytes = "10k"')
        engine = EngineOnFakes(scripts={"a": flood}, config=config)
        async with engine.serving():
            assert (await engine.run(pipeline(does("a", "anything")))).status == "completed"
        records = [one.data for one in await engine.log_events()]
        closed = next(one for one in records if isinstance(one, LogClosed))
        truncated = next(one for one in records if isinstance(one, LogTruncated))
        assert closed.bytes <= 10 * 1024
        assert closed.lines + truncated.dropped_lines == 100

    play(main())


# --- what nobody foresaw ---------------------------------------------------------------------------------


def test_an_error_that_nobody_foresaw_is_an_error_of_the_engine() -> None:
    """A bug in an action becomes a failed attempt with its name, tried again from the budget of errors."""

    async def main() -> None:
        engine = EngineOnFakes()
        original, calls = engine.containers.prepare, 0

        async def broken(*args: Any, **more: Any) -> None:
            nonlocal calls
            calls += 1
            if calls == 1:
                raise ZeroDivisionError("a bug")
            await original(*args, **more)

        engine.containers.prepare = broken  # type: ignore[method-assign]
        async with engine.serving():
            status = await engine.run(pipeline(does("a", "echo fine")))
            assert (status.status, status.steps[0].attempt) == ("completed", 2)
            failed = next(one.data for one in await engine.events() if isinstance(one.data, StepFailed))
            assert (failed.cause, failed.kind, failed.message) == (
                "engine_error",
                "error",
                "ZeroDivisionError: a bug",
            )

    play(main())


def test_a_value_that_cannot_be_filled_in() -> None:
    """An output that the step before did not write fails the step as template_error, without a container."""

    async def main() -> None:
        engine = EngineOnFakes()
        steps = (does("a", "true"), does("b", 'echo "${{ steps.a.outputs.missing }}"'))
        async with engine.serving():
            status = await engine.run(pipeline(*steps))
            assert (status.status, status.steps[1].cause) == ("failed", "template_error")
            assert "gp-p1.b.1" not in engine.world.daemon.starts

    play(main())


def test_outputs_that_are_too_large() -> None:
    """None is taken, the log says why, and the step itself has succeeded."""

    async def main() -> None:
        script = FakeScript(files={"/workspace/.gamepipeline/a.1.out": b"a=" + b"x" * 40_000})
        engine = EngineOnFakes(scripts={"a": script})
        async with engine.serving():
            status = await engine.run(pipeline(does("a", "anything")))
            assert (status.status, status.steps[0].outputs) == ("completed", {})
            faults = [one.data for one in await engine.log_events() if isinstance(one.data, ErrorLog)]
            assert any("larger than" in one.message for one in faults)

    play(main())
