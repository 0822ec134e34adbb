"""Writing: documents and tables on stdout, notes on stderr.

Text that came from a pipeline or a container never reaches a terminal with its control
characters: ``clean`` is for everything but the raw lines of ``logs``.
"""

from __future__ import annotations

import os
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from typing import IO, Any

import click

from gamepipeline_engine.cli.known import KNOWN
from gamepipeline_engine.cli.options import JSON, NDJSON, YAML


def emit(document: Any, form: str) -> None:
    """Write ``document`` (structs and plain data) as json, yaml, or as ndjson: a list's items, one a line."""
    import msgspec

    if form == JSON:
        click.echo(msgspec.json.format(msgspec.json.encode(document), indent=2))
    elif form == YAML:
        import yaml

        plain = msgspec.to_builtins(document)
        click.echo(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=120), nl=False)
    elif form == NDJSON:
        for one in document if isinstance(document, list) else [document]:
            click.echo(msgspec.json.encode(one))


def columns(header: Sequence[str], rows: Iterable[Sequence[str]], *, indent: str = "") -> str:
    """A table: left-aligned columns, two spaces apart, no trailing spaces. Ends with a line feed."""
    table = [list(header), *([clean(cell) for cell in row] for row in rows)]
    widths = [max(map(width, column)) for column in zip(*table, strict=True)]
    lines = []
    for row in table:
        cells = [cell + " " * (size - width(cell)) for cell, size in zip(row, widths, strict=True)]
        lines.append((indent + "  ".join(cells)).rstrip())
    return "\n".join(lines) + "\n"


def width(text: str) -> int:
    """Columns that ``text`` takes on a terminal."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )


def clean(text: str) -> str:
    """``text`` on one line, without control characters and without what reorders a line."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if _harmless(char) else " " if char in "\t\n\r" else "\ufffd" for char in text)


def _harmless(char: str) -> bool:
    return unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Zl", "Zp"}


def note(text: str) -> None:
    """A line on stderr, masked. A reader that has gone away does not matter."""
    try:
        click.echo(KNOWN.text(text), err=True)
    except BrokenPipeError:
        silence(sys.stderr)


def silence(stream: IO[Any]) -> None:
    """Whatever is written to ``stream`` from now on goes nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def shows_colour(stream: IO[Any]) -> bool:
    """Whether colours make sense on ``stream``."""
    return not os.environ.get("NO_COLOR") and is_terminal(stream)


def is_terminal(stream: IO[Any]) -> bool:
    """Whether ``stream`` is a terminal that can move its cursor, watched by a person."""
    return stream.isatty() and os.environ.get("TERM", "dumb") != "dumb" and not os.environ.get("CI")
