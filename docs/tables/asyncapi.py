"""The AsyncAPI 3 document: every subject and message, made from the registry of events and the structs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

import msgspec

from gamepipeline_engine.containers.port import PullProgress
from gamepipeline_events import LOG_EVENTS, STATE_EVENTS, Cancel, CommandRejected, Execute, Stop
from gamepipeline_events.codec import CONTENT_TYPE, CURRENT, REGISTRY, SPECVERSION, TYPE_PREFIX, Envelope
from gamepipeline_events.ids import ID_PATTERN, PIPELINE_LEVEL
from gamepipeline_events.subjects import DEFAULT_ROOT, Subjects
from gamepipeline_projections import PipelineStatus
from gamepipeline_projections.agent import service
from gamepipeline_projections.agent.index import Page, Query
from gamepipeline_projections.topology import Topology
from tables.events import ATTRIBUTES
from tables.markdown import summary

_SCHEMAS = "#/components/schemas/"
_PARAMETERS = {
    "pipeline_id": f"Id of a pipeline: {ID_PATTERN}",
    "step_id": f"Id of a step; {PIPELINE_LEVEL} in the logs, where there is none",
    "pool": "A pool, or the name of a node",
    "event_type": "Name of the event, without its version",
    "command": "execute, cancel or stop; unknown where the subject cannot be read",
}
_COMMANDS: dict[str, type[msgspec.Struct]] = {"execute": Execute, "cancel": Cancel, "stop": Stop}
_QUESTIONS: dict[str, tuple[type[msgspec.Struct] | None, type[msgspec.Struct]]] = {
    "status": (service.StatusRequest, PipelineStatus),
    "list": (Query, Page),
    "health": (None, service.Health),
}
_MODEL = {
    "description": "The pipeline's document as written, with its id and, at the top level, its status",
    "type": "object",
    "properties": {"id": {"type": "string"}, "status": {"$ref": f"{_SCHEMAS}PipelineStatus"}},
    "required": ["id", "status"],
}


def document() -> dict[str, Any]:
    """The whole document. Schemas are of draft-07, as AsyncAPI has them."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "GamePipeline",
            "version": version("gamepipeline-events"),
            "description": (
                "Runs pipelines of container steps. Seen from GamePipeline: it sends events and log records, it "
                "receives commands and questions. Events, logs and commands are in JetStream streams."
            ),
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": CONTENT_TYPE,
        "servers": {"nats": {"host": "127.0.0.1:4222", "protocol": "nats", "description": "NATS with JetStream"}},
        "channels": _channels(),
        "operations": _operations(),
        "components": {"messages": _messages(), "schemas": _schemas()},
    }


# --- channels --------------------------------------------------------------------------------


def _channels() -> dict[str, Any]:
    subjects, topology = Subjects(), Topology()
    stored = f"in the stream {topology.events}, for ever"
    channels = {
        "events": _channel(subjects.event("ID", "TYPE"), f"Every transition, {stored}", _names(STATE_EVENTS)),
        "logs": _channel(subjects.log("ID", "STEP"), f"Output of steps, in {topology.logs}", _names(LOG_EVENTS)),
        "rejects": _channel(subjects.reject("COMMAND"), "Refusals without a history, not kept", ["CommandRejected"]),
        "progress": _channel(subjects.progress("ID", "STEP"), "Progress of a pull, not kept", ["PullProgress"]),
        "models": _channel(
            f"$KV.{topology.models}.ID", f"Key-value bucket {topology.models}, kept by agents", ["Model"]
        ),
    }
    channels["events"]["parameters"]["event_type"]["enum"] = _names(STATE_EVENTS)
    for name, subject in zip(
        _COMMANDS, (subjects.execute("POOL", "ID"), subjects.cancel("ID"), subjects.stop("ID")), strict=True
    ):
        channels[name] = _channel(
            subject, f"Command, in the work queue {topology.commands}", [_COMMANDS[name].__name__]
        )
    for name, (question, _) in _QUESTIONS.items():
        asked = f"{name.capitalize()}Question"
        text = f"Question to the micro service {service.NAME}"
        channels[name] = _channel(f"{DEFAULT_ROOT}.{name}", text, [asked])
        channels[f"{name}_reply"] = {
            "address": None,
            "description": "The inbox that the question names",
            "messages": {answer: _message(answer) for answer in (f"{name.capitalize()}Answer", "ServiceError")},
        }
        assert question is None or question.__name__ in _structs(), question
    return channels


def _channel(subject: str, description: str, messages: list[str]) -> dict[str, Any]:
    names = {"ID": "pipeline_id", "TYPE": "event_type", "STEP": "step_id", "POOL": "pool", "COMMAND": "command"}
    address = ".".join(f"{{{names[part]}}}" if part in names else part for part in subject.split("."))
    channel: dict[str, Any] = {
        "address": address,
        "description": description,
        "messages": {name: _message(name) for name in messages},
    }
    if used := re.findall(r"\{(\w+)\}", address):
        channel["parameters"] = {name: {"description": _PARAMETERS[name]} for name in used}
    return channel


def _names(structs: Iterable[type]) -> list[str]:
    return [cls.__name__ for cls in structs]


def _message(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/messages/{name}"}


def _operations() -> dict[str, Any]:
    sent = {"events": "sendEvents", "logs": "sendLogs", "rejects": "sendRejects", "progress": "sendProgress"}
    operations: dict[str, Any] = {
        name: {"action": "send", "channel": {"$ref": f"#/channels/{channel}"}}
        for channel, name in {**sent, "models": "sendModels"}.items()
    }
    for name in _COMMANDS:
        operations[name] = {"action": "receive", "channel": {"$ref": f"#/channels/{name}"}}
    for name in _QUESTIONS:
        operations[name] = {
            "action": "receive",
            "channel": {"$ref": f"#/channels/{name}"},
            "reply": {"channel": {"$ref": f"#/channels/{name}_reply"}},
        }
    return operations


# --- messages --------------------------------------------------------------------------------


def _messages() -> dict[str, Any]:
    messages: dict[str, Any] = {cls.__name__: _event(cls) for cls in (*STATE_EVENTS, *LOG_EVENTS)}
    for cls in _COMMANDS.values():
        messages[cls.__name__] = {
            **_described(cls, {"$ref": _SCHEMAS + cls.__name__}),
            "headers": _text_headers("Nats-Msg-Id", "The command's id: published again, it is the same command"),
        }
    messages["PullProgress"] = _described(PullProgress, {"$ref": f"{_SCHEMAS}PullProgress"})
    messages["Model"] = {"name": "Model", "contentType": CONTENT_TYPE, "payload": _MODEL}
    for name, (question, answer) in _QUESTIONS.items():
        asked: dict[str, Any] = {"$ref": _SCHEMAS + question.__name__} if question else {"maxLength": 0}
        for kind, payload in (("Question", asked), ("Answer", {"$ref": _SCHEMAS + answer.__name__})):
            title = f"{name.capitalize()}{kind}"
            messages[title] = {"name": title, "contentType": CONTENT_TYPE, "payload": payload}
    messages["ServiceError"] = {
        "name": "ServiceError",
        "summary": "An answer without payload: 400 bad request, 404 not found, 413 too large, 503 unavailable",
        "headers": {
            "type": "object",
            "properties": {
                "Nats-Service-Error-Code": {"type": "string", "enum": ["400", "404", "413", "500", "503"]},
                "Nats-Service-Error": {"type": "string", "description": "Why, in one line"},
            },
            "required": ["Nats-Service-Error-Code", "Nats-Service-Error"],
        },
    }
    return dict(sorted(messages.items()))


def _described(cls: type[msgspec.Struct], payload: dict[str, Any]) -> dict[str, Any]:
    text = summary(cls).split("\n\n")[0]
    return {"name": cls.__name__, "summary": text, "contentType": CONTENT_TYPE, "payload": payload}


def _text_headers(name: str, description: str) -> dict[str, Any]:
    return {"type": "object", "properties": {name: {"type": "string", "description": description}}, "required": [name]}


def _event(cls: type[msgspec.Struct]) -> dict[str, Any]:
    """One event in its envelope."""
    name = cls.__name__
    exact = {
        "type": {"const": f"{TYPE_PREFIX}{name}.v{CURRENT[name]}"},
        "data": {"$ref": _SCHEMAS + name},
    }
    place: dict[str, Any] = {"not": {"anyOf": [{"required": ["pipelineseq"]}, {"required": ["prevhash"]}]}}
    if cls in STATE_EVENTS:  # of a command that belongs to no history there is a refusal without a place in one
        place = {} if cls is CommandRejected else {"required": ["pipelineseq"]}
    payload = {"allOf": [{"$ref": f"{_SCHEMAS}Envelope"}, {"type": "object", "properties": exact, **place}]}
    return _described(cls, payload)


# --- schemas ---------------------------------------------------------------------------------


def _structs() -> dict[str, type[msgspec.Struct]]:
    found: list[type[msgspec.Struct]] = [REGISTRY[name, number] for name, number in CURRENT.items()]
    found += _COMMANDS.values()
    found += (cls for pair in _QUESTIONS.values() for cls in pair if cls is not None)
    found.append(PullProgress)
    return {cls.__name__: cls for cls in found}


def _schemas() -> dict[str, Any]:
    _, found = msgspec.json.schema_components(list(_structs().values()), ref_template=_SCHEMAS + "{name}")
    schemas = {name: _draft7(schema) for name, schema in found.items()}
    schemas["Envelope"] = _envelope()
    return dict(sorted(schemas.items()))


def _envelope() -> dict[str, Any]:
    """The attributes of every event: CloudEvents 1.0."""
    _, found = msgspec.json.schema_components([Envelope], ref_template=_SCHEMAS + "{name}")
    properties = found["Envelope"]["properties"]
    for name, text in ATTRIBUTES.items():
        properties[name] = {**_filled(properties[name]), "description": text.replace("`", "")}
    properties["specversion"]["const"] = SPECVERSION
    properties["subject"]["pattern"] = f"^{ID_PATTERN}$"
    properties["prevhash"]["pattern"] = "^[0-9a-f]{64}$"
    properties["pipelineseq"]["minimum"] = 1
    return {"type": "object", "properties": properties, "required": found["Envelope"]["required"]}


def _filled(schema: dict[str, Any]) -> dict[str, Any]:
    """An attribute that is there: what may be absent is never null."""
    for option in schema.get("anyOf", ()):
        if option != {"type": "null"}:
            return dict(option)
    return {key: value for key, value in schema.items() if key != "default"}


def _draft7(schema: Any) -> Any:
    """The same in the words of draft-07: a tuple is an ``items`` that is a list. Descriptions in one line."""
    if isinstance(schema, list):
        return [_draft7(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: _draft7(value) for key, value in schema.items()}
    if "prefixItems" in made:
        made["items"] = made.pop("prefixItems")
        made["additionalItems"] = False
    if isinstance(made.get("description"), str):
        made["description"] = re.sub(r"\s+", " ", made["description"]).replace("``", "`")
    return made


DOCUMENTS = {"reference/asyncapi.json": document}
