"""Fixtures of all tests, and what the markers `docker` and `full` mean."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.images import BUSYBOX
from tests.support.nats import NatsServer, running_nats

# The cleanup container of testcontainers would have to be pulled; tests remove what they start.
os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests marked `full` wait to be asked for."""
    if os.environ.get("GAMEPIPELINE_TEST_FULL") == "1":
        return
    for item in items:
        if item.get_closest_marker("full"):
            item.add_marker(pytest.mark.skip(reason="long; `bash compose/test --full` runs it"))


@pytest.fixture(autouse=True)
def _docker_guard(request: pytest.FixtureRequest) -> None:
    """Tests marked `docker` need not ask for the guard themselves."""
    if request.node.get_closest_marker("docker"):
        request.getfixturevalue("docker_available")


@pytest.fixture(scope="session")
def nats_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    """One server for all tests of a worker: use names of your own in it."""
    with running_nats(tmp_path_factory.mktemp("nats")) as server:
        yield server


@pytest.fixture
def own_nats_server(tmp_path: Path) -> Iterator[NatsServer]:
    """A server for this test alone: it may be filled, frozen or killed."""
    with running_nats(tmp_path / "nats") as server:
        yield server


@pytest.fixture(scope="session")
def docker_available() -> None:
    """Fail, not skip, without Docker: a green run must have run the tests that need it."""
    problem = _docker_problem()
    if problem:
        pytest.fail(f"{problem}\n`bash compose/images` sets up the engine and the images.")


def _docker_problem() -> str:
    """Say what keeps tests from running a container of BUSYBOX; empty if nothing does."""
    try:
        subprocess.run(["docker", "image", "inspect", BUSYBOX], check=True, capture_output=True, timeout=30)
    except FileNotFoundError:
        return "There is no `docker` command on PATH."
    except subprocess.TimeoutExpired:
        return "The Docker engine does not answer within 30 s."
    except subprocess.CalledProcessError as error:
        return f"docker image inspect {BUSYBOX}: {error.stderr.decode().strip()}"
    return ""
