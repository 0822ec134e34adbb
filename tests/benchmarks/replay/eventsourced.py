"""The PyPI library ``eventsourcing`` on the same events; runs in an environment that has it, and not this project.

``python eventsourced.py FILE``: each line is a pipeline's id, an event's type and its payload, by tabs.
One aggregate for each pipeline, one append for each event into SQLite, as an engine appends; then
every aggregate is read back. Its fold only keeps the last payload: ours does more. Prints JSON.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from uuid import NAMESPACE_URL, UUID, uuid5

from eventsourcing.application import Application  # type: ignore[import-not-found]  # see above
from eventsourcing.domain import Aggregate, event  # type: ignore[import-not-found]  # see above


class Pipeline(Aggregate):  # type: ignore[misc]  # as above
    """What happened to one pipeline."""

    @event("Created")  # type: ignore[untyped-decorator]  # as above
    def __init__(self, name: str) -> None:
        self.name = name
        self.last = ""

    @event("Happened")  # type: ignore[untyped-decorator]  # as above
    def happen(self, payload: str) -> None:
        """One event."""
        self.last = payload

    @staticmethod
    def create_id(name: str) -> UUID:
        """The aggregate's id."""
        return uuid5(NAMESPACE_URL, name)


def main(file: str) -> None:
    """Append all, replay all."""
    lines = [line.split("\t", 2) for line in Path(file).read_text().splitlines()]
    with tempfile.TemporaryDirectory(prefix="gp-bench-") as folder:
        os.environ |= {"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": f"{folder}/events.db"}
        app = Application()
        pipelines: dict[str, Pipeline] = {}
        began = time.perf_counter()
        for pipeline_id, _, payload in lines:
            if pipeline_id not in pipelines:
                pipelines[pipeline_id] = Pipeline(pipeline_id)
            pipelines[pipeline_id].happen(payload)
            app.save(pipelines[pipeline_id])
        appended = time.perf_counter() - began
        began = time.perf_counter()
        for pipeline in pipelines.values():
            app.repository.get(pipeline.id)
        replayed = time.perf_counter() - began
    sys.stdout.write(json.dumps({"events": len(lines), "append": appended, "replay": replayed}) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
