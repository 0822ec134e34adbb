"""The contract of the containers port, on every adapter: what a container prints."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from gamepipeline_engine.containers.fake import FakeOutput, FakeScript
from gamepipeline_engine.containers.names import container_name
from gamepipeline_engine.containers.port import DaemonError, LogFrame
from gamepipeline_engine.containers.resume import Resume
from tests.support.containers import ADAPTERS, Rig, joined, rig_of

pytestmark = pytest.mark.timeout(120)

FOREVER = "echo up; sleep 1000"


@pytest.fixture(params=ADAPTERS)
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    """One adapter on a realm of its own."""
    async with rig_of(request.param) as found:
        yield found


def prints(*pieces: bytes) -> FakeScript:
    """A fake that writes these pieces to stdout and ends."""
    return FakeScript(output=tuple(FakeOutput(piece) for piece in pieces))


async def test_all_of_much_output(rig: Rig) -> None:
    """200,000 lines arrive complete, in order, each as one piece."""
    lines = b"".join(b"%d\n" % number for number in range(1, 200_001))
    frames = await rig.all_logs(await rig.ended(("seq", "1", "200000"), fake=prints(lines)))
    assert len(frames) == 200_000
    assert joined(frames) == lines
    assert all(first.time <= second.time for first, second in itertools.pairwise(frames))


@pytest.mark.parametrize("driver", ["local", "json-file"])
@pytest.mark.parametrize("length", [16_384, 100_000])
async def test_a_long_line_comes_in_pieces(rig: Rig, length: int, driver: str) -> None:
    """A line longer than the daemon's buffer is several pieces, and only the last ends it."""
    script = f"head -c {length} /dev/zero | tr '\\0' x; echo; echo next"
    log = {"LogConfig": {"Type": driver}}
    name = await rig.ended(script, fake=prints(b"x" * length + b"\n", b"next\n"), host=log)
    frames = await rig.all_logs(name)
    assert joined(frames) == b"x" * length + b"\nnext\n"
    assert [frame.data.endswith(b"\n") for frame in frames] == [False] * (len(frames) - 2) + [True, True]
    assert all(b"\n" not in frame.data[:-1] for frame in frames)


async def test_no_newline_at_the_end(rig: Rig) -> None:
    """What was printed last without a newline is in a reading after the end."""
    frames = await rig.all_logs(await rig.ended("echo one; printf two"))
    assert [frame.data for frame in frames] == [b"one\n", b"two"]


async def test_the_streams_are_told_apart(rig: Rig) -> None:
    """Each piece says whether it was stdout or stderr, and each stream is in its own order."""
    script = "".join(f"echo out{n}; echo err{n} >&2\n" for n in range(50))
    frames = await rig.all_logs(await rig.ended(script))
    assert joined(frames, "stdout") == b"".join(b"out%d\n" % n for n in range(50))
    assert joined(frames, "stderr") == b"".join(b"err%d\n" % n for n in range(50))


async def test_bytes_stay_as_they_are(rig: Rig) -> None:
    """Bytes that are no text, and NUL, arrive unchanged (with the engine's log driver, ``local``)."""
    raw = b"\xff\xfe\x00\xc3\n\x1b[31mred\n"
    script = "printf '\\377\\376\\000\\303\\n\\033[31mred\\n'"
    frames = await rig.all_logs(await rig.ended(script, fake=prints(raw)))
    assert joined(frames) == raw


async def test_no_output_at_all(rig: Rig) -> None:
    """A silent container has no log, followed or not."""
    name = await rig.ended("true")
    assert await rig.all_logs(name) == []
    assert await rig.all_logs(name, follow=True) == []


async def test_follow_ends_with_the_container(rig: Rig) -> None:
    """Following gives the lines as they come and ends when the container does."""
    name = await rig.started("echo one; sleep 0.3; echo two; exit 3")
    assert joined(await rig.all_logs(name, follow=True)) == b"one\ntwo\n"
    view = await rig.view(name)
    assert (view.state, view.exit_code) == ("exited", 3)


async def test_follow_and_a_last_reading_are_complete(rig: Rig) -> None:
    """Short containers: following from the start plus one reading after the end misses nothing."""

    async def both(number: int) -> bytes:
        name = await rig.started(f"echo a{number}; echo b; printf end", step=f"s{number}")
        seen, found = Resume(), list[LogFrame]()
        for follow in (True, False):
            reading = rig.containers.logs(name, since=seen.since(), follow=follow)
            found += [frame async for frame in reading if seen.is_new(frame)]
            await rig.containers.wait(name)
        return joined(found)

    assert await asyncio.gather(*map(both, range(10))) == [b"a%d\nb\nend" % n for n in range(10)]


async def test_reading_on_from_a_time(rig: Rig) -> None:
    """``since`` includes the piece of that time, so that going on loses nothing."""
    name = await rig.ended("".join(f"echo {n}\n" for n in range(100)))
    frames = await rig.all_logs(name)
    for at in (0, 50, 99):
        again = await rig.all_logs(name, since=frames[at].time)
        assert again[-1:] == frames[-1:]
        assert frames[at] in again
        assert [one for one in frames[at:] if one not in again] == []


async def test_reading_on_after_a_break(rig: Rig) -> None:
    """Who stops in the middle and resumes gets every piece once."""
    name = await rig.ended("".join(f"echo out{n}; echo err{n} >&2\n" for n in range(100)))
    seen, found = Resume(), list[LogFrame]()
    for limit in (1, 30, 77, 1000):
        async with aclosing(rig.containers.logs(name, since=seen.since())) as reading:  # type: ignore[type-var]
            async for frame in reading:
                if len(found) >= limit:
                    break
                if seen.is_new(frame):
                    found.append(frame)
    assert found == await rig.all_logs(name)


async def test_follow_goes_on_over_restarts(rig: Rig) -> None:
    """A restart policy does not end the following: the output of every run arrives once."""
    policy = {"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 2}}
    name = await rig.started("echo run; exit 3", host=policy)
    assert joined(await rig.all_logs(name, follow=True)) == b"run\nrun\nrun\n"


async def test_follow_of_a_created_container_is_a_mistake(rig: Rig) -> None:
    """Following what was never started raises, because the daemon would end it at once."""
    name = await rig.created("echo never")
    with pytest.raises(ValueError, match="never started"):
        await rig.all_logs(name, follow=True)
    assert await rig.all_logs(name) == []


async def test_logs_of_a_container_that_is_gone(rig: Rig) -> None:
    """A container that is gone has no log: it is lost."""
    for follow in (True, False):
        with pytest.raises(DaemonError) as caught:
            await rig.all_logs(container_name(rig.pipeline, "none", 1), follow=follow)
        assert caught.value.cause == "container_lost"


async def test_a_stop_ends_the_following(rig: Rig) -> None:
    """Following a container that is stopped ends, with all that it printed."""
    name = await rig.started("trap 'echo bye; exit 0' TERM; echo up; sleep 1000 & wait")
    await rig.until_printed(name, b"up")
    frames, _ = await asyncio.gather(rig.all_logs(name, follow=True), rig.containers.stop(name, 5))
    assert joined(frames) == b"up\nbye\n"


async def test_many_waits_and_follows_at_once(rig: Rig) -> None:
    """30 containers, each waited for and followed twice, do not block a short call, and all end."""
    names = [f"s{number}" for number in range(30)]
    started = await asyncio.gather(*(rig.started(FOREVER, step=name) for name in names))
    followed: list[bytes] = []

    async def follow(name: str) -> None:
        followed.append(joined(await rig.all_logs(name, follow=True)))

    async with asyncio.TaskGroup() as group:
        for name in started:
            group.create_task(rig.containers.wait(name))
            group.create_task(follow(name))
            group.create_task(follow(name))
        for name in started:
            await rig.until_printed(name, b"up")
        assert len(await rig.containers.find({})) == 30
        await asyncio.gather(*(rig.containers.stop(name, 0) for name in started))
    assert followed == [b"up\n"] * 60


async def test_cancelled_calls_leave_the_adapter_usable(rig: Rig) -> None:
    """Waits and follows that are cancelled, many times over, do not use up anything."""
    name = await rig.started(FOREVER)

    async def cut_short() -> None:
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(rig.containers.wait(name))
            following = group.create_task(rig.all_logs(name, follow=True))
            await rig.until_printed(name, b"up")
            waiting.cancel()
            following.cancel()

    for _ in range(10):
        await asyncio.gather(*(cut_short() for _ in range(15)))
    view = await rig.containers.stop(name, 0)
    assert view is not None
    assert view.state == "exited"
