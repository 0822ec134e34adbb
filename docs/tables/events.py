"""Events, log records, commands, the envelope, subjects and streams."""

from __future__ import annotations

import msgspec

from gamepipeline_engine.broker import streams
from gamepipeline_events import LOG_EVENTS, STATE_EVENTS, Event, EventData, StepCompleted, Subjects, Usage, encode
from gamepipeline_events.catalog import (
    TERMINAL_EVENTS,
    ArtifactFile,
    Endpoint,
    LeftBehind,
    PinnedImage,
    RejectedError,
    ReleasedStep,
    Rerun,
    RunningStep,
    TakenOver,
    Want,
)
from gamepipeline_events.codec import CURRENT, Envelope
from gamepipeline_events.commands import MAX_EXECUTE_BYTES, Cancel, Command, Execute, Stop
from tables.markdown import annotation, code, field_table, fields, meaning, summary, table

ATTRIBUTES = {
    "specversion": "`1.0`, the version of CloudEvents",
    "id": "ULID of the decision; a second attempt to store the same decision has the same id",
    "source": "`gamepipeline/<node>`: who wrote it",
    "type": "`gamepipeline.<EventName>.v<version>`",
    "subject": "id of the pipeline",
    "time": "when it was decided; never goes back within a pipeline",
    "datacontenttype": "`application/json`",
    "pipelineseq": "number of the event within its pipeline: 1, 2, 3 … without a gap; absent in log records",
    "epoch": "which owner of the pipeline wrote it, from 1; absent when it was no owner",
    "engine": "ULID of the engine process; present where `epoch` is",
    "actor": "on whose behalf: `engine:…`, `agent:…` or `cli:…`",
    "causationid": "id of the command or event that caused it",
    "prevhash": (
        "lower-case hex SHA-256 of the payload bytes of the pipeline's event before; "
        "absent on the first one and in log records"
    ),
    "data": "what happened, see below",
}

PIPELINE = "01kaq3ge9s4k1wm5v0c8n2t6yd"
STRUCTS: tuple[type[msgspec.Struct], ...] = (
    ArtifactFile,
    Endpoint,
    LeftBehind,
    PinnedImage,
    RejectedError,
    ReleasedStep,
    Rerun,
    RunningStep,
    TakenOver,
    Usage,
    Want,
)


def envelope() -> str:
    """Every attribute of the envelope."""
    rows = [
        (code(name), annotation(kind.replace("msgspec.Raw", "dict[str, Any]")), meaning(ATTRIBUTES, name, "events"))
        for name, kind in fields(Envelope)
    ]
    return table(
        ("attribute", "type", "meaning"), [(name, kind.removesuffix(", or null"), text) for name, kind, text in rows]
    )


def example() -> str:
    """One event as it is stored, indented for reading."""
    event = Event(
        id="01KAQ3GJ2X7Q4D9B8R5T0V6WHC",
        source="gamepipeline/game-node-1",
        name="StepCompleted",
        version=CURRENT["StepCompleted"],
        pipeline_id=PIPELINE,
        time="2026-11-23T18:10:41.000000Z",
        seq=5,
        epoch=1,
        engine="01KAQ3G8Z1N5M7P2K4J6H8F0ES",
        actor="engine:game-node-1",
        causation_id="01KAQ3GHVR3C6E8G0T2A4S6D8F",
        prev_hash="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        data=StepCompleted(
            step="fetch",
            attempt=1,
            exit_code=0,
            duration=1.529304,
            outputs={"sha256": "4f2766f98ce5"},
            usage=Usage(cpu_seconds=0.08, max_memory=3_145_728),
        ),
    )
    return f"```json\n{msgspec.json.format(encode(event), indent=2).decode()}\n```\n"


def overview() -> str:
    """Every event of the events stream in one line."""
    return table(
        ("event", "version", "what it says"),
        [
            (f"[{one.__name__}](#{one.__name__.lower()})", str(CURRENT[one.__name__]), _first(one))
            for one in STATE_EVENTS
        ],
    )


def catalog() -> str:
    """The data of every event."""
    return "\n".join(map(_section, STATE_EVENTS))


def structs() -> str:
    """Objects inside the data of events."""
    return "\n".join(f"### {one.__name__}\n{summary(one)}\n\n{field_table(one)}" for one in STRUCTS)


def logs() -> str:
    """The data of every log record."""
    line = '\nA line is `[time, "stdout" or "stderr", text]`.\n'
    text = "\n".join(map(_section, LOG_EVENTS))
    return text.replace("list of [LogLine](#logline)", "list of lines") + line


def _section(cls: type[EventData]) -> str:
    terminal = " A pipeline has one terminal event at most." if cls.__name__ in TERMINAL_EVENTS else ""
    return f"### {cls.__name__}\n{summary(cls)}{terminal}\n\n{field_table(cls)}"


def _first(cls: type[EventData]) -> str:
    return summary(cls).split("\n\n")[0]


def commands() -> str:
    """The data of every command."""
    subjects = Subjects()
    places = {
        Execute: _shown(subjects.execute("POOL", "ID")),
        Cancel: _shown(subjects.cancel("ID")),
        Stop: _shown(subjects.stop("ID")),
    }
    kinds: tuple[type[Command], ...] = (Execute, Cancel, Stop)
    parts = []
    for one in kinds:
        required = {field.encode_name for field in msgspec.structs.fields(one) if field.required}
        rows = [(code(name), annotation(kind), "yes" if name in required else "") for name, kind in fields(one)]
        heading = f"### {one.__name__.lower()}\nSubject {code(places[one])}. {summary(one)}"
        parts.append(f"{heading}\n\n" + table(("field", "type", "required"), rows))
    text = "\n".join(parts).replace("](#rerun)", "](events.md#rerun)")
    return f"{text}\nAn execute command has at most {MAX_EXECUTE_BYTES // 1024} KiB.\n"


def subjects() -> str:
    """Every subject."""
    one = Subjects()
    rows = [
        (one.event("ID", "TYPE"), "an event"),
        (one.log("ID", "STEP"), "a log record of a step"),
        (one.log("ID", None), "a log record that belongs to no step"),
        (one.execute("POOL", "ID"), "a command: run this pipeline"),
        (one.cancel("ID"), "a command: end this pipeline"),
        (one.stop("ID"), "a command: stop services of this pipeline"),
        (one.progress("ID", "STEP"), "progress of an image pull; core NATS, not kept"),
        (one.reject("COMMAND"), "a refused command that belongs to no pipeline's history; core NATS, not kept"),
    ]
    return table(("subject", "what"), ((code(_shown(subject)), text) for subject, text in rows))


def _shown(subject: str) -> str:
    for token, name in {
        "ID": "pipeline_id",
        "TYPE": "EventType",
        "STEP": "step_id",
        "POOL": "pool",
        "COMMAND": "command",
    }.items():
        subject = ".".join(f"<{name}>" if part == token else part for part in subject.split("."))
    return subject


def stores() -> str:
    """The streams and buckets an engine creates, as it creates them."""
    rows = []
    for plan in streams._plans(streams.Topology(), streams.StreamOptions(), replicas=1):
        config = plan.config
        rows.append(
            (
                code(config.name),
                ", ".join(map(code, config.subjects or ())),
                str(config.retention.value if config.retention else ""),
                _age(config.max_age or 0.0),
                _size(config.max_bytes or -1),
                f"{config.discard.value if config.discard else ''}",
                _protection(config),
            )
        )
    return table(("stream", "subjects", "retention", "age", "bytes", "when full, discards", "also"), rows)


def _protection(config: object) -> str:
    flags = {"deny_delete": "no delete", "deny_purge": "no purge", "discard_new_per_subject": "one per subject"}
    return ", ".join(text for name, text in flags.items() if getattr(config, name, False))


def _age(seconds: float) -> str:
    if not seconds:
        return "for ever"
    return f"{seconds / 86400:g} days" if seconds >= 86400 else f"{seconds:g} s"


def _size(size: int) -> str:
    return "no limit" if size < 0 else f"{size / 2**30:g} GiB"


REGIONS = {
    "envelope": envelope,
    "event-example": example,
    "event-example-again": example,
    "events": overview,
    "event-catalog": catalog,
    "event-structs": structs,
    "log-records": logs,
    "commands": commands,
    "subjects": subjects,
    "streams": stores,
}
