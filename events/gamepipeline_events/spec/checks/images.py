"""Image references, by the grammar of the distribution project."""

from __future__ import annotations

import re

from gamepipeline_events.values import OutOfRange

MAX_REFERENCE = 512
MAX_REPOSITORY = 255

_LABEL = r"(?:[A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9-]*[A-Za-z0-9])"
_HOST = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[A-Fa-f0-9:]+\])(?::[0-9]{{1,5}})?"
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_DOMAIN = re.compile(_HOST)
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,128}")
_ID = re.compile(r"(?:sha256:)?[0-9a-f]{64}")


def check_image(value: object) -> None:
    """Raise OutOfRange unless ``value`` is a reference: ``[host[:port]/]path[:tag][@digest]`` or an image id."""
    text = str(value)
    if not text:
        raise OutOfRange("is empty")
    if len(text) > MAX_REFERENCE:
        raise OutOfRange(f"is longer than {MAX_REFERENCE} characters")
    if _ID.fullmatch(text):
        return
    rest, at, digest = text.partition("@")
    if at and not _DIGEST.fullmatch(digest):
        raise OutOfRange("is not an image reference: what follows '@' is no digest such as sha256:…")
    slash = rest.rfind("/")
    colon = rest.rfind(":")
    if colon > slash:
        rest, tag = rest[:colon], rest[colon + 1 :]
        if not _TAG.fullmatch(tag):
            raise OutOfRange(f"is not an image reference: '{tag[:40]}' is no tag")
    _check_repository(rest)


def _check_repository(repository: str) -> None:
    first, slash, others = repository.partition("/")
    path = repository
    if slash and ("." in first or ":" in first or first == "localhost" or first != first.lower()):
        if not _DOMAIN.fullmatch(first):
            raise OutOfRange(f"is not an image reference: '{first[:80]}' is no registry")
        path = others
    if len(repository) > MAX_REPOSITORY:
        raise OutOfRange(f"is not an image reference: its name is longer than {MAX_REPOSITORY} characters")
    if not _PATH.fullmatch(path):
        capital = " (capital letters are not allowed)" if path != path.lower() else ""
        raise OutOfRange(f"is not an image reference: '{path[:80]}' is no name of an image{capital}")
