"""Every scenario on the fakes and on the real parts: one expected result for both.

`GAMEPIPELINE_RECORD=1 pytest tests/scenarios -m "not docker"` writes the expected results anew from
the fakes. Read the difference before you commit it: the file is the specification, not the run.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
from pathlib import Path
from typing import Any

import pytest

from tests.support.engine_on_docker import engine_on_docker
from tests.support.engine_on_fakes import EngineOnFakes
from tests.support.nats import NatsServer
from tests.support.scenarios import Scenario, every_scenario, load, play
from tests.support.simulated import simulate

PATHS = every_scenario()
LIMIT = 100
"""Seconds after which a scenario on the real parts hangs."""


def expected(scenario: Scenario) -> dict[str, Any]:
    """What has to come out."""
    found: dict[str, Any] = json.loads(scenario.expected_path.read_text())
    return found


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_on_fakes(path: Path) -> None:
    """The scenario comes out as its file says, with containers, streams and time imitated."""
    scenario = load(path)

    async def main() -> dict[str, Any]:
        scripts = {step: fake.script() for step, fake in scenario.around.fake.items()}
        bench = EngineOnFakes(variables=scenario.around.variables, scripts=scripts)
        async with bench.serving():
            found = await play(scenario, bench, scenario.slug)
        assert all(count == 1 for count in bench.world.daemon.starts.values())
        return found

    found = simulate(main())
    if os.environ.get("GAMEPIPELINE_RECORD") == "1":
        scenario.expected_path.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n")
    assert found == expected(scenario)


@pytest.mark.docker
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_on_docker(path: Path, scenario_nats: NatsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The scenario comes out as its file says, on a real Docker engine and a real NATS server."""
    scenario = load(path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))

    async def main() -> dict[str, Any]:
        async with asyncio.timeout(LIMIT):
            async with engine_on_docker(scenario_nats.url, variables=scenario.around.variables) as bench:
                return await play(scenario, bench, f"{scenario.slug}-{secrets.token_hex(4)}")

    assert asyncio.run(main()) == expected(scenario)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_reads_well(path: Path) -> None:
    """A scenario says in one sentence what it shows, and its result says the same."""
    scenario = load(path)
    assert scenario.around.about.endswith(".")
    assert expected(scenario)["about"] == scenario.around.about


def test_there_are_enough() -> None:
    """At least twenty-five, numbered without a gap, each with its result."""
    assert [path.name[:2] for path in PATHS] == [f"{number:02}" for number in range(1, len(PATHS) + 1)]
    assert len(PATHS) >= 25
    assert all(path.with_suffix(".json").exists() for path in PATHS)
