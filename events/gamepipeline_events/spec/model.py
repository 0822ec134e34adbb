"""A pipeline as a person writes it: the structs behind the file, the commands and the JSON Schema.

``GamePipeline`` is the whole document. Nothing here is resolved: see ``resolved.py`` for what the
engine runs, ``check.py`` for the way there.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta

from gamepipeline_events.spec.compose import Container
from gamepipeline_events.spec.terms import Duration, Id, Name, Port, Text, Wait, Written

MAX_STEPS = 1000
MAX_COMBINATIONS = 256
"""Steps that one matrix may make."""

RETRY_CAUSES = (
    "exit_nonzero",
    "oom_killed",
    "signal",
    "killed_external",
    "command_not_found",
    "not_executable",
    "step_timeout",
    "ready_timeout",
    "concurrency_full",
)
"""Causes that ``retry.on`` may add: what can go differently the next time, and is not a system error."""


class Retry(Written, frozen=True, kw_only=True):
    """When a failed step is tried again."""

    limit: Annotated[int, Meta(ge=0, le=100, description="Retries: 2 means three attempts")] = 0
    backoff: Annotated[Wait, Meta(description="Wait before the first retry")] = "1s"
    factor: Annotated[float, Meta(ge=1, le=10, description="Each wait is longer by this")] = 2.0
    max_backoff: Annotated[Wait, Meta(description="No wait is longer")] = "1m"
    on_exit: list[Annotated[int, Meta(ge=1, le=255)]] | None = None
    on: list[Annotated[str, Meta(extra={"format": "cause"})]] | None = None


class HttpProbe(Written, frozen=True, kw_only=True):
    """Ready when a GET answers; ``status`` absent: any from 200 to 399."""

    port: Port
    path: Annotated[str, Meta(extra={"format": "url_path"})] = "/"
    status: Annotated[int, Meta(ge=100, le=599)] | None = None


class TcpProbe(Written, frozen=True, kw_only=True):
    """Ready when a connection is accepted."""

    port: Port


class Ready(Written, frozen=True, kw_only=True):
    """How a service shows that it is ready: one of the six ways, and how long to try."""

    http: HttpProbe | None = None
    tcp: TcpProbe | None = None
    log: Annotated[str, Meta(extra={"format": "regex"}, description="A line matches this")] | None = None
    exec: Annotated[list[str], Meta(min_length=1)] | None = None
    healthcheck: bool = False
    running: Wait | None = None
    timeout: Annotated[Duration, Meta(description="From the container's start; default 60s")] = "60s"
    interval: Annotated[Duration, Meta(description="Between two probes; default 1s")] = "1s"
    retries: Annotated[int, Meta(ge=0, le=100_000)] = 0


class Concurrency(Written, frozen=True, kw_only=True):
    """A place in a group that is shared by all pipelines and nodes."""

    group: Id
    limit: Annotated[int, Meta(ge=1, le=1000)] = 1
    on_full: Literal["wait", "reject", "cancel_oldest"] = "wait"


_Scalar = Annotated[str, Meta(max_length=256)] | int | float | bool
_Single: dict[str, Any] = {"type": ["string", "number", "boolean"]}
_Entry: dict[str, Any] = {"type": "object", "minProperties": 1, "additionalProperties": _Single}
_Entries: dict[str, Any] = {"type": "array", "minItems": 1, "maxItems": MAX_COMBINATIONS, "items": _Entry}
_Axis = Annotated[
    list[_Scalar | dict[Name, _Scalar]],
    Meta(min_length=1, max_length=MAX_COMBINATIONS, extra_json_schema={"allOf": [{"items": _Single}]}),
]
Matrix = Annotated[
    dict[Name, _Axis], Meta(extra_json_schema={"properties": {"include": _Entries, "exclude": _Entries}})
]
"""Axis → its values; ``include`` and ``exclude`` → mappings of axis (or any name) to value."""


class Step(Written, frozen=True, kw_only=True):
    """One container to run, or one service to start."""

    name: Text
    id: Id | None = None
    type: Literal["", "container", "service"] = "container"
    needs: Annotated[list[str], Meta(description="Ids or names of steps to wait for")] | None = None
    depends_on: Annotated[list[str], Meta(description="The same as needs")] | None = None
    when: Literal["on_success", "on_failure", "always"] = "on_success"
    failure: Literal["fail", "ignore"] = "fail"
    timeout: Duration | None = None
    retry: Retry | None = None
    matrix: Matrix | None = None
    concurrency: Concurrency | None = None
    container: Container
    ready: Ready | None = None
    lifetime: Literal["detached", "pipeline"] | None = None


class ParameterSpec(Written, frozen=True, kw_only=True):
    """A run-time argument in the map form of ``args``."""

    default: str | int | float | bool | None = None
    description: str | None = None
    enum: Annotated[list[str | int | float | bool], Meta(min_length=1, max_length=1000)] | None = None
    pattern: Annotated[str, Meta(extra={"format": "pattern"}, description="The whole value matches this")] | None = None
    required: bool | None = None


class GamePipeline(Written, frozen=True, kw_only=True):
    """A pipeline document."""

    name: Annotated[Text, Meta(description="Any text")]
    id: Annotated[Id, Meta(description="Default: a new ULID, in lower case")] | None = None
    model: Annotated[str | int, Meta(description="A label of your own")] | None = None
    description: str | None = None
    envs: Annotated[list[Name], Meta(description="Variables of the node the steps may use")] | None = None
    args: list[Name] | dict[Name, ParameterSpec | None] | None = None
    secrets: Annotated[list[Name], Meta(description="Variables of the node that are never shown")] | None = None
    pool: Annotated[Id, Meta(description="A pool or a node")] = "default"
    timeout: Annotated[Duration, Meta(description="From the start of the pipeline; default 24h")] = "24h"
    max_parallel: Annotated[int, Meta(ge=1, le=1000)] = 4
    fail_fast: bool = False
    concurrency: Concurrency | None = None
    on_node_lost: Literal["fail", "wait", "restart"] = "fail"
    steps: Annotated[list[Step], Meta(min_length=1, max_length=MAX_STEPS)]
