"""The AsyncAPI document: valid by the official schema, and true of the messages there are."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from gamepipeline_events import CURRENT, Cancel, Execute, Stop, Subjects
from gamepipeline_projections import models, replay
from gamepipeline_projections.agent.index import Index, Query

ROOT = Path(__file__).parents[3]
DOCUMENT: dict[str, Any] = json.loads((ROOT / "docs" / "reference" / "asyncapi.json").read_text())
OFFICIAL = ROOT / "tests" / "vendor" / "asyncapi" / "3.0.0-without-id.json"
HISTORIES = sorted((ROOT / "tests" / "history").glob("*.jsonl"))
GOLDEN = sorted((ROOT / "tests" / "unit" / "events" / "golden").glob("*.json"))

PLACES = {"pipeline_id": "p", "step_id": "s", "pool": "default", "event_type": "StepStarted", "command": "cancel"}


@cache
def _validator(message: str) -> jsonschema.Draft7Validator:
    """Of the payload of ``message``; references lead into the whole document."""
    payload = DOCUMENT["components"]["messages"][message]["payload"]
    return jsonschema.Draft7Validator({"components": DOCUMENT["components"], "allOf": [payload]})


def _check(payload: bytes) -> str:
    """Validate an event by the message of its type; the name of that."""
    event = json.loads(payload)
    name = str(event["type"].split(".")[1])
    _validator(name).validate(event)
    return name


def test_it_is_valid_asyncapi() -> None:
    """By the schema that the AsyncAPI initiative publishes; a wrong document is not."""
    official = jsonschema.Draft7Validator(json.loads(OFFICIAL.read_text()))
    official.validate(DOCUMENT)
    for wrong in ({"asyncapi": "2.6.0"}, {"channels": {"x": {"adress": "x"}}}, {"operations": {"x": {"action": "do"}}}):
        assert not official.is_valid({**DOCUMENT, **wrong})


def test_every_reference_leads_somewhere() -> None:
    """Channels, messages and schemas."""

    def references(part: Any) -> list[str]:
        if isinstance(part, dict):
            own = [part["$ref"]] if isinstance(part.get("$ref"), str) else []
            return own + [one for value in part.values() for one in references(value)]
        return [one for value in part for one in references(value)] if isinstance(part, list) else []

    found = references(DOCUMENT)
    assert len(found) > 100
    for reference in found:
        place: Any = DOCUMENT
        for key in reference.removeprefix("#/").split("/"):
            place = place[key]


def test_every_event_and_command_is_in_it() -> None:
    """With the subject that the code builds."""
    channels = DOCUMENT["channels"]
    assert {*channels["events"]["messages"], *channels["logs"]["messages"]} == set(CURRENT)
    subjects = Subjects()
    filled = {name: (channel["address"] or "").format_map(PLACES) for name, channel in channels.items()}
    assert filled["events"] == subjects.event("p", "StepStarted")
    assert filled["logs"] == subjects.log("p", "s")
    assert filled["execute"] == subjects.execute("default", "p")
    assert filled["cancel"] == subjects.cancel("p")
    assert filled["stop"] == subjects.stop("p")
    assert filled["rejects"] == subjects.reject("cancel")
    assert filled["progress"] == subjects.progress("p", "s")


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_the_golden_events_are_as_it_says(path: Path) -> None:
    """One of each type there is."""
    assert _check(path.read_bytes()) == path.name.split(".")[0]


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)
def test_recorded_histories_are_as_it_says(path: Path) -> None:
    """Events that engines wrote on real runs, and the models and lines they come to."""
    payloads = path.read_bytes().splitlines()
    assert {_check(payload) for payload in payloads}
    status = replay(payloads)
    model = models.GamePipeline(spec={"name": "x"}, status=status)
    _validator("Model").validate(json.loads(model.encode()))
    _validator("StatusAnswer").validate(msgspec.to_builtins(status))
    index = Index()
    index.put(status)
    _validator("ListAnswer").validate(msgspec.to_builtins(index.page(Query())))


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"type": "gamepipeline.StepCompleted.v2"}, "type"),
        ({"pipelineseq": 0}, "pipelineseq"),
        ({"specversion": "0.3"}, "specversion"),
        ({"prevhash": "ABC"}, "prevhash"),
        ({"subject": "a b"}, "subject"),
        ({"data": {"step": "s"}}, "data"),
        ({"epoch": "one"}, "epoch"),
    ],
)
def test_an_event_that_is_not_so_is_found(change: dict[str, Any], where: str) -> None:
    """The schemas are no formality."""
    good = json.loads((ROOT / "tests/unit/events/golden/StepCompleted.v1.json").read_bytes())
    validator = _validator("StepCompleted")
    assert validator.is_valid(good)
    errors = list(validator.iter_errors({**good, **change}))
    assert {error.absolute_path[0] for error in errors} == {where}
    assert not validator.is_valid({key: value for key, value in good.items() if key != "pipelineseq"})


def test_commands_are_as_it_says() -> None:
    """As the structs encode them; an unknown key is an error here and in the engine."""
    examples = {
        "Execute": Execute(id="01KAQ3GHVR3C6E8G0T2A4S6D8F", pipeline={"name": "x"}, args={"PORT": 1}),
        "Cancel": Cancel(id="01KAQ3GHVR3C6E8G0T2A4S6D8F", reason="enough"),
        "Stop": Stop(id="01KAQ3GHVR3C6E8G0T2A4S6D8F", step=None),
    }
    for name, command in examples.items():
        body = msgspec.to_builtins(command)
        _validator(name).validate(body)
        assert not _validator(name).is_valid({**body, "more": 1})
        assert not _validator(name).is_valid({key: value for key, value in body.items() if key != "id"})
