"""The only place that builds or parses subjects.

<root>.events.<pipeline_id>.<EventType>
<root>.logs.<pipeline_id>.<step_id>
<root>.commands.execute.<pool>.<pipeline_id>
<root>.commands.cancel.<pipeline_id>         <root>.commands.stop.<pipeline_id>
<root>.progress.<pipeline_id>.<step_id>      <root>.rejects.<command>
"""

from __future__ import annotations

import msgspec

from gamepipeline_events.errors import BadInput
from gamepipeline_events.ids import PIPELINE_LEVEL, require_id, require_token

DEFAULT_ROOT = "gamepipeline"


class EventSubject(msgspec.Struct, frozen=True):
    """A parsed subject of the events stream."""

    pipeline_id: str
    event_type: str


class LogSubject(msgspec.Struct, frozen=True):
    """A parsed subject of the logs stream; ``step_id`` None where there is no step."""

    pipeline_id: str
    step_id: str | None


class CommandSubject(msgspec.Struct, frozen=True):
    """A parsed subject of the commands stream; ``pool`` only for execute."""

    command: str
    pipeline_id: str
    pool: str | None = None


class Subjects:
    """Builds and parses the subjects under one root. Every method raises BadInput on an illegal id."""

    def __init__(self, root: str = DEFAULT_ROOT) -> None:
        self.root = require_token(root, "subject root")

    # events
    def event(self, pipeline_id: str, event_type: str) -> str:
        """Subject of one event."""
        return f"{self.root}.events.{require_id(pipeline_id, 'pipeline id')}.{require_token(event_type, 'event type')}"

    def pipeline_events(self, pipeline_id: str) -> str:
        """Filter for all events of one pipeline."""
        return f"{self.root}.events.{require_id(pipeline_id, 'pipeline id')}.>"

    def all_events(self) -> str:
        """Filter for every event."""
        return f"{self.root}.events.>"

    def events_of_type(self, event_type: str) -> str:
        """Filter for every event of one type."""
        return f"{self.root}.events.*.{require_token(event_type, 'event type')}"

    def parse_event(self, subject: str) -> EventSubject:
        """Inverse of ``event``."""
        pipeline_id, event_type = self._tokens(subject, "events", 2)
        return EventSubject(require_id(pipeline_id, "pipeline id"), require_token(event_type, "event type"))

    # logs
    def log(self, pipeline_id: str, step_id: str | None) -> str:
        """Subject of a log record; no step: ``_pipeline``."""
        token = PIPELINE_LEVEL if step_id is None else require_id(step_id, "step id")
        return f"{self.root}.logs.{require_id(pipeline_id, 'pipeline id')}.{token}"

    def pipeline_logs(self, pipeline_id: str) -> str:
        """Filter for all log records of one pipeline."""
        return f"{self.root}.logs.{require_id(pipeline_id, 'pipeline id')}.>"

    def pipeline_level_logs(self) -> str:
        """Filter for the log records of all pipelines that belong to no step."""
        return f"{self.root}.logs.*.{PIPELINE_LEVEL}"

    def all_logs(self) -> str:
        """Filter for every log record."""
        return f"{self.root}.logs.>"

    def parse_log(self, subject: str) -> LogSubject:
        """Inverse of ``log``."""
        pipeline_id, step = self._tokens(subject, "logs", 2)
        step_id = None if step == PIPELINE_LEVEL else require_id(step, "step id")
        return LogSubject(require_id(pipeline_id, "pipeline id"), step_id)

    # commands
    def execute(self, pool: str, pipeline_id: str) -> str:
        """Subject of the execute command."""
        return f"{self.root}.commands.execute.{require_id(pool, 'pool')}.{require_id(pipeline_id, 'pipeline id')}"

    def pool_commands(self, pool: str) -> str:
        """Filter for all execute commands of one pool."""
        return f"{self.root}.commands.execute.{require_id(pool, 'pool')}.>"

    def pipeline_execute(self, pipeline_id: str) -> str:
        """Filter for the execute command of one pipeline, whatever its pool."""
        return f"{self.root}.commands.execute.*.{require_id(pipeline_id, 'pipeline id')}"

    def cancel(self, pipeline_id: str) -> str:
        """Subject of the cancel command."""
        return f"{self.root}.commands.cancel.{require_id(pipeline_id, 'pipeline id')}"

    def stop(self, pipeline_id: str) -> str:
        """Subject of the stop command."""
        return f"{self.root}.commands.stop.{require_id(pipeline_id, 'pipeline id')}"

    def commands_of(self, command: str) -> str:
        """Filter for all commands of one kind: cancel, stop or execute."""
        return f"{self.root}.commands.{require_token(command, 'command')}.>"

    def all_commands(self) -> str:
        """Filter for every command."""
        return f"{self.root}.commands.>"

    def parse_command(self, subject: str) -> CommandSubject:
        """Inverse of ``execute``, ``cancel`` and ``stop``."""
        prefix = f"{self.root}.commands."
        parts = subject.removeprefix(prefix).split(".") if subject.startswith(prefix) else []
        match parts:
            case ["execute", pool, pipeline_id]:
                return CommandSubject("execute", require_id(pipeline_id, "pipeline id"), require_id(pool, "pool"))
            case ["cancel" | "stop" as command, pipeline_id]:
                return CommandSubject(command, require_id(pipeline_id, "pipeline id"))
            case _:
                raise BadInput(f"subject {subject!r:.120}", f"not a command subject under {prefix}")

    # not stored
    def progress(self, pipeline_id: str, step_id: str) -> str:
        """Subject of progress messages (pull bytes); core NATS, not kept."""
        return f"{self.root}.progress.{require_id(pipeline_id, 'pipeline id')}.{require_id(step_id, 'step id')}"

    def all_progress(self) -> str:
        """Filter for every progress message."""
        return f"{self.root}.progress.>"

    def parse_progress(self, subject: str) -> str:
        """The pipeline id in a subject that ``progress`` made."""
        return require_id(self._tokens(subject, "progress", 2)[0], "pipeline id")

    def reject(self, command: str) -> str:
        """Subject where refusals go that belong to no pipeline's history."""
        return f"{self.root}.rejects.{require_token(command, 'command')}"

    def _tokens(self, subject: str, branch: str, count: int) -> list[str]:
        prefix = f"{self.root}.{branch}."
        tokens = subject.removeprefix(prefix).split(".")
        if not subject.startswith(prefix) or len(tokens) != count:
            raise BadInput(
                f"subject {subject!r:.120}",
                f"does not have the form {prefix}" + ".".join("*" * count),
            )
        return tokens
