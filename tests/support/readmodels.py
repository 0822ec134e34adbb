"""Read models for tests: everything that is in one, and the histories they are made of."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from gamepipeline_projections.readmodel import file_of

REALM = "01JREALM000000000000000000"
HISTORIES = [path.read_bytes().splitlines() for path in sorted((Path(__file__).parents[1] / "history").glob("*.jsonl"))]
TABLES = ("about", "pipelines", "steps", "services", "alerts", "nodes", "states")


def contents(folder: Path, realm: str = REALM) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, in an order that does not depend on when it was written."""
    with closing(sqlite3.connect(file_of(folder, realm))) as database:
        statements = {name: f"SELECT * FROM {name}" for name in TABLES}  # noqa: S608 - names from above
        return {name: sorted(database.execute(one), key=repr) for name, one in statements.items()}
