"""Closed vocabularies: exit codes, error codes, causes, alerts."""

from __future__ import annotations

from gamepipeline_engine.cli.exits import MEANING, OF_STATUS
from gamepipeline_engine.core.diagnosis import PATTERNS
from gamepipeline_engine.core.retry import PERMANENT, SYSTEM, kind_of
from gamepipeline_events import ALERTS, CAUSES, CODES
from gamepipeline_events.spec.model import RETRY_CAUSES
from tables.markdown import code, table
from tables.source import says


def exit_codes() -> str:
    """What each exit code means."""
    return table(("code", "means"), ((str(int(one)), text) for one, text in MEANING.items()))


def exit_of_status() -> str:
    """The exit code of `run` for each outcome."""
    return table(("outcome", "exit code"), ((code(status), str(int(one))) for status, one in OF_STATUS.items()))


def error_codes() -> str:
    """Codes of problems in a pipeline file."""
    return table(("code", "problem"), ((code(name), text) for name, text in CODES.items()))


def causes() -> str:
    """Causes of a failed attempt: whose fault it is, and whether it is tried again."""
    rows = []
    for name, text in CAUSES.items():
        kind = kind_of(name)
        if kind == "failure":
            assert name in RETRY_CAUSES
            again = "as the step's `retry` says"
        elif name in PERMANENT:
            again = "no"
        else:
            again = f"up to {SYSTEM.limit} times"
        rows.append((code(name), text, kind, again))
    return table(("cause", "means", "kind", "tried again"), rows)


def alerts() -> str:
    """Alerts, and whether anything raises them."""
    rows = ((code(name), text, "yes" if says(name) else "not yet") for name, text in ALERTS.items())
    return table(("alert", "means", "raised"), rows)


def hints() -> str:
    """What is recognised in the last lines of a failed step."""
    return table(("recognised", "hint"), ((pattern.name.replace("_", " "), pattern.hint) for pattern in PATTERNS))


REGIONS = {
    "exit-codes": exit_codes,
    "exit-of-status": exit_of_status,
    "error-codes": error_codes,
    "causes": causes,
    "alerts": alerts,
    "hints": hints,
}
