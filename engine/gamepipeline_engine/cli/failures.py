"""From any exception to one line on stderr and an exit code.

Exceptions are recognised by the full name of their class, so that nothing heavy is imported to
tell that it was not the cause. One that nobody foresaw is ours to mend: its traceback goes to a
file, the line says where.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from gamepipeline_engine.cli.exits import CliError, Exit
from gamepipeline_engine.cli.known import KNOWN


class Kind(NamedTuple):
    """Exceptions of one class (and those below it): exit code, and a fix where their text has none."""

    name: str
    code: Exit
    fix: str | None = None


KINDS: tuple[Kind, ...] = (
    Kind("gamepipeline_projections.broker_errors.BrokerError", Exit.INFRASTRUCTURE),
    Kind(
        "gamepipeline_engine.containers.port.DaemonUnreachable",
        Exit.INFRASTRUCTURE,
        "start the Docker engine, or set DOCKER_HOST to one that runs",
    ),
    Kind("gamepipeline_engine.containers.port.DaemonError", Exit.INFRASTRUCTURE, "see the log of the Docker engine"),
    Kind("gamepipeline_projections.sending.commands.QueueRefused", Exit.INFRASTRUCTURE, "see `gamepipeline doctor`"),
    Kind("gamepipeline_projections.sending.commands.QueueError", Exit.INFRASTRUCTURE, "try again"),
    Kind("gamepipeline_projections.reading.records.JournalUnavailable", Exit.INFRASTRUCTURE, "try again"),
    Kind("gamepipeline_projections.readmodel.errors.ReadModelRewound", Exit.INFRASTRUCTURE),
    Kind("gamepipeline_projections.reading.records.JournalError", Exit.INFRASTRUCTURE, "see `gamepipeline doctor`"),
    Kind(
        "gamepipeline_projections.errors.ReplayError",
        Exit.INFRASTRUCTURE,
        "the stored history is damaged: restore the store from a backup",
    ),
    Kind("gamepipeline_events.errors.NotFound", Exit.NOT_FOUND),
    Kind("gamepipeline_events.errors.Conflict", Exit.USAGE),
    Kind("gamepipeline_events.errors.Unavailable", Exit.INFRASTRUCTURE),
    Kind("gamepipeline_engine.config.ConfigError", Exit.INFRASTRUCTURE),
    Kind("gamepipeline_events.errors.Invalid", Exit.USAGE),
    Kind("gamepipeline_events.errors.BadInput", Exit.USAGE),
    Kind("gamepipeline_events.errors.GamePipelineError", Exit.INFRASTRUCTURE),
    Kind("nats.errors.Error", Exit.INFRASTRUCTURE, "see `gamepipeline doctor`"),
    Kind("nats.js.errors.Error", Exit.INFRASTRUCTURE, "see `gamepipeline doctor`"),
    Kind("builtins.OSError", Exit.INFRASTRUCTURE),
)


def explain(error: BaseException) -> tuple[Exit, str]:
    """The exit code and the line for ``error``; of a group, for the first that says anything."""
    found = list(leaves(error))
    for leaf in found:
        if isinstance(leaf, CliError):
            return leaf.code, str(leaf)
    for leaf in found:
        for kind in KINDS:
            if kind.name in _names(leaf):
                text = _one_line(str(leaf)) or type(leaf).__name__
                return kind.code, f"{text}; {kind.fix}" if kind.fix else text
    if any(isinstance(leaf, KeyboardInterrupt) for leaf in found):
        return Exit.LET_GO, ""
    return Exit.INFRASTRUCTURE, _crash(error)


def leaves(error: BaseException) -> Iterator[BaseException]:
    """The exceptions in a group, in groups in it; or ``error`` itself."""
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from leaves(one)
    else:
        yield error


def _names(error: BaseException) -> set[str]:
    return {f"{one.__module__}.{one.__qualname__}" for one in type(error).__mro__}


def _crash(error: BaseException) -> str:
    text = "".join(traceback.format_exception(error))
    name = f"crash-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{os.getpid()}.txt"
    what = f"{type(error).__name__}: {_one_line(KNOWN.text(str(error)))[:300]}"
    for folder in (_state_folder(), Path(tempfile.gettempdir())):
        path = folder / name
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:  # noqa: PTH123
                file.write(KNOWN.text(f"gamepipeline {' '.join(sys.argv[1:2])}\n{text}"))
        except OSError:
            continue
        return f"a fault of gamepipeline itself ({what}); please report it with {path}"
    return f"a fault of gamepipeline itself ({what}); no place to write its traceback"


def _state_folder() -> Path:
    from gamepipeline_engine.cli.places import state_folder

    return state_folder()


def _one_line(text: str) -> str:
    return " ".join(text.split())
