"""Image references in one form, so that ``busybox`` and ``docker.io/library/busybox:latest`` are one image."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

import msgspec

DEFAULT_REGISTRY = "docker.io"
_OLD_REGISTRY = "index.docker.io"
_ID = re.compile(r"(?:sha256:)?[0-9a-f]{64}")


class ImageReference(msgspec.Struct, frozen=True):
    """``name`` with registry and path; ``tag`` and ``digest`` empty where the reference has none."""

    name: str
    tag: str = ""
    digest: str = ""

    @property
    def spellings(self) -> tuple[str, ...]:
        """What a pattern may be about: the name alone, with its tag, with its digest, with both."""
        tagged = f"{self.name}:{self.tag}" if self.tag else self.name
        pinned = (f"{self.name}@{self.digest}", f"{tagged}@{self.digest}") if self.digest else ()
        return (self.name, tagged, *pinned)

    def __str__(self) -> str:
        return self.spellings[-1]


def normalise(reference: str) -> ImageReference:
    """The full form of ``reference``: registry, ``library/``, and ``latest`` without tag and digest."""
    if _ID.fullmatch(reference):
        return ImageReference(reference, digest=reference)
    rest, _, digest = reference.partition("@")
    name, tag = _tag(rest)
    return ImageReference(_name(name), tag or ("" if digest else "latest"), digest)


def image_matches(image: ImageReference, patterns: tuple[str, ...]) -> bool:
    """Whether ``image`` fits a pattern. ``*`` also crosses ``/``; a pattern without a tag means any tag."""
    return any(fnmatchcase(spelling, _pattern(pattern)) for pattern in patterns for spelling in image.spellings)


def _pattern(pattern: str) -> str:
    """A pattern in full form as well; one that begins with ``*`` means any registry."""
    if pattern.startswith("*"):
        return pattern
    rest, at, digest = pattern.partition("@")
    name, tag = _tag(rest)
    return _name(name) + (f":{tag}" if tag else "") + at + digest


def _tag(text: str) -> tuple[str, str]:
    colon = text.rfind(":")
    return (text[:colon], text[colon + 1 :]) if colon > text.rfind("/") else (text, "")


def _name(name: str) -> str:
    first, slash, path = name.partition("/")
    registry = bool(slash) and ("." in first or ":" in first or first == "localhost" or first != first.lower())
    if not registry:
        first, path = DEFAULT_REGISTRY, name
    if first == _OLD_REGISTRY:
        first = DEFAULT_REGISTRY
    if first == DEFAULT_REGISTRY and "/" not in path:
        path = f"library/{path}"
    return f"{first}/{path}"
