"""Realistic histories in any number: recorded by a real engine, or told in a line, each copied under new ids.

The copies are real: ids are new, hashes are those of the bytes, so that the fold checks what it
always checks. Several pipelines run at the same time, as on a node: their events interleave.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path

from gamepipeline_events import decode, payload_hash
from tests.support.histories import Story, pipeline, step

_FOLDER = Path(__file__).parents[2] / "history"
_SIDE_BY_SIDE = 64
_ULID = re.compile(rb'"(id|causationid|command_id)":"([0-9A-Z]{10})[0-9A-Z]{6}([0-9A-Z]{10})"')
_TAIL, _HASH = b"\x01", b"\x02"
"""Stand in a template for the six letters that are a pipeline's own, and for the hash before."""

Template = list[tuple[str, bytes]]
"""Event type and payload with marks, in order."""


def histories(count: int, *, seed: int = 1) -> Iterator[tuple[str, str, bytes]]:
    """Pipeline id, event type and payload of every event of ``count`` pipelines, about five of each."""
    dice = random.Random(seed)
    made, weights = _templates()
    names = sorted(made)
    running: list[Iterator[tuple[str, str, bytes]]] = []
    begun = 0
    while running or begun < count:
        while begun < count and len(running) < _SIDE_BY_SIDE:
            name = dice.choices(names, [weights[one] for one in names])[0]
            running.append(_copy(name, made[name], begun))
            begun += 1
        one = dice.randrange(len(running))
        event = next(running[one], None)
        if event is None:
            running[one] = running[-1]
            running.pop()
        else:
            yield event


def _copy(name: str, template: Template, number: int) -> Iterator[tuple[str, str, bytes]]:
    tail = b"%06X" % number
    pipeline_id = f"{name}-{tail.decode()}"
    before = b""
    for event_type, marked in template:
        payload = marked.replace(_TAIL, tail).replace(_HASH, before)
        before = payload_hash(payload).encode()
        yield pipeline_id, event_type, payload


def _templates() -> tuple[dict[str, Template], dict[str, float]]:
    """By name: what most runs of a fleet are, and how often each is."""
    one = Story(pipeline(step("build"))).started().completed("build").pipeline_completed().payloads
    waiting = Story(pipeline(step("build"))).pipeline_queued("gpu").payloads
    told: dict[str, tuple[list[bytes], float]] = {
        "build": (one, 0.52),
        "running": (one[:4], 0.11),
        "waiting": (waiting, 0.10),
        "invalid": (_recorded("34_rejected"), 0.15),
        "noimage": (_recorded("20_image_not_found"), 0.05),
        "service": (_recorded("25_service_running"), 0.02),
        "retried": (_recorded("11_retry_then_success"), 0.03),
        "graph": (_recorded("02_graph"), 0.02),
    }
    return (
        {name: _marked(name, payloads) for name, (payloads, _) in told.items()},
        {name: weight for name, (_, weight) in told.items()},
    )


def _recorded(name: str) -> list[bytes]:
    return (_FOLDER / f"{name}.jsonl").read_bytes().splitlines()


def _marked(name: str, payloads: list[bytes]) -> Template:
    template: Template = []
    for payload in payloads:
        event = decode(payload)
        marked = payload.replace(b'"%s"' % event.pipeline_id.encode(), b'"%s-%s"' % (name.encode(), _TAIL))
        marked = marked.replace(f"gp-{event.pipeline_id}.".encode(), b"gp-%s-%s." % (name.encode(), _TAIL))
        marked = _ULID.sub(rb'"\1":"\2' + _TAIL + rb'\3"', marked)
        if event.prev_hash:
            marked = marked.replace(event.prev_hash.encode(), _HASH)
        template.append((event.name, marked))
    return template
