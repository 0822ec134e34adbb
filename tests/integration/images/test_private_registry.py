"""A real registry that asks for a password: every way to a login, and an image whose tag moves."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from gamepipeline_engine.config import Config, parse_config
from gamepipeline_events import ErrorLog, ImagePulled, StepFailed, StepStarted, encode
from tests.support.containers import docker
from tests.support.engine_on_docker import EngineOnDocker, engine_on_docker
from tests.support.histories import pipeline, step
from tests.support.nats import NatsServer
from tests.support.private_registry import PASSWORD, USERNAME, PrivateRegistry, needs_registry, private_registry

pytestmark = [pytest.mark.docker, pytest.mark.timeout(180), needs_registry]


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PrivateRegistry]:
    """One of this test's own; the engine has no login unless the test gives it one."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with private_registry(tmp_path / "registry") as found:
        monkeypatch.setenv("DOCKER_CONFIG", str(found.stranger))
        yield found


def helper(folder: Path, said: str) -> None:
    """A credential helper ``docker-credential-test`` that says so whatever it is asked."""
    folder.mkdir(exist_ok=True)
    program = folder / "docker-credential-test"
    program.write_text(f"#!/bin/sh\ncat > /dev/null\necho '{said}'\n")
    program.chmod(0o755)


def ways(registry: PrivateRegistry, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Config]:
    """Every way to the login, as the configuration of an engine; two of them are in the environment."""
    (folder / "password").write_text(f"{PASSWORD}\n")
    monkeypatch.setenv("REGISTRY_PASSWORD", PASSWORD)
    helper(folder / "bin", json.dumps({"Username": USERNAME, "Secret": PASSWORD}))
    monkeypatch.setenv("PATH", f"{folder / 'bin'}:/usr/local/bin:/usr/bin:/bin")
    login = f'[registries."{registry.host}"]\n'
    return {
        "password_file": parse_config(f'{login}username = "{USERNAME}"\npassword_file = "{folder / "password"}"'),
        "password_env": parse_config(f'{login}username = "{USERNAME}"\npassword_env = "REGISTRY_PASSWORD"'),
        "helper": parse_config(f'{login}helper = "test"'),
        "docker login": Config(),
        "credHelpers": Config(),
    }


async def run(engine: EngineOnDocker, image: str, **more: object) -> tuple[str, str]:
    """A pipeline of one step with that image: its id, and how it ended."""
    name = f"private-{secrets.token_hex(4)}"
    await engine.submit(pipeline(step("a", container={"image": image, "commands": ["true"]}, **more)), name, {})
    return name, (await engine.wait(name)).status


async def test_every_way_to_a_login(
    registry: PrivateRegistry, own_nats_server: NatsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each one pulls the image, whose digest is on record; the password is nowhere in what was stored."""
    image, digest = await registry.push("games/x:1", "one")
    credential_helper = tmp_path / "credential-helper"
    credential_helper.mkdir()
    (credential_helper / "config.json").write_text(json.dumps({"credHelpers": {registry.host: "test"}}))
    settings = {"docker login": registry.login, "credHelpers": credential_helper}
    for way, config in ways(registry, tmp_path, monkeypatch).items():
        monkeypatch.setenv("DOCKER_CONFIG", str(settings.get(way, registry.stranger)))
        async with asyncio.timeout(60), engine_on_docker(own_nats_server.url, config=config) as engine:
            name, status = await run(engine, image)
            assert status == "completed", way
            events = await engine.events(name)
            stored = b"".join(map(encode, [*events, *await engine.log_events(name)]))
        await docker("rmi", "-f", image, check=False)
        digests = [one.data.digest for one in events if isinstance(one.data, ImagePulled)]
        digests += [one.data.image_digest for one in events if isinstance(one.data, StepStarted)]
        assert digests == [digest, digest], way
        assert PASSWORD.encode() not in stored, way


async def test_without_a_login(registry: PrivateRegistry, own_nats_server: NatsServer, tmp_path: Path) -> None:
    """Nobody, a wrong password, a login that cannot be had: each says what to mend; no such image is another cause."""
    image, _ = await registry.push("games/x:1", "one")
    (tmp_path / "wrong").write_text("canary-4712")
    login = f'[registries."{registry.host}"]\nusername = "{USERNAME}"\n'
    cases = {
        "nobody": (Config(), image, "image_auth", "no basic auth credentials"),
        "wrong": (parse_config(f'{login}password_file = "{tmp_path}/wrong"'), image, "image_auth", ""),
        "unset": (
            parse_config(f'{login}password_env = "REGISTRY_PASSWORD_UNSET"'),
            image,
            "image_auth",
            "(and nobody was logged in: the variable REGISTRY_PASSWORD_UNSET with the password",
        ),
    }
    (tmp_path / "right").write_text(PASSWORD)
    right = parse_config(f'{login}password_file = "{tmp_path}/right"')
    cases |= {
        "no such tag": (right, f"{registry.host}/games/x:2", "image_not_found", "manifest unknown"),
        "no such image": (right, f"{registry.host}/games/y:1", "image_not_found", ""),
    }
    for case, (config, reference, cause, words) in cases.items():
        async with asyncio.timeout(60), engine_on_docker(own_nats_server.url, config=config) as engine:
            name, status = await run(engine, reference)
            failed = [one.data for one in await engine.events(name) if isinstance(one.data, StepFailed)]
            logs = [one.data for one in await engine.log_events(name) if isinstance(one.data, ErrorLog)]
        assert (status, [one.cause for one in failed]) == ("failed", [cause]), case
        assert words in logs[0].message, f"{case}: {logs[0].message}"
        assert "canary" not in logs[0].message, case


async def test_a_tag_that_moves_while_a_step_runs(
    registry: PrivateRegistry, own_nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second attempt runs the image of the first, although its tag names another; the next pipeline runs that."""
    monkeypatch.setenv("DOCKER_CONFIG", str(registry.login))
    image, first = await registry.push("games/x:1", "one")
    commands = [
        "if [ $GAMEPIPELINE_ATTEMPT = 1 ]; then until [ -e /workspace/go ]; do sleep 0.1; done; exit 1; fi",
        "echo which=$WHICH >> $GAMEPIPELINE_OUTPUT",
    ]
    container = {"image": image, "pull_policy": "always", "commands": commands}
    name = f"moved-{secrets.token_hex(4)}"
    async with asyncio.timeout(150), engine_on_docker(own_nats_server.url) as engine:
        await engine.submit(pipeline(step("a", container=container, retry={"limit": 1})), name, {})
        await engine.until(name, "StepStarted")
        _, second = await registry.push("games/x:1", "two")
        await docker("exec", f"gp-{name}.a.1", "touch", "/workspace/go")
        ended = await engine.wait(name)
        events = await engine.events(name)
        container["commands"] = commands[1:]
        await engine.submit(pipeline(step("a", container=container)), f"{name}-2", {})
        after = await engine.wait(f"{name}-2")
    assert first != second
    assert [one.data.image_digest for one in events if isinstance(one.data, StepStarted)] == [first, first]
    assert [one.data.digest for one in events if isinstance(one.data, ImagePulled)] == [first]
    assert ended.steps[0].outputs == {"which": "one"}
    assert (after.steps[0].outputs, after.steps[0].image_digest) == ({"which": "two"}, second)
