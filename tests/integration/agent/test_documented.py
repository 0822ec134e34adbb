"""The page for people without Python: every example is done, on a server, beside an agent."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from nats.js.errors import APIError

from gamepipeline_engine.broker.streams import Topology, provision
from gamepipeline_events import Cancel, Event, Execute, Stop, decode
from gamepipeline_events.subjects import Subjects
from gamepipeline_projections import models
from tests.support.agents import Streams, story
from tests.support.journals import connected
from tests.support.nats import NatsServer

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "without-python.md").read_text()
DOCUMENT: dict[str, Any] = json.loads((ROOT / "docs" / "reference" / "asyncapi.json").read_text())
EXAMPLES = re.findall(r"^<!-- message: (\w+) -->\n```json\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
SHELL = "".join(re.findall(r"^```sh\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)).replace("\\\n", "")
COMMANDS = [shlex.split(line) for line in SHELL.splitlines()]


def _validate(message: str, value: Any) -> None:
    payload = DOCUMENT["components"]["messages"][message]["payload"]
    jsonschema.Draft7Validator({"components": DOCUMENT["components"], "allOf": [payload]}).validate(value)


@pytest.fixture
async def default(own_nats_server: NatsServer) -> AsyncIterator[Streams]:
    """The streams under the name that the page uses."""
    async with connected(own_nats_server.url) as client:
        await provision(client.jetstream(), Topology(), presence=False)
        yield Streams(own_nats_server.url, client, Topology())


def test_every_json_block_is_an_example_of_a_message() -> None:
    """None without its name; each as the AsyncAPI document has it."""
    assert len(EXAMPLES) == PAGE.count("```json")
    assert {"Execute", "Cancel", "Stop", "CommandRejected", "StatusQuestion", "Model"} <= {name for name, _ in EXAMPLES}
    for name, text in EXAMPLES:
        _validate(name, json.loads(text))


def test_the_examples_are_what_the_code_reads() -> None:
    """Not only by the schemas: the engine's own structs, with nothing left over."""
    examples = dict(EXAMPLES)
    for kind in (Execute, Cancel, Stop):
        command = msgspec.json.decode(examples[kind.__name__], type=kind)
        read = msgspec.to_builtins(command)
        assert read | json.loads(examples[kind.__name__]) == read
    rejected = decode(examples["CommandRejected"].encode())
    assert isinstance(rejected, Event)
    assert rejected.seq == 0
    model = models.GamePipeline.decode(examples["Model"].encode())
    assert json.loads(examples["Model"])["status"] | {"waiting_for": None} == msgspec.to_builtins(model.status)


def test_every_subject_is_one_that_the_code_builds() -> None:
    """In the text, in the table and in the commands."""
    addresses = [channel["address"] for channel in DOCUMENT["channels"].values() if channel["address"]]
    patterns = [re.sub(r"\\{\w+\\}", "[^.]+", re.escape(address)) for address in addresses]
    words = [word for command in COMMANDS for word in command[2:]]
    named = re.findall(r"`(gamepipeline\.[^`\s]+)`", PAGE) + words
    subjects = [one for one in named if re.match(r"gamepipeline\.\w+", one)]
    assert len(subjects) > 10
    for subject in subjects:
        assert any(re.fullmatch(pattern, subject) for pattern in patterns), subject


async def test_the_commands_are_stored_as_the_page_says(default: Streams) -> None:
    """The same again within the window is one command; another one for the subject is refused with that error."""
    js = default.client.jetstream()
    published = [one for one in COMMANDS if one[:2] == ["nats", "pub"]]
    assert len(published) == 2
    for command, kind in zip(published, ("Execute", "Cancel"), strict=True):
        header, subject = command[command.index("-H") + 1], command[-2]
        name, _, value = header.partition(":")
        body = dict(EXAMPLES)[kind].encode()
        assert value == json.loads(body)["id"]
        assert Subjects().parse_command(subject).command == kind.lower()
        first = await js.publish(subject, body, headers={name: value})
        again = await js.publish(subject, body, headers={name: value})
        assert (first.duplicate or False, again.duplicate, again.seq) == (False, True, first.seq)
        with pytest.raises(APIError) as caught:
            await js.publish(subject, body, headers={name: "01KAQ3ZZZZZZZZZZZZZZZZZZZZ"})
        assert f"{caught.value.err_code}, `{caught.value.description}`" in " ".join(PAGE.split())


async def test_the_questions_are_answered(default: Streams) -> None:
    """Each request of the page, and what it says of the answers; and the bucket, as its value is described."""
    await default.publish_all(story("match-4711").payloads)
    asked = [one[2:] for one in COMMANDS if one[:2] == ["nats", "request"]]
    assert {subject for subject, _ in asked} == {f"gamepipeline.{name}" for name in ("status", "list", "health")}
    async with default.agent() as agent:
        await agent.kept(default.last)
        for subject, question in asked:
            answer = await default.client.request(subject, question.encode(), timeout=5)
            assert answer.headers is None
            _validate(f"{subject.rpartition('.')[2].capitalize()}Answer", json.loads(answer.data))
        for wrong, code in ((b"{", "400"), (b'{"id":"nobody"}', "404")):
            answer = await default.client.request("gamepipeline.status", wrong, timeout=5)
            assert (answer.headers or {})["Nats-Service-Error-Code"] == code
            assert f"| `{code}` |" in PAGE
    bucket, key = next(one[3:5] for one in COMMANDS if one[:3] == ["nats", "kv", "get"])
    entry = await (await default.client.jetstream().key_value(bucket)).get(key)
    assert entry.value is not None
    value = json.loads(entry.value)
    _validate("Model", value)
    assert (value["id"], value["status"]["status"]) == ("match-4711", "completed")
