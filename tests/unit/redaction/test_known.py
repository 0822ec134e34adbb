"""What the process says of itself: values of any shape, records of a log."""

from __future__ import annotations

import base64
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gamepipeline_engine.redaction import MIN_LENGTH, KnownSecrets

SECRET = "hunter22"
SECRETS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20).filter(lambda s: len(s.encode()) >= MIN_LENGTH)


def test_values() -> None:
    """Texts anywhere in a value are masked, and numbers that tell a secret; keys stay."""
    known = KnownSecrets([SECRET, "12345678"])
    value = {"a": ["xhunter22y", 12345678, 5, True, None, 1.5], "b": ({"c": SECRET},)}
    assert known.value(value) == {"a": ["x***y", "***", 5, True, None, 1.5], "b": [{"c": "***"}]}
    assert SECRET not in repr(known)


def test_what_is_no_json_is_masked_as_it_would_be_printed() -> None:
    """An exception, bytes, an object of a library: their repr may repeat a secret."""
    known = KnownSecrets([SECRET])
    assert known.value(ValueError(f"no {SECRET}")) == "ValueError('no ***')"
    assert known.value([SECRET.encode()]) == ["b'***'"]


def test_it_learns() -> None:
    """What is handed in later is masked from then on, with what was known before; an empty value is no secret."""
    known = KnownSecrets([SECRET])
    known.add(["", "second-secret"])
    assert known.text("hunter22 second-secret ok") == "*** *** ok"


def test_a_record_of_the_log() -> None:
    """Every value but those programs go by."""
    known = KnownSecrets(["warning", SECRET])
    record: dict[str, Any] = {"level": "warning", "event": f"warning {SECRET}", "why": OSError(SECRET)}
    assert known.processor(None, "", record) == {"level": "warning", "event": "*** ***", "why": "OSError('***')"}


@given(secret=SECRETS, before=st.text(max_size=8), after=st.text(max_size=8))
def test_masking_twice_is_masking_once(secret: str, before: str, after: str) -> None:
    """Whoever compares two masked texts sees whether they were equal."""
    known = KnownSecrets([secret])
    encoded = base64.b64encode(secret.encode()).decode()
    for text in (before + secret + after, before + encoded + after):
        once = known.text(text)
        assert known.text(once) == once or once == "***"


def test_a_secret_that_looks_like_a_mask() -> None:
    """Masking makes new ones of it: rather nothing is left of the text than that it never ends."""
    known = KnownSecrets(["a***"])
    assert known.text("aa*** b") == "*** b"
    assert known.text("aaaaaaaaaa*** b") == "***"
