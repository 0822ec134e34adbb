"""The vocabulary the written structs share: their base class and the annotated scalar types.

``extra={"format": …}`` names a rule of ``checks/formats.py``; the same annotation carries what the
JSON Schema of the file says. A format is not applied to a text with an expression: its value is
known only when the step runs, and is checked then.
"""

from __future__ import annotations

from typing import Annotated, Any, Self

import msgspec
from msgspec import Meta


class Written(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of everything in a pipeline document as written. Defaults are left out of a document."""

    def document(self) -> dict[str, Any]:
        """The plain JSON document: what a file would hold. Raises TypeError for what is not JSON."""
        document: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(self))
        return document

    def replace(self, **changes: Any) -> Self:
        """A copy with other values."""
        return msgspec.structs.replace(self, **changes)


Id = Annotated[str, Meta(extra={"format": "id"}, extra_json_schema={"pattern": "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"})]
Name = Annotated[str, Meta(extra={"format": "name"}, extra_json_schema={"pattern": "^[A-Za-z_][A-Za-z0-9_]{0,63}$"})]
Text = Annotated[str, Meta(min_length=1, max_length=1024)]

Duration = Annotated[
    str | int | float,
    Meta(
        extra={"format": "duration"},
        description="A duration: 90 (seconds), 500ms, 1m30s, 2h; units us ms s m h d",
    ),
]
Wait = Annotated[
    str | int | float,
    Meta(
        extra={"format": "wait"},
        description="A duration that may be zero: 0, 500ms, 10s; units us ms s m h d",
    ),
]
Bytes = Annotated[
    str | int | float,
    Meta(extra={"format": "bytes"}, description="A size: 512m, 1gb, 1.5g or a number of bytes"),
]
Memory = Annotated[
    str | int | float,
    Meta(extra={"format": "memory"}, description="A size of at least 6m, which is Docker's minimum"),
]
Swap = Annotated[
    str | int | float,
    Meta(extra={"format": "swap"}, description="Memory and swap together; -1 means no limit on swap"),
]
Cpus = Annotated[str | int | float, Meta(extra={"format": "cpus"}, description="Number of CPUs: 0.5, 2")]
Pids = Annotated[str | int, Meta(extra={"format": "pids"}, description="Most processes at once")]
Port = Annotated[int, Meta(ge=1, le=65535)]
PortText = Annotated[str | int, Meta(extra={"format": "port"}, description="A port from 1 to 65535")]
AbsolutePath = Annotated[str, Meta(extra={"format": "absolute_path"})]
Image = Annotated[
    str, Meta(extra={"format": "image"}, description="An image reference: busybox, registry.example/a/b:1.2")
]
Plain = Annotated[str, Meta(min_length=1, max_length=4096)]
Words = str | list[str]
Variables = dict[str, str | int | float | bool | None] | list[str]
