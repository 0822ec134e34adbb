"""The redactor: any secret, any split, any offset."""

import base64
import html
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gamepipeline_engine.redaction import Redactor, unmaskable
from gamepipeline_engine.redaction.forms import MIN_LENGTH, MIN_PART

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
SECRETS = TEXTS.filter(lambda text: len(text.encode()) >= MIN_LENGTH)
LONG_SECRETS = TEXTS.filter(lambda text: len(text.encode()) >= MIN_PART)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """``data`` in pieces that end at ``places``."""
    marks = sorted({place % (len(data) + 1) for place in places})
    return [data[start:end] for start, end in zip([0, *marks], [*marks, len(data)], strict=True)]


def through(redactor: Redactor, pieces: list[bytes]) -> bytes:
    """All pieces through one stream."""
    stream = redactor.stream()
    return b"".join(map(stream.feed, pieces)) + stream.flush()


@given(
    secrets=st.lists(SECRETS, min_size=1, max_size=3),
    around=st.tuples(st.binary(max_size=30), st.binary(max_size=30)),
    places=st.lists(st.integers(0, 200), max_size=12),
)
def test_any_secret_any_split_any_offset(secrets: list[str], around: tuple[bytes, bytes], places: list[int]) -> None:
    """A secret is masked wherever it stands and however the bytes are cut, and cutting changes nothing."""
    redactor = Redactor(secrets)
    for secret in secrets:
        raw = secret.encode()
        data = around[0] + raw + around[1]
        masked = through(redactor, cut(data, places))
        assert masked == redactor.redact_bytes(data)
        assert b"***" in masked
        assume(b"*" not in raw)
        assert raw not in masked


@given(data=st.binary(max_size=60), secrets=st.lists(st.sampled_from(["abab", "babab", "aaaa", "abba"]), min_size=1))
def test_no_byte_of_an_occurrence_is_left(data: bytes, secrets: list[str]) -> None:
    """Occurrences that overlap are masked as a whole, and cutting byte by byte gives the same."""
    redactor = Redactor(secrets)
    data = bytes(97 + byte % 2 for byte in data)
    hidden = [
        any(
            data.startswith(s.encode(), start)
            for s in secrets
            for start in range(at - len(s) + 1, at + 1)
            if start >= 0
        )
        for at in range(len(data))
    ]
    masked = redactor.redact_bytes(data)
    assert masked.replace(b"***", b"") == bytes(byte for byte, hide in zip(data, hidden, strict=True) if not hide)
    assert through(redactor, [bytes([byte]) for byte in data]) == masked


@given(secret=LONG_SECRETS, before=st.binary(max_size=5), after=st.binary(max_size=5))
def test_base64_at_any_offset(secret: str, before: bytes, after: bytes) -> None:
    """Base64 of something that holds the secret gives at most its outermost two characters away."""
    raw = secret.encode()
    redactor = Redactor([secret])
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        encoded = encode(before + raw + after)
        assert b"***" in redactor.redact_bytes(encoded)
        left = [part for part in redactor.redact_bytes(encoded).split(b"***") if part]
        assert sum(map(len, left)) <= len(encoded) - (len(raw) * 8 // 6 - 2)


@given(secret=SECRETS)
def test_other_forms(secret: str) -> None:
    """Percent-encoded, JSON-escaped, hex and Python forms are masked completely."""
    redactor = Redactor([secret])
    for form in (
        quote(secret, safe=""),
        quote(secret),
        quote_plus(secret),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        _as_go(json.dumps(secret)[1:-1]),
        _as_go(json.dumps(secret, ensure_ascii=False)[1:-1]),
        html.escape(secret),
        html.escape(secret, quote=False),
        secret.encode().hex(),
        repr(secret)[1:-1],
        ascii(secret)[1:-1],
        repr(secret.encode())[2:-1],
        base64.b64encode(secret.encode()).decode(),
    ):
        assert redactor.redact_text(f"<{form}>") == "<***>", form


def _as_go(quoted: str) -> str:
    """JSON as Go writes it unless it is told not to, and so Docker and most tools around it."""
    return quoted.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def test_lines_of_a_long_secret() -> None:
    """Each line of a key is masked, indented or wrapped in base64, too."""
    key = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7\nabcdefghijkl\n-----END KEY-----\n"
    redactor = Redactor([key])
    assert redactor.redact_text(key) == "***"
    assert redactor.redact_text("  abcdefghijkl\r\n") == "  ***\r\n"
    wrapped = base64.encodebytes(key.encode()).decode()
    assert set(redactor.redact_text(wrapped)) <= set("*\n=")


def test_nothing_to_hide_changes_nothing() -> None:
    """Without secrets, bytes come back at once and as they are."""
    stream = Redactor([""]).stream()
    assert stream.feed(b"any\xff") == b"any\xff"
    assert stream.flush() == b""
    assert Redactor([]).redact_text("any \ud800") == "any \ud800"


def test_only_what_may_become_a_secret_is_held_back() -> None:
    """Bytes that cannot begin a secret go on at once."""
    stream = Redactor(["hunter22"]).stream()
    assert stream.feed(b"hello hunt") == b"hello "
    assert stream.feed(b"ing\n") == b"hunting\n"
    assert stream.feed(b"hunter2") == b""
    assert stream.feed(b"2") == b"***"


def test_short_secrets_are_named() -> None:
    """A secret too short to be masked is told by name; an empty one is no secret."""
    assert unmaskable({"A": "abc", "B": "abcd", "C": "", "D": "é"}) == ["A", "D"]


@pytest.mark.parametrize("code", [0xDCFF, 0xD800])
def test_bytes_that_are_no_text(code: int) -> None:
    """A secret that is not UTF-8, as an environment may hold one, is masked all the same."""
    text = f"pass{chr(code)}word"
    assert "word" not in Redactor([text]).redact_text(f"<{text}>")


def test_a_secret_that_ends_inside_of_a_character() -> None:
    """Bytes of an environment may be a part of another text's character: what is left is still text."""
    secret = b"\x82\xac1234".decode("utf-8", "surrogateescape")
    assert Redactor([secret]).redact_text("price 10€1234") == "price 10\ufffd***"


@given(secret=SECRETS, before=st.sampled_from(["", "'", '"', "'\""]))
def test_as_python_shows_it(secret: str, before: str) -> None:
    """Whatever quotes stand around it: the repr of a text that holds the secret holds only its mask."""
    redactor = Redactor([secret])
    for shown in (repr(before + secret), repr((before + secret).encode())):
        assert "***" in redactor.redact_text(shown)
        assume("*" not in secret)
        assert secret not in redactor.redact_text(shown)
        inner = repr(secret)[1:-1]
        assert inner not in redactor.redact_text(shown)


def test_a_message_of_one_line() -> None:
    """It repeats a secret of several lines with spaces between them, or quotes one of its lines."""
    redactor = Redactor(['first-"line"\'\n\tsecond-line'])
    assert redactor.redact_text('no first-"line"\' second-line.') == "no ***."
    assert redactor.redact_text("no 'first-\"line\"\\''.") == "no '***'."


@given(st.lists(st.text("ab", min_size=MIN_LENGTH, max_size=9), min_size=1, max_size=30), st.text("ab", max_size=40))
def test_the_longest_of_those_that_begin_alike(secrets: list[str], text: str) -> None:
    """At each place the longest secret that stands there is found, and nothing where none does."""
    redactor = Redactor(secrets)
    data, forms = text.encode(), redactor._forms
    for at in range(len(data)):
        longest = max((len(form) for form in forms if data.startswith(form, at)), default=0)
        found = redactor.search(data, at, len(data))
        assert (found.end() - at if found is not None and found.start() == at else 0) == longest


def test_many_that_begin_alike() -> None:
    """A chain of a hundred is no deeper than Python bears."""
    redactor = Redactor(["a" * length for length in range(4, 300)])
    assert redactor.redact_text("b" + "a" * 250 + "b") == "b***b"
