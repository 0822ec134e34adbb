"""Order of delivery, pauses, turns, waiting commands: what needs no network."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from gamepipeline_engine.alerts.delivery.courier import LONGEST_PAUSE, pause_after
from gamepipeline_engine.alerts.delivery.gate import Gate
from gamepipeline_engine.alerts.delivery.lanes import Alert, Lanes
from gamepipeline_engine.alerts.delivery.sender import Delivered, Failed, Rejected, judge
from gamepipeline_engine.alerts.delivery.turn import Turn, TurnLost
from gamepipeline_engine.alerts.watch.disk import Fill
from gamepipeline_engine.alerts.watch.pools import Overdue, Unserved
from gamepipeline_engine.commands.memory import MemoryCommandQueue, MemoryCommands, MemoryDelivery
from gamepipeline_engine.presence import PresenceUnknown
from gamepipeline_events import Subjects
from gamepipeline_events.subjects import CommandSubject
from tests.support.simulated import simulate


def delivery() -> MemoryDelivery:
    """Any delivery."""
    commands = MemoryCommands(Subjects())
    commands.add("gamepipeline.commands.cancel.p", b"")
    entry = commands.take(["gamepipeline.commands.cancel."])
    assert entry is not None
    return MemoryDelivery(MemoryCommandQueue(commands), entry)


def alert(pipeline_id: str, sequence: int) -> Alert:
    """An alert of a pipeline at a place in the stream."""
    return Alert(
        pipeline_id=pipeline_id,
        sequence=sequence,
        event_id=f"E{sequence}",
        time="",
        name="disk_full",
        body=b"",
        delivery=delivery(),
    )


class Receiver:
    """Takes alerts once ``opened``; of ``slow`` pipelines when ``free`` is set. ``taken``: in order."""

    def __init__(self) -> None:
        self.taken: list[int] = []
        self.begun: list[int] = []
        self.opened = asyncio.Event()
        self.free = asyncio.Event()
        self.slow: frozenset[str] = frozenset()

    async def ready(self) -> None:
        """See the class."""
        await self.opened.wait()

    async def deliver(self, one: Alert) -> None:
        """See the class."""
        self.begun.append(one.sequence)
        if one.pipeline_id in self.slow:
            await self.free.wait()
        self.taken.append(one.sequence)


@asynccontextmanager
async def lanes(receiver: Receiver) -> AsyncIterator[Lanes]:
    """Lanes that end with the block."""
    async with asyncio.TaskGroup() as group:
        yield Lanes(group, receiver.deliver, receiver.ready)


def test_a_pipelines_alerts_stay_in_order() -> None:
    """Whatever order they come in before the gate opens, they go out in that of the stream, each once."""

    async def main() -> list[int]:
        receiver = Receiver()
        async with lanes(receiver) as made:
            for sequence in (5, 3, 9, 3, 1):
                made.add(alert("a", sequence))
            await asyncio.sleep(1)
            assert receiver.begun == []
            receiver.opened.set()
        return receiver.taken

    assert simulate(main()) == [1, 3, 5, 9]


def test_pipelines_do_not_wait_for_each_other() -> None:
    """While one's first alert hangs, another's go out; its own later ones wait."""

    async def main() -> tuple[list[int], list[int]]:
        receiver = Receiver()
        receiver.slow = frozenset({"a"})
        async with lanes(receiver) as made:
            receiver.opened.set()
            for pipeline_id, sequence in (("a", 1), ("b", 2), ("a", 3), ("b", 4)):
                made.add(alert(pipeline_id, sequence))
            await asyncio.sleep(1)
            before = list(receiver.taken)
            assert [one.sequence for one in made.held()] == [1, 3]
            receiver.free.set()
        assert made.held() == []
        return before, receiver.taken

    assert simulate(main()) == ([2, 4], [2, 4, 1, 3])


def test_an_alert_that_comes_again_brings_its_new_handle() -> None:
    """A redelivery of what is here already is the same alert: only how to ack it is new."""

    async def main() -> bool:
        receiver = Receiver()
        async with lanes(receiver) as made:
            made.add(alert("a", 1))
            again = alert("a", 1)
            made.add(again)
            assert made.holds("a", 1)
            assert not made.holds("a", 2)
            assert not made.holds("b", 1)
            same = [one.delivery for one in made.held()] == [again.delivery]
            receiver.opened.set()
        return same and receiver.taken == [1]

    assert simulate(main())


def test_pauses_grow_and_vary() -> None:
    """From about a second, doubled each time, to about five minutes; the same attempt always pauses the same."""
    pauses = [pause_after(tries, "E1") for tries in range(1, 30)]
    for tries, pause in enumerate(pauses, start=1):
        plain = min(LONGEST_PAUSE, 2.0 ** (tries - 1))
        assert 0.8 * plain <= pause <= 1.2 * plain
    assert pauses == [pause_after(tries, "E1") for tries in range(1, 30)]
    assert len({pause_after(1, f"E{n}") for n in range(10)}) > 5


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_two_hundreds_are_done(status: int) -> None:
    """Any 2xx says that the receiver has it."""
    assert isinstance(judge(status), Delivered)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 422, 451])
def test_what_the_receiver_refuses_for_good(status: int) -> None:
    """A 4xx, with the status for whoever looks."""
    assert judge(status) == Rejected(f"the receiver answered {status}", status)


@pytest.mark.parametrize("status", [301, 302, 307, 308, 408, 425, 429, 500, 502, 503, 504])
def test_what_may_be_other_later(status: int) -> None:
    """Trouble of the receiver, too much at once, a redirect that nobody follows: tried again."""
    assert isinstance(judge(status), Failed)


# --- what is missing -------------------------------------------------------------------------------------


def passing(gate: Callable[[], Gate], *events: tuple[float, int, bool]) -> float:
    """When the gate lets through; ``events``: (seconds to wait, number of a delivery, again)."""

    async def main() -> float:
        loop = asyncio.get_running_loop()
        made = gate()
        async with asyncio.TaskGroup() as group:
            passed = group.create_task(made.passed())
            for wait, place, again in events:
                await asyncio.sleep(wait)
                made.saw(place, again=again)
            await passed
        return loop.time()

    return simulate(main())


def test_nothing_missing_nothing_waited_for() -> None:
    """A consumer of which nothing is open lets through at once."""
    assert passing(lambda: Gate(0, 7, 21.0)) == 0.0


def test_what_the_one_before_had_is_waited_for() -> None:
    """Each that comes again counts, a new one does not; the last one opens the gate."""
    assert passing(lambda: Gate(2, 7, 21.0), (1.0, 8, True), (1.0, 9, False), (1.0, 10, True)) == 3.0


def test_what_was_acked_after_all_never_comes() -> None:
    """Then patience opens the gate, and what comes later finds it open."""
    assert passing(lambda: Gate(2, 7, 21.0), (1.0, 8, True)) == 21.0


def test_a_number_that_is_left_out_was_lost() -> None:
    """A delivery that never arrived closes the gate until it comes again, or patience ends, counted from then."""

    async def main() -> tuple[float, float]:
        loop = asyncio.get_running_loop()
        gate = Gate(0, 7, 21.0)
        await asyncio.sleep(5)
        gate.saw(9, again=False)
        async with asyncio.TaskGroup() as group:
            group.create_task(gate.passed())
            await asyncio.sleep(2)
            gate.saw(10, again=True)
        first = loop.time()
        gate.saw(13, again=True)  # two were left out, one of them is this
        await gate.passed()
        return first, loop.time()

    assert simulate(main()) == (7.0, 28.0)


# --- turns -----------------------------------------------------------------------------------------------


class Board:
    """Records of turns: ``answers`` are given one after the other, the last for ever; None: nobody knows."""

    def __init__(self, *answers: bool | None) -> None:
        self.answers = list(answers)
        self.left: list[str] = []
        self.asked = 0

    async def take(self, name: str) -> bool:
        """See Turns."""
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer is None:
            raise PresenceUnknown(name)
        return answer

    async def leave(self, name: str) -> None:
        """See Turns."""
        self.left.append(name)


@pytest.mark.parametrize("answer", [False, None])
def test_a_turn_that_is_not_to_be_had(answer: bool | None) -> None:
    """Taken by another, or nobody knows: it is not ours."""

    async def main() -> bool:
        return await Turn(Board(answer), "w", 8.0).take()

    assert not simulate(main())


@pytest.mark.parametrize(("answers", "after"), [((True, True, False), 4.0), ((True, True, None), 10.0)])
def test_a_turn_is_lost_with_its_record(answers: tuple[bool | None, ...], after: float) -> None:
    """At once when another has it; when nobody knows, once the record must have expired."""

    async def main() -> float:
        turn = Turn(Board(*answers), "w", 8.0)
        assert await turn.take()
        with pytest.raises(TurnLost):
            await turn.keep()
        return asyncio.get_running_loop().time()

    assert simulate(main()) == after


def test_nothing_is_sent_in_doubt() -> None:
    """Half a life after the last renewal a sender waits, and goes on when it is renewed."""

    async def main() -> list[float]:
        loop = asyncio.get_running_loop()
        turn = Turn(Board(True, None, None, None, True), "w", 8.0)
        moments = []
        assert await turn.take()
        async with asyncio.TaskGroup() as group:
            keeper = group.create_task(turn.keep())
            for wait in (3.0, 2.0):
                await asyncio.sleep(wait)
                await turn.sure()
                moments.append(loop.time())
            keeper.cancel()
        return moments

    assert simulate(main()) == [3.0, 8.0]


def test_a_turn_that_was_left_is_nobodys() -> None:
    """The record goes, and this process is not sure any more."""

    async def main() -> tuple[list[str], bool]:
        board = Board(True)
        turn = Turn(board, "w", 8.0)
        await turn.take()
        await turn.leave()
        with suppress(TimeoutError):
            async with asyncio.timeout(1):
                await turn.sure()
                return board.left, True
        return board.left, False

    assert simulate(main()) == (["w"], False)


# --- pools, disks ----------------------------------------------------------------------------------------


def test_waiting_is_counted_from_when_nobody_served() -> None:
    """A served pool is none of our business; the count begins anew when somebody served in between."""
    waiting = [CommandSubject("execute", "a", "gpu"), CommandSubject("execute", "b", "cpu")]
    unserved = Unserved()
    assert unserved.look(waiting, {"cpu"}, 100.0) == [Overdue("a", "gpu", 0.0)]
    assert unserved.look(waiting, {"cpu"}, 160.0) == [Overdue("a", "gpu", 60.0)]
    assert unserved.look(waiting, {"cpu", "gpu"}, 170.0) == []
    assert unserved.look(waiting, set(), 180.0) == [Overdue("a", "gpu", 0.0), Overdue("b", "cpu", 0.0)]


def test_longest_first_and_forgotten_when_gone() -> None:
    """The one that has waited longest comes first; a command that was fetched is forgotten."""
    one, other = CommandSubject("execute", "a", "gpu"), CommandSubject("execute", "b", "gpu")
    unserved = Unserved()
    unserved.look([other], set(), 0.0)
    assert [each.pipeline_id for each in unserved.look([one, other], set(), 5.0)] == ["b", "a"]
    unserved.look([one], set(), 6.0)
    assert unserved.look([other], set(), 7.0) == [Overdue("b", "gpu", 0.0)]


def test_without_sight_nothing_is_known() -> None:
    """While presence cannot be read nobody is unserved, and the count begins anew afterwards."""
    waiting = [CommandSubject("execute", "a", "gpu"), CommandSubject("cancel", "a")]
    unserved = Unserved()
    unserved.look(waiting, set(), 0.0)
    unserved.lost_sight()
    assert unserved.look(waiting, set(), 50.0) == [Overdue("a", "gpu", 0.0)]


@pytest.mark.parametrize(("used", "limit", "critical"), [(89, 100, False), (90, 100, True), (10**12, None, False)])
def test_a_stream_is_nearly_full_at_nine_tenths(used: int, limit: int | None, critical: bool) -> None:
    """Of its own limit; one without a limit is as large as the disk."""
    assert Fill("S", used, limit).critical is critical
