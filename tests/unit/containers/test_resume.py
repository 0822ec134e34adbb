"""Reading a log on after a break."""

from hypothesis import given
from hypothesis import strategies as st

from gamepipeline_engine.containers.frames import daemon_time
from gamepipeline_engine.containers.port import LogFrame
from gamepipeline_engine.containers.resume import Resume

STREAMS = st.sampled_from(["stdout", "stderr"])


@given(
    pieces=st.lists(st.tuples(st.integers(0, 50), STREAMS, st.binary(max_size=1)), max_size=60),
    breaks=st.lists(st.integers(0, 60), max_size=6),
)
def test_every_piece_arrives_once(pieces: list[tuple[int, str, bytes]], breaks: list[int]) -> None:
    """Whatever the breaks, and with pieces stamped out of order or alike: nothing is lost or doubled."""
    # 0.1 s apart, the log in the order of writing: a stamp may be up to half a second too early.
    log = [
        LogFrame(daemon_time(10**18 + (at * 10 - jitter % 6) * 10**8), "stdout" if name == "stdout" else "stderr", data)
        for at, (jitter, name, data) in enumerate(pieces)
    ]
    seen, found = Resume(), []
    for count in [*breaks, len(log) + 1]:
        since = seen.since()
        reading = [frame for frame in log if since is None or frame.time >= since]
        found += [frame for frame in reading[:count] if seen.is_new(frame)]
    assert found == log


def test_it_forgets_what_cannot_come_again() -> None:
    """Memory is bounded by what a second of output is."""
    seen = Resume(overlap=1.0)
    for at in range(50_000):
        assert seen.is_new(LogFrame(daemon_time(10**18 + at * 10**7), "stdout", b"x"))
    assert len(seen._recent) < 2_000
