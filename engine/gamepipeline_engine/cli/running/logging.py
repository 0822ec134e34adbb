"""Where the engine's own log goes: JSON lines to stderr (the daemon) or to a file (``run``), masked."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import TextIO

import structlog

from gamepipeline_engine.cli.known import KNOWN
from gamepipeline_engine.cli.places import state_folder


def log_to_stderr() -> None:
    """For a daemon: everything from info on."""
    _configure(sys.stderr, logging.INFO)


def log_to_file(name: str) -> Path | None:
    """For ``run``, whose stderr belongs to the person: warnings, in a file; None when there can be none."""
    path = state_folder() / "engines" / f"{name}.log"
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    except OSError:
        _configure(Path(os.devnull).open("w"), logging.CRITICAL)  # noqa: SIM115 - open as long as the process
        return None
    _configure(os.fdopen(descriptor, "a", buffering=1), logging.WARNING)
    return path


def _configure(stream: TextIO, level: int) -> None:
    """One form for structlog's records and the standard library's."""
    common: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*common, KNOWN.processor, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=common,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                KNOWN.processor,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.raiseExceptions = False  # a record that cannot be formatted would be printed as it is, past the masker
    logging.basicConfig(level=max(level, logging.WARNING), handlers=[handler], force=True)
