"""Each field of a container on a container that an engine has started: what ``docker inspect`` says of it.

All cases run in one pipeline of one engine. Its last step waits for all of them, so that they are
there together and are looked at with a single call.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gamepipeline_engine.assembly import StepContext, build
from gamepipeline_engine.containers.port import DaemonError
from gamepipeline_events.spec.check import check
from tests.support.container_fields import ALIASES, CASES, NODE, SLEEP, Case, at, seen
from tests.support.containers import DockerRig, docker, docker_rig, inspect_raw
from tests.support.engine_on_docker import EngineOnDocker, engine_on_docker
from tests.support.images import BUSYBOX
from tests.support.nats import NatsServer

pytestmark = [pytest.mark.docker, pytest.mark.timeout(240)]

STARTED = [case for case in CASES if case.starts]
CREATED = [case for case in CASES if not case.starts]
PARTS = 3
"""Pipelines that the cases are spread over: each is a network and its containers, a few at a time."""

VARIABLES = {"ROOT": "/tmp"}


def pipeline_of(cases: list[Case]) -> dict[str, Any]:
    """The cases as steps, none of which waits for another, and one that holds the pipeline open."""
    hold = {"name": "hold", "needs": ["first"], "container": {"image": BUSYBOX, "command": SLEEP}}
    first = {"name": "first", "container": {"image": BUSYBOX, "command": ["true"]}}
    return {
        "name": "fields",
        "args": ["TAG"],
        "envs": list(VARIABLES),
        "max_parallel": len(cases) + 2,
        "steps": [first, hold, *(case.step for case in cases)],
    }


@asynccontextmanager
async def tag() -> AsyncIterator[str]:
    """A text of this run alone; volumes with it are removed."""
    found = secrets.token_hex(4)
    try:
        yield found
    finally:
        await docker("volume", "rm", "-f", f"fields-{found}")


@pytest.mark.parametrize("part", range(PARTS))
async def test_fields(part: int, nats_server: NatsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What each case wrote is what Docker says of the container that the engine started for it."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    cases = STARTED[part::PARTS]
    async with tag() as mine, engine_on_docker(nats_server.url, variables=VARIABLES, config=NODE) as bench:
        pipeline = f"fields-{mine}"
        assert check(pipeline_of(cases)).errors == ()
        await bench.submit(pipeline_of(cases), pipeline, {"TAG": mine})
        await _all_started(bench, pipeline, cases)
        names = [f"gp-{pipeline}.{case.id}.1" for case in cases]
        found = {one["Name"][1:]: one for one in json.loads(await docker("inspect", *names))}
        image = (await docker("image", "inspect", "-f", "{{.Id}}", BUSYBOX)).strip()
        await bench.cancel(pipeline, "seen")
        await bench.wait(pipeline)
    wrong = {}
    for case, name in zip(cases, names, strict=True):
        view = of_any_run(found[name], mine, image)
        assert view["State"]["StartedAt"] > "2"
        wrong[case.id] = {path: at(view, path) for path, value in case.expected.items() if at(view, path) != value}
        assert view["Aliases"] >= ALIASES.get(case.id, set())
        assert view["HostConfig"]["Binds"] is None
    assert {case: differs for case, differs in wrong.items() if differs} == {}


async def _all_started(bench: EngineOnDocker, pipeline: str, cases: Iterable[Case]) -> None:
    """Wait for the start of each, or fail with what kept one from it."""
    missing = {case.id for case in cases}
    try:
        async with asyncio.timeout(60):
            async for event in bench.engine.subscribe(pipeline):
                assert event.name not in {"StepFailed", "PipelineRejected"}, event.data
                if event.name == "StepStarted":
                    missing.discard(getattr(event.data, "step", ""))
                if not missing:
                    return
    except TimeoutError:
        pytest.fail(f"not started: {sorted(missing)}")


def of_any_run(inspected: dict[str, Any], mine: str, image: str = "") -> dict[str, Any]:
    """The view, with a fixed text for what only this run has."""
    text = json.dumps(inspected).replace(f"fields-{mine}", "fields-TAG")
    found: dict[str, Any] = json.loads(text.replace(image, "BUSYBOX-ID") if image else text)
    return seen(found)


@pytest.mark.parametrize("case", CREATED, ids=lambda case: case.id)
async def test_fields_without_a_device(case: Case) -> None:
    """What may not start here is seen of a created container, or refused where Docker is too old for it."""
    async with docker_rig() as rig, tag() as mine:
        api = (await rig.containers.info()).api_version
        config = build(_resolved(case), _context(rig, mine))
        await rig.containers.prepare(rig.pipeline, rig.labels("pipeline"), workspace=True)
        if tuple(map(int, api.split("."))) < case.api:
            with pytest.raises(DaemonError, match=f"needs Docker .* this daemon has API {api}"):
                await rig.containers.create(config)
            assert await rig.containers.inspect(config.name) is None
            return
        await rig.containers.create(config)
        view = of_any_run(await inspect_raw(config.name), mine)
        assert {path: at(view, path) for path in case.expected} == case.expected


def _resolved(case: Case) -> Any:
    document = {"name": "fields", "args": ["TAG"], "steps": [{**case.step, "needs": []}]}
    return check(document).require().steps[0]


def _context(rig: DockerRig, mine: str) -> StepContext:
    return StepContext(
        pipeline_id=rig.pipeline,
        pipeline_name="fields",
        attempt=1,
        realm=rig.realm,
        node="test",
        image=BUSYBOX,
        args={"TAG": mine},
    )
