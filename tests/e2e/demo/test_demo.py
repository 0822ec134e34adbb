"""`bash compose/demo` does what it claims."""

from __future__ import annotations

import re
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.home import Home

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[3]
JOB = "source compose/lib.sh; source compose/lib/demo.sh; main_job"


def _job(home: Home, script: str) -> subprocess.CompletedProcess[str]:
    env = {**home.env, "TMPDIR": str(home.folder)}
    return subprocess.run(
        ["bash", "-c", script], cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=280
    )


def test_the_main_job_runs_survives_its_engine_and_leaves_nothing(home: Home) -> None:
    """Every claim of the demo is checked by the demo itself; the user's own state is never met."""
    done = _job(home, JOB)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "$ kill -KILL" in done.stdout
    assert "checked: no process" in done.stdout
    assert not (home.folder / "state").exists()
    assert list(home.folder.glob("gamepipeline-demo.*")) == []
    assert _processes_of(f"{home.folder}/gamepipeline-demo.") == []


def test_a_claim_that_is_false_fails_the_demo_and_still_cleans_up(home: Home) -> None:
    """The exit code is that of the failed check, and what had been started is gone."""
    done = _job(home, f"{JOB.removesuffix('main_job')} game_answers() {{ false; }}; main_job")
    assert done.returncode == 3, done.stdout + done.stderr
    assert "this should be true and is not" in done.stderr
    assert list(home.folder.glob("gamepipeline-demo.*")) == []
    node = re.search(r'name = "(demo-\w+)"', done.stdout)
    assert node is not None
    assert Home(home.folder, node[1], home.env).docker("ps", "-aq") == []
    assert _processes_of(f"{home.folder}/gamepipeline-demo.") == []


def _processes_of(folder: str) -> list[str]:
    """The command lines of all processes that have it in their environment or their command line."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            command = (entry / "cmdline").read_bytes()
            if folder.encode() in command + (entry / "environ").read_bytes():
                found.append(command.replace(b"\0", b" ").decode(errors="replace"))
    return found
