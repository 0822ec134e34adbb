"""Short and long forms of compose, taken apart into one form each.

Only splits: the parts may hold expressions, which are rendered afterwards, so a value with a ``:``
in it never becomes a second part. Raises ValueError with a sentence about the whole text.
"""

from __future__ import annotations

import shlex
from typing import Any

import msgspec

from gamepipeline_events.spec.expressions import CLOSE, OPEN


class Mount(msgspec.Struct, frozen=True, kw_only=True):
    """A mount. ``kind`` is bind, volume or tmpfs; ``source`` None: an anonymous volume, or tmpfs."""

    kind: str
    target: str
    source: str | None = None
    read_only: bool = False
    options: tuple[str, ...] = ()
    long: dict[str, Any] = {}


def mount(value: str | dict[str, Any]) -> Mount:
    """A mount from ``[source:]target[:options]`` or the long form."""
    if isinstance(value, dict):
        return Mount(
            kind=value["type"],
            target=value["target"],
            source=value.get("source"),
            read_only=value.get("read_only", False),
            long=value,
        )
    parts = _split(value, ":")
    if len(parts) == 1:
        return Mount(kind="volume", target=parts[0])
    if len(parts) > 3 or not all(parts[:2]):
        raise ValueError("has not the form [source:]target[:options]")
    source, target = parts[:2]
    options = tuple(parts[2].split(",")) if len(parts) == 3 else ()
    for option in options:
        if option not in MOUNT_OPTIONS:
            raise ValueError(f"has the unknown option '{option[:40]}'; {_known(MOUNT_OPTIONS)}")
    kind = "bind" if source[0] in "/.~" or source.startswith(OPEN) else "volume"
    return Mount(kind=kind, target=target, source=source, read_only="ro" in options, options=options)


MOUNT_OPTIONS = (
    *("ro", "rw", "z", "Z", "nocopy", "consistent", "cached", "delegated"),
    *("private", "rprivate", "shared", "rshared", "slave", "rslave"),
)


def variables(value: dict[str, Any] | list[Any]) -> dict[str, str | None]:
    """Environment or labels from the map or the list form; None: no value was written."""
    if isinstance(value, dict):
        return {key: None if inner is None else scalar(inner) for key, inner in value.items()}
    result: dict[str, str | None] = {}
    for item in value:
        key, equals, text = item.partition("=")
        result[key] = text if equals else None
    return result


def security_option(text: str) -> str:
    """``seccomp:unconfined`` → ``seccomp=unconfined``: Docker takes both, a policy reads one.

    A seccomp profile is JSON here: what compose would read from a file is a text on another machine.
    """
    name = text.partition("=")[0]
    option = text if ":" not in name else text.replace(":", "=", 1)
    name, _, profile = option.partition("=")
    if name == "seccomp" and profile not in SECCOMP and not profile.lstrip().startswith("{"):
        raise ValueError(f"a seccomp profile in a file ('{profile[:60]}') is not supported")
    return option


SECCOMP = ("unconfined", "builtin")
"""Profiles that Docker has itself."""


def scalar(value: bool | float | str) -> str:  # noqa: FBT001 - the value itself, no switch
    """A JSON scalar as text: numbers as JSON writes them, ``true`` and ``false``."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def words(value: str | list[str]) -> list[str]:
    """A command as a list; a text is split as a shell would, an expression always stays whole."""
    if isinstance(value, list):
        return list(value)
    kept: list[str] = []
    text, at = "", 0
    while (start := value.find(OPEN, at)) >= 0:
        end = value.find(CLOSE, start)
        end = len(value) if end < 0 else end + len(CLOSE)
        text += value[at:start] + f"\ue000{len(kept)}\ue001"
        kept.append(value[start:end])
        at = end
    try:
        split = shlex.split(text + value[at:])
    except ValueError as exc:
        raise ValueError(f"cannot be split into words: {str(exc).lower()}") from None
    return [_put_back(word, kept) for word in split]


def _put_back(word: str, kept: list[str]) -> str:
    for number, original in enumerate(kept):
        word = word.replace(f"\ue000{number}\ue001", original)
    return word


def _split(text: str, separator: str) -> list[str]:
    """Parts of ``text``; what stands in an expression is not looked at."""
    parts, at = [""], 0
    while at < len(text):
        if text.startswith(OPEN, at):
            end = text.find(CLOSE, at)
            end = len(text) if end < 0 else end + len(CLOSE)
            parts[-1] += text[at:end]
            at = end
        elif text[at] == separator:
            parts.append("")
            at += 1
        else:
            parts[-1] += text[at]
            at += 1
    return parts


def _known(options: tuple[str, ...]) -> str:
    return f"there are {', '.join(options)}"
