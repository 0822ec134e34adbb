"""Places where a test can kill the process for certain: ``GAMEPIPELINE_FAILPOINT=<name>:<n>``.

At the n-th pass of the named point the process ends with SIGKILL, as a crash would end it.
"""

from __future__ import annotations

import os
import signal
from collections import Counter

POINTS: dict[str, str] = {
    "after_fetch": "an execute command was fetched, nothing is recorded yet",
    "before_append": "an event is decided, not yet published",
    "after_append": "an event is stored, its effect has not begun",
    "before_create": "the image is there, the container is not created yet",
    "after_create": "the container is created, not started",
    "before_start": "the container is about to be started",
    "after_start": "the container runs, StepStarted is not recorded yet",
    "after_exit": "the container ended, its log is not read to the end yet",
    "after_log_end": "the log is complete, the exit is not recorded yet",
    "before_artifacts": "the artifacts are packed, nothing of them is stored yet",
    "after_artifacts": "the artifacts are stored, that is not recorded yet",
    "before_remove": "the exit is recorded, the container is still there",
    "after_remove": "the container is gone",
    "before_ack": "the pipeline is terminal, its command is not acked yet",
}

_passes: Counter[str] = Counter()


def failpoint(name: str) -> None:
    """Pass the point ``name``."""
    wanted = os.environ.get("GAMEPIPELINE_FAILPOINT")
    if not wanted:
        return
    point, _, count = wanted.partition(":")
    if point == name:
        _passes[name] += 1
        if _passes[name] >= int(count or 1):
            os.kill(os.getpid(), signal.SIGKILL)
