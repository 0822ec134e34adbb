"""What belongs to others stays theirs."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.support.home import Home
from tests.support.images import BUSYBOX

pytestmark = pytest.mark.docker


def test_a_container_of_another_realm_is_never_taken_for_ones_own(home: Home, tmp_path: Path) -> None:
    """Two users choose the same pipeline id: the second is told of the conflict, the first is not touched."""
    name = f"gp-{home.node}.a.1"
    file = tmp_path / "x.yaml"
    file.write_text(f"name: x\nsteps: [{{name: a, container: {{image: '{BUSYBOX}', command: 'true'}}}}]\n")
    subprocess.run(
        ["docker", "run", "-d", "--name", name, "--label", "io.gamepipeline.realm=other", BUSYBOX, "sleep", "300"],
        check=True,
        capture_output=True,
        timeout=60,
    )
    try:
        code, out, _ = home.run("gamepipeline", "run", file, "--id", home.node, "-o", "json")
        running = subprocess.run(
            ["docker", "inspect", name, "--format", "{{.State.Running}}"], capture_output=True, text=True, check=True
        )
        assert (code, json.loads(out)["steps"][0]["cause"]) == (1, "name_conflict")
        assert running.stdout.strip() == "true"
    finally:
        subprocess.run(["docker", "rm", "-f", name], check=False, capture_output=True, timeout=60)
