"""``gamepipeline agent`` as a process, and what importing the agent brings in."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from gamepipeline_engine.broker.streams import Topology, provision
from gamepipeline_projections import models
from tests.support.agents import Streams, story
from tests.support.home import CLI
from tests.support.journals import connected
from tests.support.nats import NatsServer, running_nats
from tests.support.tcp_proxy import tcp_proxy


def test_importing_the_agent_needs_no_docker() -> None:
    """Nor anything of the engine: all of that may be missing. Folding alone needs no NATS either.

    (Where aiohttp is installed nats-py loads it, for websockets; it does without.)
    """
    program = """
import sys
engines = {"aiodocker", "aiohttp", "docker", "gamepipeline_engine", "structlog", "click", "rich", "stamina"}
sys.modules.update(dict.fromkeys(engines))  # from now on they cannot be imported
import gamepipeline_projections
assert not {"nats", "asyncio"} & set(sys.modules), "folding needs no connection"
from gamepipeline_projections import GamePipelineAgent
print(GamePipelineAgent.__name__)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert (done.stdout, done.stderr) == ("GamePipelineAgent\n", "")


async def test_the_process_keeps_models_and_answers_until_it_is_told_to_end(
    own_nats_server: NatsServer, tmp_path: Path
) -> None:
    """One line when it answers; SIGTERM ends it with 0; killed without a word, the next one goes on."""
    async with connected(own_nats_server.url) as client:
        await provision(client.jetstream(), Topology(), presence=False)
        here = Streams(own_nats_server.url, client, Topology())
        for number, end in enumerate(("kill", "terminate", "terminate")):
            async with asyncio.timeout(60):
                process = await _started(here, tmp_path)
                assert process.stdout is not None
                ready = json.loads(await process.stdout.readline())
                assert (ready["ready"], ready["agent"]) == (True, "lobby")
                await here.publish_all(story(f"p{number}").payloads)
                model = await _kept(here, f"p{number}")
                assert model.status == here.wanted(f"p{number}", here.last)
                answer = await client.request("gamepipeline.health", b"", timeout=5)
                assert json.loads(answer.data)["pipelines"] == number + 1
                getattr(process, end)()
                out, err = await process.communicate()
                if end == "terminate":
                    assert (process.returncode, out, err) == (0, b"", b"")


# nats-py forgets to close a connection whose server goes away while it is being made.
@pytest.mark.filterwarnings("ignore:.*unclosed <StreamWriter")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_an_agent_outlives_its_server(tmp_path: Path) -> None:
    """The server is killed and started again with its store: the agent goes on by itself, and misses nothing."""
    async with AsyncExitStack() as stack:
        with running_nats(tmp_path / "nats") as first:
            proxy = await stack.enter_async_context(tcp_proxy(first.url))
            async with connected(first.url) as client:
                await provision(client.jetstream(), Topology(), presence=False)
                here = Streams(first.url, client, Topology())
                agent = await stack.enter_async_context(here.agent(proxy.url))
                told = story("p", steps=3)
                await here.publish_all(told.payloads[:5])
                await agent.kept(here.last)
            proxy.refuse()  # as a dead server does; one that hangs up makes nats-py leave a writer unclosed
            first.process.kill()
        with running_nats(tmp_path / "nats") as second:
            async with connected(second.url) as client, asyncio.timeout(60):
                here = Streams(second.url, client, Topology(), stored={"p": told.payloads[:5]})
                await here.publish_all(told.payloads[5:])
                await proxy.mend(second.url)
                await agent.kept(here.last)
                assert (await here.model("p")).status == here.wanted("p", here.last)
                assert (await client.request("gamepipeline.health", b"", timeout=5)).headers is None
                await agent.stop()


async def _started(here: Streams, folder: Path) -> asyncio.subprocess.Process:
    env = {"HOME": str(folder), "NATS_URL": here.url, "XDG_STATE_HOME": str(folder)}
    return await asyncio.create_subprocess_exec(
        str(CLI), "agent", "--name", "lobby", env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


async def _kept(here: Streams, pipeline_id: str) -> models.GamePipeline:
    """The model once it holds the last event; the test's own timeout bounds the wait."""
    while True:
        found = await here.store.get(pipeline_id)
        if found is not None:
            model = models.GamePipeline.decode(found.payload)
            if model.status.last_seq == here.last:
                return model
        await asyncio.sleep(0.02)


def test_without_a_server_it_says_so(tmp_path: Path) -> None:
    """Exit code 3, one line."""
    env = {"HOME": str(tmp_path), "NATS_URL": "nats://127.0.0.1:1"}
    done = subprocess.run([str(CLI), "agent"], env=env, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 3
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""
