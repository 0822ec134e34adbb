"""Exit codes. The table in the reference is generated from ``MEANING``."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """What a script can tell from a call of ``gamepipeline``."""

    OK = 0
    FAILED = 1
    USAGE = 2
    INFRASTRUCTURE = 3
    TIMED_OUT = 4
    CANCELED = 5
    NOT_FOUND = 7
    AUDIT = 8
    LET_GO = 130


MEANING: dict[Exit, str] = {
    Exit.OK: "success; also `submit` and `run --detach` once stored, and reading about a run that failed",
    Exit.FAILED: "the pipeline failed",
    Exit.USAGE: "wrong usage, an invalid pipeline file, a rejected pipeline, a conflict, an ambiguous prefix",
    Exit.INFRASTRUCTURE: "Docker, NATS or the configuration: one line says what and how to mend it",
    Exit.TIMED_OUT: "the pipeline ran out of time",
    Exit.CANCELED: "the pipeline was canceled",
    Exit.NOT_FOUND: "no such pipeline or step, or nothing of it at the time asked for",
    Exit.AUDIT: "`audit`: a history, an export of it or something derived from it is not what it must be",
    Exit.LET_GO: "interrupted: what was started goes on",
}

OF_STATUS: dict[str, Exit] = {
    "completed": Exit.OK,
    "failed": Exit.FAILED,
    "rejected": Exit.USAGE,
    "timed_out": Exit.TIMED_OUT,
    "canceled": Exit.CANCELED,
}
"""Exit code of `run` for each outcome of a pipeline."""


class CliError(Exception):
    """Ends the command with ``code`` and ``message`` on stderr; ``fix`` is what the reader can do."""

    def __init__(self, code: Exit, message: str, fix: str | None = None) -> None:
        self.code = code
        self.fix = fix
        super().__init__(f"{message}; {fix}" if fix else message)
