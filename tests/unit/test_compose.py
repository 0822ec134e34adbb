"""What is under compose/ and is not run by the tests themselves."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.images import NATS
from tests.support.nats import nats_server_binary

COMPOSE = Path(__file__).parents[2] / "compose"
LIBRARY = ["lib/demo.sh", "lib/docker.sh", "lib/images.sh", "lib/python.sh", "lib/registry.sh"]
SCRIPTS = ["demo", "down", "images", "lib.sh", *LIBRARY]


def test_shipped_nats_configuration_is_valid() -> None:
    """The pinned server accepts the shipped configuration, which syncs every write."""
    done = subprocess.run(
        [nats_server_binary(), "-t", "-c", COMPOSE / "nats.conf"],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    assert "\n  sync_interval: always\n" in (COMPOSE / "nats.conf").read_text()


def test_compose_file_runs_the_pinned_server_on_loopback() -> None:
    """The compose file names the image of the pinned server and publishes it to this host only."""
    file: dict[str, Any] = yaml.safe_load((COMPOSE / "docker-compose.yaml").read_text())
    service = file["services"]["nats"]
    assert service["image"] == NATS
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])


@pytest.mark.parametrize("name", [*SCRIPTS, "test", "../.ci/run"])
def test_script_parses(name: str) -> None:
    """Bash reads every script to its end without a syntax error."""
    done = subprocess.run(["bash", "-n", COMPOSE / name], capture_output=True, check=False, timeout=30)
    assert done.returncode == 0, done.stderr


def test_arguments_that_are_unknown_are_refused() -> None:
    """`compose/down` with a typing error ends nothing."""
    done = subprocess.run(
        ["bash", COMPOSE / "down", "--froce"],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 3
    assert "unknown argument: --froce" in done.stderr
