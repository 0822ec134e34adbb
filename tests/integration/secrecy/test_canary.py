"""A secret goes down every path there is, and nothing of it comes out anywhere.

The pipeline passes it through environment and commands, prints it in every form, hands it on as an
output, names an image after it, is refused by a registry that repeats the password, fails while its
templates are filled in, breaks the engine with an exception that quotes it, and is canceled for a
reason that holds it. Then all that was said and stored is searched.

Seen to fail without ``masked`` in the Writer, in the Desk, without the processor of the log, without
``learn`` of the registry's password, and without the mask of the command's reason.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import secrets
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import nats
import pytest
from aiohttp import web
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig, RetentionPolicy

from gamepipeline_engine.containers.docker.secret_files import memory_folder
from gamepipeline_engine.redaction.forms import forms
from gamepipeline_events import ErrorLog, Event, StepFailed, StepLog, decode
from gamepipeline_projections.snapshots import decode_snapshot
from gamepipeline_projections.state_codec import encode_state
from tests.support.containers import docker
from tests.support.home import Home, home_in
from tests.support.images import BUSYBOX
from tests.support.nats import NatsServer
from tests.support.registry import Registry, running_registry

pytestmark = [pytest.mark.docker, pytest.mark.timeout(240)]

DRIVER = """
import sys
from gamepipeline_engine.runner import preparing

build = preparing.build

def broken(step, context):
    if step.id == "boom" and context.attempt == 1:
        raise RuntimeError("it holds " + context.secrets["CANARY_KEY"])
    return build(step, context)

preparing.build = broken
from gamepipeline_engine.cli.app import run
sys.exit(run())
"""


class Canary:
    """A value with line ends, quotes and characters of other alphabets. ``traces``: what must not be found."""

    def __init__(self) -> None:
        words = [secrets.token_hex(12) for _ in range(3)]
        self.value = f"{words[0]}\"'\n{words[1]}ü€{words[2]}"
        self.traces = {word.encode() for word in words} | {form for form in forms(self.value) if len(form) >= 12}

    def found_in(self, data: bytes) -> list[bytes]:
        """The traces in ``data``."""
        return [trace for trace in self.traces if trace in data]


class TellingRegistry(Registry):
    """One that repeats in its refusal what it was sent."""

    async def _get_manifest(self, request: web.Request) -> web.Response:
        self.asked += 1
        sent = base64.b64decode(request.headers.get("Authorization", "").removeprefix("Basic ")).decode()
        errors = {"errors": [{"code": "DENIED", "message": f"who is {sent}?"}]}
        return web.json_response(errors, status=403)


def pipeline(registry: str) -> dict[str, Any]:
    """Every step leads the secret somewhere else."""

    def does(name: str, *commands: str, **more: Any) -> dict[str, Any]:
        return {"name": name, "failure": "ignore", "container": {"image": BUSYBOX, "commands": [*commands], **more}}

    environment = {"A": "${{ secrets.CANARY_KEY }}", "B": "x${{ envs.OTHER_KEY }}y"}
    return {
        "name": "canary",
        "secrets": ["CANARY_KEY"],
        "envs": ["OTHER_KEY"],
        "steps": [
            does("env", 'echo "$A"', 'echo "$B" >&2', "env", "env | sort", "exit 3", environment=environment),
            does(
                "forms",
                "echo ${{ secrets.CANARY_KEY }} | head -n 1",
                "printf %s ${{ secrets.CANARY_KEY }} | base64",
                "printf user:%s ${{ secrets.CANARY_KEY }} | base64 -w 0",
                "printf %s ${{ secrets.CANARY_KEY }} | od -An -v -tx1 | tr -d ' \\n'",
                "cat encoded",
            ),
            does(
                "split",
                'printf %s "${A%????????}"',
                "sleep 0.5",
                'printf %s "${A#"${A%????????}"}"; echo',
                environment=environment,
            ),
            does(
                "out",
                'echo "tag=$A" >> $GAMEPIPELINE_OUTPUT',
                'echo "$A=1" >> $GAMEPIPELINE_OUTPUT',
                environment=environment,
            ),
            {
                "name": "named",
                "failure": "ignore",
                "container": {"image": f"{BUSYBOX}${{{{ steps.out.outputs.tag }}}}"},
            },
            does("template", "true", user="${{ envs.OTHER_KEY }}"),
            {"name": "pull", "failure": "ignore", "container": {"image": registry, "environment": environment}},
            {
                "name": "start",
                "failure": "ignore",
                "container": {"image": BUSYBOX, "entrypoint": ["/no"], "environment": environment},
            },
            does("boom", "true"),
            does(
                "made",
                'echo "::add-mask::$(cat made)"',
                "cat made",
                "sleep 1",  # Docker keeps no order between the streams: the docs say so
                "cat made >&2",
                "base64 made",
                'echo "tag=$(cat made)" >> $GAMEPIPELINE_OUTPUT',
                "exit 3",
            ),
            does(
                "file",
                "cat /run/secrets/canary",
                "if echo x >> /run/secrets/canary; then exit 1; fi",
                secrets=[{"name": "CANARY_KEY", "file": "/run/secrets/canary"}],
            ),
            does("long", "echo ${{ secrets.CANARY_KEY }}", "sleep 300", environment=environment),
        ],
    }


@pytest.fixture
async def registry() -> AsyncIterator[TellingRegistry]:
    """On loopback."""
    async with running_registry(TellingRegistry()) as found:
        assert isinstance(found, TellingRegistry)
        yield found


async def test_nothing_of_a_secret_comes_out(
    tmp_path: Path, own_nats_server: NatsServer, registry: TellingRegistry
) -> None:
    """Not in the store, by file or by message, nor in a log, on a terminal, or in a command or label of Docker."""
    canary, password = Canary(), Canary()
    encoded = base64.b64encode(f"robot:{password.value}".encode()).decode()
    docker_config = {"auths": {f"127.0.0.1:{registry.port}": {"auth": encoded}}}
    registry.login = ("robot", password.value)
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker" / "config.json").write_text(json.dumps(docker_config))
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "encoded").write_text(quote(canary.value) + "\n" + json.dumps({"a": canary.value}) + "\n")
    made = Canary().value.split("\n")[0]
    (tmp_path / "work" / "made").write_text(f"{made}\n")
    (tmp_path / "driver.py").write_text(DRIVER)
    (tmp_path / "file.yaml").write_text(json.dumps(pipeline(registry.reference)))
    own = {"CANARY_KEY": canary.value, "OTHER_KEY": canary.value, "NATS_URL": own_nats_server.url}
    with home_in(tmp_path, **own, DOCKER_CONFIG=str(tmp_path / "docker")) as home:
        pipeline_id = f"canary-{secrets.token_hex(4)}"
        async with heard(own_nats_server.url) as wire:
            said, inspected = await run(home, pipeline_id, canary)
        refused = home.run("gamepipeline", "submit", with_argument(tmp_path), "--arg", f"A={canary.value}")
        messages = await everything(own_nats_server.url)
        logs = [path.read_bytes() for path in (tmp_path / "state").rglob("*") if path.is_file()]
        store = [path.read_bytes() for path in own_nats_server.folder.rglob("*") if path.is_file()]
    folder = memory_folder()
    assert folder is not None
    assert [path for path in folder.rglob("*") if pipeline_id in path.name] == []
    assert refused[0] == 2
    assert "GP304" in refused[2]
    the_paths_were_gone([decode(one.data) for one in messages if f".{pipeline_id}." in one.subject])
    assert registry.asked
    assert any(b"action failed" in log and b"***" in log for log in logs)
    assert any(b"no ***" in one for one in wire)
    texts = [said, inspected, *wire, "".join(refused[1:]).encode(), *logs, *store]
    texts += [f"{one.subject}\n{one.headers}\n".encode() + one.data for one in messages]
    kept = [one.data for one in messages if one.subject == f"$KV.gamepipeline_snapshots.{pipeline_id}"]
    assert kept
    texts += [encode_state(decode_snapshot(one, realm=None, pipeline_id=pipeline_id).state) for one in kept]
    for text in texts:
        for one in (canary, password):
            assert one.found_in(text) == [], text[:2000]
        assert made.encode() not in text
        assert base64.b64encode(made.encode()).rstrip(b"=") not in text


def test_the_search_finds() -> None:
    """What the test relies on: a trace is found in any of the forms."""
    canary = Canary()
    for text in (canary.value, json.dumps(canary.value), quote(canary.value), repr(canary.value.encode())):
        assert canary.found_in(text.encode())
    assert canary.found_in(base64.b64encode(b"user:" + canary.value.encode()))


async def run(home: Home, pipeline_id: str, canary: Canary) -> tuple[bytes, bytes]:
    """Run it until its last step runs, look at that container, cancel; what was said, and what Docker shows."""
    command = ["run", "file.yaml", "--id", pipeline_id, "--workspace", "work", "-o", "json"]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "driver.py",
        *command,
        cwd=home.folder,
        env={**home.env},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    reading = asyncio.gather(process.communicate())
    try:
        name = f"gp-{pipeline_id}.long.1"
        inspected = ""
        while '"Running": true' not in inspected:
            assert process.returncode is None, (await reading)[0]
            await asyncio.sleep(0.2)
            inspected = await docker("inspect", name, check=False)
        asked = await asyncio.to_thread(
            home.run, "gamepipeline", "cancel", pipeline_id, "--reason", f"no {canary.value}"
        )
        assert asked[0] == 0
        ((out, err),) = await reading
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
            await reading
    assert json.loads(out)["status"] == "canceled"
    assert json.loads(out)["reason"] == "no ***"
    (view,) = json.loads(inspected)
    view["Config"].pop("Env")  # there it is, for whoever may ask Docker: the docs say so
    return out + err + "".join(asked[1:]).encode(), json.dumps(view, ensure_ascii=False).encode()


def with_argument(folder: Path) -> Path:
    """A file that takes an argument."""
    path = folder / "argument.yaml"
    step = {"name": "a", "container": {"image": BUSYBOX, "commands": ["echo ${{ args.A }}"]}}
    path.write_text(json.dumps({"name": "x", "secrets": ["CANARY_KEY"], "args": ["A"], "steps": [step]}))
    return path


@contextlib.asynccontextmanager
async def heard(url: str) -> AsyncIterator[list[bytes]]:
    """What is published meanwhile; a command is gone from its stream once it is carried out."""
    wire: list[bytes] = []

    async def hear(message: Msg) -> None:
        wire.append(message.data)

    client = await nats.connect(url)
    try:
        await client.subscribe("gamepipeline.>", cb=hear)
        yield wire
    finally:
        await client.drain()


class Stored(NamedTuple):
    """One message of a stream."""

    subject: str
    headers: str
    data: bytes


async def everything(url: str) -> list[Stored]:
    """Every message of every stream, of the buckets too: the store packs them, so its files do not show all."""
    found: list[Stored] = []
    client = await nats.connect(url)
    try:
        js = client.jetstream()
        for stream in await js.streams_info():
            if stream.config.retention == RetentionPolicy.WORK_QUEUE:
                assert not stream.state.messages  # all commands are carried out
                continue
            config = ConsumerConfig(ack_policy=AckPolicy.NONE)
            subscription = await js.pull_subscribe("", stream=stream.config.name, config=config)
            for _ in range(stream.state.messages):
                (message,) = await subscription.fetch(1, timeout=5)
                found.append(Stored(message.subject, repr(message.headers), message.data))
    finally:
        await client.close()
    return found


def the_paths_were_gone(events: list[Event]) -> None:
    """The secret did come along where the test wants it: else silence would prove nothing."""
    causes = {event.data.step: event.data.cause for event in events if isinstance(event.data, StepFailed)}
    assert causes.keys() >= {"env", "named", "template", "pull", "start", "boom"}
    assert "file" not in causes
    assert causes["template"] == "template_error"
    assert causes["boom"] == "engine_error"
    errors = "\n".join(event.data.message for event in events if isinstance(event.data, ErrorLog))
    assert "it holds ***" in errors
    assert "who is robot:***?" in errors
    lines = [line for event in events if isinstance(event.data, StepLog) for line in event.data.lines]
    assert sum("***" in text for _, _, text in lines) >= 8
