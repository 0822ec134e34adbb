"""Short and long forms, taken apart before anything is rendered."""

import pytest

from gamepipeline_events.spec import forms
from gamepipeline_events.spec.forms import Mount


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("/x", Mount(kind="volume", target="/x")),
        ("v:/x", Mount(kind="volume", source="v", target="/x")),
        ("/a:/x", Mount(kind="bind", source="/a", target="/x")),
        ("./a:/x", Mount(kind="bind", source="./a", target="/x")),
        (
            "/a:/x:ro,z",
            Mount(kind="bind", source="/a", target="/x", read_only=True, options=("ro", "z")),
        ),
        (
            "${{ args.A }}:/x",
            Mount(kind="bind", source="${{ args.A }}", target="/x"),
        ),
        ("/a/${{ args.A", Mount(kind="volume", target="/a/${{ args.A")),
    ],
    ids=repr,
)
def test_mounts(written: str, meant: Mount) -> None:
    """source:target:options; what stands in an expression is not looked at."""
    assert forms.mount(written) == meant


def test_long_mount() -> None:
    """The long form keeps all it holds."""
    long = {"type": "bind", "source": "/a", "target": "/b", "read_only": True, "bind": {"selinux": "z"}}
    assert forms.mount(long) == Mount(kind="bind", source="/a", target="/b", read_only=True, long=long)


@pytest.mark.parametrize("written", [":/x", "a:", "a:b:c:d", "a:/b:rx"])
def test_no_mounts(written: str) -> None:
    """What has another form is refused."""
    with pytest.raises(ValueError, match="has "):
        forms.mount(written)


def test_variables() -> None:
    """Both forms give the same; None stands for a name without a value."""
    assert forms.variables({"A": 1, "B": True, "C": None, "D": 1.5}) == {
        "A": "1",
        "B": "true",
        "C": None,
        "D": "1.5",
    }
    assert forms.variables(["A=1", "C", "D="]) == {"A": "1", "C": None, "D": ""}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("a 'b c' d\\ e", ["a", "b c", "d e"]),
        ('run ${{ args.A }} "x ${{ args.B }}"', ["run", "${{ args.A }}", "x ${{ args.B }}"]),
        ("x${{ args.A }}y", ["x${{ args.A }}y"]),
        (["a b", "c"], ["a b", "c"]),
        ("a ${{ args.A", ["a", "${{ args.A"]),
        ("", []),
    ],
    ids=repr,
)
def test_words(written: str | list[str], meant: list[str]) -> None:
    """A text is split as a shell would; an expression is never split."""
    assert forms.words(written) == meant


def test_words_that_cannot_be_split() -> None:
    """An open quote is an error that says so."""
    with pytest.raises(ValueError, match="no closing quotation"):
        forms.words("a 'b")
