"""Errors of the read model.

JournalRewound             (reading package)
└── ReadModelRewound       the stream is not the one that was read, or has lost its end
GamePipelineError          (events package)
└── ReadModelError
    ├── ReadModelDamaged   the file is no sound database: it is thrown away and built anew
    └── ReadModelUnusable  the file cannot be written or read where it is
"""

from __future__ import annotations

from pathlib import Path

from gamepipeline_events import GamePipelineError
from gamepipeline_projections.reading.records import JournalRewound


class ReadModelRewound(JournalRewound):
    """The stream does not hold the event at ``position`` that ``file`` was built from."""

    def __init__(self, file: Path, position: int, found: str) -> None:
        self.file = file
        self.position = position
        Exception.__init__(
            self,
            f"the events stream is not what the read model was built from: {found} at sequence {position}. "
            f"It was restored from an earlier backup, or replaced. Restore the newest backup; if what is there "
            f"now is what you want, remove {file} and it is built anew",
        )


class ReadModelError(GamePipelineError):
    """Something is wrong with ``file``."""

    def __init__(self, file: Path, message: str) -> None:
        self.file = file
        super().__init__(message)


class ReadModelDamaged(ReadModelError):
    """``file`` is no sound database, or not that of its realm. Throw it away: the stream has everything."""

    def __init__(self, file: Path, why: str) -> None:
        super().__init__(file, f"the read model {file} is damaged: {why}")


class ReadModelUnusable(ReadModelError):
    """``file`` cannot be used where it is: no room, no right, no answer of the disk."""

    def __init__(self, file: Path, why: str) -> None:
        super().__init__(
            file,
            f"the read model {file} cannot be used: {why}; make room or grant the right, "
            f"or let XDG_CACHE_HOME name another folder",
        )
