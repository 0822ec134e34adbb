"""The rules of the history checker."""

from __future__ import annotations

from itertools import groupby

from gamepipeline_projections.audit import NOTHING_MISSING, RULES
from gamepipeline_projections.audit.archive import EXPORT_WHOLE
from tables.markdown import code, table


def rules() -> str:
    """One table for each group."""
    parts = []
    for group, members in groupby((NOTHING_MISSING, *RULES, EXPORT_WHOLE), key=lambda rule: rule.group):
        rows = ((code(rule.name), rule.statement) for rule in members)
        parts.append(f"### {group.capitalize()}\n{table(('rule', 'what holds'), rows)}")
    return "\n".join(parts)


REGIONS = {"audit-rules": rules}
