"""A Docker engine that these tests may hang, kill and restart, and a GamePipeline engine on it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.support.engine_on_docker import EngineOnDocker, engine_on_docker
from tests.support.nats import NatsServer
from tests.support.second_docker import SecondDocker, second_docker


@pytest.fixture(scope="session")
def shared_second() -> Iterator[SecondDocker]:
    """One for all tests of a worker."""
    with second_docker() as found:
        yield found


@pytest.fixture
def second(shared_second: SecondDocker, monkeypatch: pytest.MonkeyPatch) -> Iterator[SecondDocker]:
    """Running, without live-restore, and what DOCKER_HOST names; as it was, afterwards."""
    monkeypatch.setenv("DOCKER_HOST", shared_second.host)
    yield shared_second
    shared_second.reset()


@pytest.fixture
async def engine(
    second: SecondDocker, own_nats_server: NatsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[EngineOnDocker]:
    """An engine on the second Docker engine, with streams of its own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    async with engine_on_docker(own_nats_server.url) as found:
        yield found
        second.reset()  # the end removes what is left, and needs an engine that answers
