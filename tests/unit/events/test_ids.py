"""Ids, tokens and names: what is legal, and that nothing else is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamepipeline_events import BadInput
from gamepipeline_events.ids import is_id, is_name, is_token, is_ulid, require_id, require_token
from tests.unit.events.hostile import HOSTILE_IDS

NO_TEXT = (None, 5, b"a", ["a"], True)


@pytest.mark.parametrize("text", ["a", "A", "0", "a-b_c", "x" * 64, "01kaq3m6q8t2v0x9y7z5a3b1c4"])
def test_legal_ids(text: str) -> None:
    """Letters, digits, - and _ after a letter or digit, 64 at most, are an id and a token."""
    assert is_id(text)
    assert is_token(text)
    assert require_id(text) == require_token(text) == text


@pytest.mark.parametrize("text", ["_a", "-a", "_pipeline", "-", "_"])
def test_tokens_that_are_no_ids(text: str) -> None:
    """A token may begin with - or _, an id may not."""
    assert is_token(text)
    assert not is_id(text)
    assert require_token(text) == text
    with pytest.raises(BadInput):
        require_id(text)


@pytest.mark.parametrize("text", [*HOSTILE_IDS, *NO_TEXT])
def test_hostile_ids(text: object) -> None:
    """What could escape a subject, a path or a container name is neither id nor token nor ULID."""
    assert not is_id(text)
    assert not is_token(text)
    assert not is_ulid(text)
    with pytest.raises(BadInput):
        require_id(text)
    with pytest.raises(BadInput):
        require_token(text)


def test_refusals_say_what_was_meant() -> None:
    """The error names the thing and what is allowed, and does not repeat a huge input."""
    with pytest.raises(BadInput) as caught:
        require_id("x" * 5000, "step id")
    assert caught.value.what.startswith("step id 'xxx")
    assert "must match" in caught.value.why
    assert len(str(caught.value)) < 250


@given(st.text())
def test_ids_are_ascii_without_separators(text: str) -> None:
    """Whatever is accepted is short ASCII without dots, spaces, wildcards and control characters."""
    if is_token(text):
        assert text.isascii()
        assert 1 <= len(text) <= 64
        assert all(character.isalnum() or character in "-_" for character in text)


@pytest.mark.parametrize(
    ("text", "legal"),
    [
        *((text, True) for text in ("A", "_", "A_1", "x" * 64)),
        *((text, False) for text in ("1A", "A-B", "", "x" * 65, "A B", "Ä", None)),
    ],
)
def test_names(text: object, *, legal: bool) -> None:
    """A name is what a shell takes as the name of a variable."""
    assert is_name(text) is legal


@pytest.mark.parametrize(
    ("text", "legal"),
    [
        ("01KAQ3M6Q8T2V0X9Y7Z5A3B1C4", True),
        ("01kaq3m6q8t2v0x9y7z5a3b1c4", True),
        ("7ZZZZZZZZZZZZZZZZZZZZZZZZZ", True),
        ("8ZZZZZZZZZZZZZZZZZZZZZZZZZ", False),
        ("01KAQ3M6Q8T2V0X9Y7Z5A3B1C", False),
        ("01KAQ3M6Q8T2V0X9Y7Z5A3B1CI", False),
        ("01KAQ3M6Q8T2V0X9Y7Z5A3B1C4\n", False),
        (None, False),
    ],
)
def test_ulids(text: object, *, legal: bool) -> None:
    """A ULID has 26 characters of its alphabet and begins with at most 7."""
    assert is_ulid(text) is legal
