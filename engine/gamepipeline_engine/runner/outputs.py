"""Reading what a step wrote to ``$GAMEPIPELINE_OUTPUT``. Pure."""

from __future__ import annotations

from gamepipeline_events.ids import is_name

OUTPUT_LIMIT = 32 * 1024
"""Bytes a step may hand on."""


def parse_outputs(raw: bytes) -> tuple[dict[str, str], list[str]]:
    """``key=value`` lines → outputs, and what was wrong. A later line of a name wins.

    A line ends with a line feed, with or without a carriage return, and with nothing else: a
    character that Unicode calls a separator is part of the value, or values could smuggle lines in.
    """
    problems = []
    if len(raw) > OUTPUT_LIMIT:
        return {}, [f"outputs are larger than {OUTPUT_LIMIT} bytes; none is taken"]
    outputs = {}
    for number, written in enumerate(raw.decode("utf-8", "replace").split("\n"), start=1):
        line = written.removesuffix("\r")
        if not line.strip():
            continue
        name, equals, value = line.partition("=")
        if not equals or not is_name(name.strip()):
            problems.append(f"output line {number} is not name=value: {line[:80]!r}")
            continue
        outputs[name.strip()] = value
    return outputs, problems
