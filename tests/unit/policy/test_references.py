"""Image references in full form, and patterns on them."""

import pytest

from gamepipeline_engine.policy.references import image_matches, normalise

DIGEST = f"sha256:{'a' * 64}"


@pytest.mark.parametrize(
    ("written", "full"),
    [
        ("busybox", "docker.io/library/busybox:latest"),
        ("busybox:1", "docker.io/library/busybox:1"),
        ("a/b", "docker.io/a/b:latest"),
        ("index.docker.io/b", "docker.io/library/b:latest"),
        ("localhost/b:1", "localhost/b:1"),
        ("reg:5000/b", "reg:5000/b:latest"),
        ("Reg/b", "Reg/b:latest"),
        (f"reg.example/b@{DIGEST}", f"reg.example/b@{DIGEST}"),
        (f"reg.example/b:1@{DIGEST}", f"reg.example/b:1@{DIGEST}"),
    ],
)
def test_full_form(written: str, full: str) -> None:
    """Registry, library and latest are filled in as Docker does."""
    assert str(normalise(written)) == full


def test_an_image_id_is_its_own_digest() -> None:
    """An image named by its id cannot move."""
    assert normalise(DIGEST).digest == DIGEST


@pytest.mark.parametrize(
    ("pattern", "image", "fits"),
    [
        ("*", "busybox", True),
        ("busybox", "docker.io/library/busybox:1", True),
        ("busybox:1", "busybox:2", False),
        ("busybox:1*", "busybox:1.36", True),
        ("a/*", "a/b", True),
        ("reg.example/wod/*", "reg.example/wod/a/b:1", True),
        ("reg.example/wod/*", "reg.example.evil/wod/a", False),
        ("reg.example/wod/*", "wod/a", False),
        ("*/game:*", "reg.example/game:1", True),
        (f"busybox@{DIGEST}", f"busybox:1@{DIGEST}", True),
    ],
)
def test_patterns(pattern: str, image: str, fits: bool) -> None:
    """A pattern is about the full name: with a tag or digest when it has one, else any."""
    assert image_matches(normalise(image), (pattern,)) is fits
