"""The history checker: a pure function from stored records to what is wrong with them.

checker   ``check_history``, ``check_stream``
finding   what a rule is, and what it finds
evidence  what a history can be held against: Docker, clients, the logs, checkpoints
history   one pipeline's records, decoded and folded
tally     the logs stream, reduced while it is read
sweep     a whole stream judged in one pass, with bounded memory
rules     every rule, as data
"""

from __future__ import annotations

from gamepipeline_projections.audit.checker import NOTHING_MISSING, check_history, check_pipeline, check_stream
from gamepipeline_projections.audit.evidence import (
    ClientJournal,
    DockerEvent,
    Leftover,
    SentCommand,
    Stored,
    StreamBounds,
)
from gamepipeline_projections.audit.finding import Finding, Rule
from gamepipeline_projections.audit.rules import RULES
from gamepipeline_projections.audit.sweep import Sweep
from gamepipeline_projections.audit.tally import LogTally

__all__ = [
    "NOTHING_MISSING",
    "RULES",
    "ClientJournal",
    "DockerEvent",
    "Finding",
    "Leftover",
    "LogTally",
    "Rule",
    "SentCommand",
    "Stored",
    "StreamBounds",
    "Sweep",
    "check_history",
    "check_pipeline",
    "check_stream",
]
