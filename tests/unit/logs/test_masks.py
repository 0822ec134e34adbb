"""Lines by which a step names a secret of its own: from there on, however the bytes are cut, in every reading."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gamepipeline_engine.logs.masks import COMMAND, MAX_MASKS, MAX_TOTAL, MAX_VALUE, SHOWN, Masks

VALUES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\r%*"), max_size=20).filter(
    lambda text: len(text.strip().encode()) >= 4
)


def masks(*secrets: str) -> tuple[Masks, list[str]]:
    """Masks of an attempt, and what they warn of."""
    told: list[str] = []
    return Masks(secrets, told.append), told


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """``data`` in pieces that end at ``places``."""
    marks = sorted({place % (len(data) + 1) for place in places})
    return [data[start:end] for start, end in zip([0, *marks], [*marks, len(data)], strict=True)]


def read(data: bytes, places: list[int], *secrets: str) -> bytes:
    """All of stdout through one reading."""
    stream, _ = masks(*secrets)[0].begin(None)
    return b"".join(map(stream.feed, cut(data, places))) + stream.flush()


@given(
    value=VALUES,
    before=st.binary(max_size=20),
    after=st.binary(max_size=20),
    places=st.lists(st.integers(0, 300), max_size=15),
)
def test_any_value_any_split_any_offset(value: str, before: bytes, after: bytes, places: list[int]) -> None:
    """Cutting changes nothing; before the line the value is as it is, behind it there is none of it."""
    raw = value.encode()
    data = raw + b"\n" + COMMAND + raw + b"\n" + before + raw + after
    found = read(data, places)
    assert found == read(data, [])
    assert found.startswith(raw + b"\n" + SHOWN + b"\n")
    assert b"***" in found.removeprefix(raw + b"\n" + SHOWN + b"\n")
    assert raw not in found.removeprefix(raw)


@given(data=st.lists(st.sampled_from([b"::", b"add-mask", b"::", b"secret", b"\n", b"x"])).map(b"".join))
def test_cut_byte_by_byte(data: bytes) -> None:
    """What only looks like a command comes out as it went in, whatever the pieces."""
    assert read(data, list(range(len(data) + 1)), "secret") == read(data, [], "secret")


def test_both_streams() -> None:
    """What one stream names, the other masks too, also what it is just holding back of an older secret."""
    both, _ = masks("older secret")
    stdout, stderr = both.begin(None)
    said = stderr.feed(b"an older sec")
    assert stdout.feed(COMMAND + b"hunter22\n") == SHOWN + b"\n"
    said += stderr.feed(b"ret, hunter22\n") + stderr.flush()
    assert said == b"an ***, ***\n"


def test_a_value_of_several_lines() -> None:
    """Line ends in it are written as %0A and %0D."""
    found = read(COMMAND + b"first line%0Asecond line\na first line\nsecond line b\n", [])
    assert found == SHOWN + b"\na ***\n*** b\n" or found == SHOWN + b"\na *** b\n"


def test_only_at_the_beginning_of_a_line() -> None:
    """Elsewhere it is text."""
    assert read(b"x ::add-mask::hunter22\nhunter22\n", []) == b"x ::add-mask::hunter22\nhunter22\n"


def test_a_last_line_without_end() -> None:
    """It is a command all the same, and a beginning of one is text."""
    assert read(COMMAND + b"hunter22", []) == SHOWN
    assert read(b"a\n::add-ma", []) == b"a\n::add-ma"


def test_what_cannot_be_masked_is_not_shown_either() -> None:
    """Too short, too long, too many: the line is hidden and somebody is told, without the value."""
    every, told = masks()
    stream, _ = every.begin(None)
    assert stream.feed(COMMAND + b"abc\nabc\n") == SHOWN + b"\nabc\n"
    assert stream.feed(COMMAND + b"x" * (MAX_VALUE + 1)) == SHOWN
    assert stream.feed(b"xxx\nnext\n") == b"\nnext\n"
    for number in range(MAX_MASKS + 1):
        stream.feed(COMMAND + b"value-%05d\n" % number)
    assert told == [
        "a value of ::add-mask:: is too short to be masked",
        f"a value of ::add-mask:: has more than {MAX_VALUE} bytes: it is not masked",
        f"more than {MAX_MASKS} values of ::add-mask::: this one is not masked",
    ]
    assert stream.feed(b"value-00000 value-%05d\n" % MAX_MASKS) == b"*** value-%05d\n" % MAX_MASKS


def test_all_values_together_are_bounded() -> None:
    """A step cannot make the engine busy with its masks."""
    every, told = masks()
    stream, _ = every.begin(None)
    for letter in "abcde":
        stream.feed(COMMAND + letter.encode() * (MAX_TOTAL // 4) + b"\n")
    assert told == [f"values of ::add-mask:: have more than {MAX_TOTAL} bytes: this one is not masked"]
    assert stream.feed(b"d" * (MAX_TOTAL // 4) + b"\n") == b"***\n"


def test_an_empty_value_is_none() -> None:
    """Nothing to mask, nothing to warn of."""
    every, told = masks()
    assert every.begin(None)[0].feed(COMMAND + b"\n") == SHOWN + b"\n"
    assert told == []


def test_whoever_reads_again_masks_alike() -> None:
    """From a place before the line, what stands before it is as it was; from a place behind it, it is in force."""
    every, _ = masks()
    lines = [("1", b"hunter22 a\n"), ("2", COMMAND + b"hunter22\n"), ("3", b"hunter22 b\n")]

    def reading(since: str | None) -> list[bytes]:
        stream, _ = every.begin(since)
        found = []
        for time, line in lines:
            if since is None or time >= since:
                every.time = time
                found.append(stream.feed(line))
        return found

    first = reading(None)
    assert first == [b"hunter22 a\n", SHOWN + b"\n", b"*** b\n"]
    assert reading(None) == first
    assert reading("1") == first
    assert reading("2") == first[1:]
    assert reading("3") == first[2:]
    assert every.redactor.redact_text("hunter22") == "***"
