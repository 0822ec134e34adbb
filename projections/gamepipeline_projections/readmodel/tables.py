"""The tables of the read model. Whatever changes here raises ``TABLES``."""

from __future__ import annotations

TABLES = 1
"""Raised with every change of a table or of what its columns mean."""

PIPELINE_COLUMNS = (
    "id",
    "name",
    "model",
    "node_id",
    "pool",
    "status",
    "current_step",
    "total_steps",
    "submitted_at",
    "start_time",
    "end_time",
    "updated_at",
    "error",
    "reason",
    "epoch",
    "version",
    "last_seq",
    "began",
    "broken",
    "args",
    "text",
)
"""``began`` orders lists, ``broken`` says why the history cannot be folded, ``text`` is what is searched."""

STEP_COLUMNS = (
    "pipeline_id",
    "place",
    "step",
    "name",
    "type",
    "status",
    "attempt",
    "image",
    "exit_code",
    "cause",
    "error",
    "start_time",
    "end_time",
)
SERVICE_COLUMNS = (
    "pipeline_id",
    "step",
    "status",
    "endpoints",
    "exit_code",
    "restart_count",
    "observed_at",
)
ALERT_COLUMNS = ("sequence", "pipeline_id", "time", "severity", "alert", "summary", "details")
NODE_COLUMNS = ("node", "docker", "engine", "last_seen", "last_seq")

_CREATE = """
-- Only one row. `hash` is the SHA-256 of the payload at `position`: 0 and empty before the first event.
CREATE TABLE about (realm TEXT NOT NULL, position INTEGER NOT NULL, hash TEXT NOT NULL);

-- No type for `model`: it is a number or a text, as written.
CREATE TABLE pipelines (
    id TEXT PRIMARY KEY, name TEXT, model, node_id TEXT, pool TEXT, status TEXT NOT NULL,
    current_step INTEGER, total_steps INTEGER, submitted_at TEXT, start_time TEXT, end_time TEXT, updated_at TEXT,
    error TEXT, reason TEXT, epoch INTEGER, version INTEGER, last_seq INTEGER,
    began TEXT NOT NULL, broken TEXT, args TEXT, text TEXT);

CREATE TABLE steps (
    pipeline_id TEXT, place INTEGER, step TEXT, name TEXT, type TEXT, status TEXT, attempt INTEGER, image TEXT,
    exit_code INTEGER, cause TEXT, error TEXT, start_time TEXT, end_time TEXT,
    PRIMARY KEY (pipeline_id, place)) WITHOUT ROWID;

CREATE TABLE services (
    pipeline_id TEXT, step TEXT, status TEXT, endpoints TEXT, exit_code INTEGER, restart_count INTEGER,
    observed_at TEXT,
    PRIMARY KEY (pipeline_id, step)) WITHOUT ROWID;

CREATE TABLE alerts (
    sequence INTEGER PRIMARY KEY, pipeline_id TEXT, time TEXT, severity TEXT, alert TEXT, summary TEXT, details TEXT);

CREATE TABLE nodes (node TEXT PRIMARY KEY, docker TEXT, engine TEXT, last_seen TEXT, last_seq INTEGER);

-- Of pipelines about which more events are to be expected: with it the fold goes on.
CREATE TABLE states (id TEXT PRIMARY KEY, state BLOB NOT NULL)
"""
CREATE = tuple(_CREATE.split(";"))

INDEX = (
    "CREATE INDEX IF NOT EXISTS by_time ON pipelines (began, id)",
    *(
        f"CREATE INDEX IF NOT EXISTS by_{column} ON pipelines ({column}, began, id)"
        for column in ("status", "name", "model", "node_id", "pool")
    ),
    "CREATE INDEX IF NOT EXISTS broken ON pipelines (id) WHERE broken IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS services_by_status ON services (status)",
    "CREATE INDEX IF NOT EXISTS alerts_by_pipeline ON alerts (pipeline_id)",
)
"""Made once the rows of a new file are there: that is faster than to keep them up to date meanwhile."""


def insert(table: str, columns: tuple[str, ...]) -> str:
    """The statement that writes a row, in place of one with the same key."""
    names, marks = ", ".join(columns), ", ".join("?" * len(columns))
    return f"INSERT OR REPLACE INTO {table} ({names}) VALUES ({marks})"  # noqa: S608 - constants of this module
