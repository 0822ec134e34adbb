"""Real engines in simulated worlds, one seed after the other; a seed that fails says how to see it again.

``GAMEPIPELINE_SIM_SECONDS`` is the time that is spent on fresh seeds (60 by default, over all shards),
but no fewer than 200 seeds are run, with ``GAMEPIPELINE_TEST_FULL=1`` no fewer than 10,000. Who wants
other ones names the first: ``GAMEPIPELINE_SIM_FIRST``. Seeds that failed once stand in
``regressions.txt`` and are run first, every time.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.simulation.run import Result, simulate

FULL = os.environ.get("GAMEPIPELINE_TEST_FULL") == "1"
SECONDS = float(os.environ.get("GAMEPIPELINE_SIM_SECONDS", "60"))
SHARDS = 4
"""Tests among which the fresh seeds are shared out, so that workers can take them in parallel."""

AT_LEAST = (10_000 if FULL else 200) // SHARDS
FIRST = int(os.environ.get("GAMEPIPELINE_SIM_FIRST", "1"))
APART = 1_000_000
"""Seeds between the first ones of two shards."""

REGRESSIONS = [
    int(line.split()[0])
    for line in (Path(__file__).parent / "regressions.txt").read_text().splitlines()
    if line.strip() and not line.startswith("#")
]


def complain(result: Result) -> str:
    """What is wrong with a seed, and how to see it again."""
    problems = "\n  ".join(result.problems)
    return f"seed {result.seed}:\n  {problems}\nagain: python -m tests.support.simulation {result.seed}"


@pytest.mark.parametrize("seed", REGRESSIONS)
def test_a_seed_that_failed_once_passes(seed: int) -> None:
    """What was wrong under this seed is mended."""
    result = simulate(seed)
    assert not result.problems, complain(result)


@pytest.mark.timeout(0 if FULL else max(300, SECONDS * 5))
@pytest.mark.parametrize("shard", range(SHARDS))
def test_whatever_goes_wrong_ends_well(shard: int, record_property: Callable[[str, object], None]) -> None:
    """Nothing is lost, nothing runs twice, everything ends: under every seed."""
    began, done, simulated = time.monotonic(), 0, 0.0
    failed = []
    while done < AT_LEAST or time.monotonic() - began < SECONDS / SHARDS:
        result = simulate(FIRST + shard * APART + done)
        done += 1
        simulated += result.seconds
        if result.problems:
            failed.append(complain(result))
    record_property("seeds", done)
    print(f"{done} seeds from {FIRST + shard * APART} on, {simulated / 3600:.1f} simulated hours")  # noqa: T201
    assert not failed, f"{len(failed)} of {done} seeds failed\n\n" + "\n\n".join(failed[:10])


def test_a_seed_is_the_same_run_every_time() -> None:
    """Every byte that is stored, and when: also in a process that hashes strings in another way."""
    seeds = range(FIRST, FIRST + 5)
    here = [simulate(seed).fingerprint for seed in seeds]
    assert here == [simulate(seed).fingerprint for seed in seeds]
    program = "import sys; from tests.support.simulation.run import simulate\n"
    program += "for seed in sys.argv[1:]: print(simulate(int(seed)).fingerprint)"
    for hashes in ("1", "2"):
        said = subprocess.run(
            [sys.executable, "-c", program, *map(str, seeds)],
            env={**os.environ, "PYTHONHASHSEED": hashes, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            cwd=Path(__file__).parent.parent.parent,
            capture_output=True,
            text=True,
            timeout=100,
            check=True,
        )
        assert said.stdout.split() == here


def test_seeds_differ() -> None:
    """Chance has its say: no two seeds are the same run."""
    assert len({simulate(seed).fingerprint for seed in range(10)}) == 10
