"""Records histories of real runs for tests/history: `python -m tests.support.record_history`.

It needs a Docker engine and the images of the tests. Each history is written as it is stored, one
payload a line with all its ids and times, and beside it the status it folds to. Histories are never
recorded anew: streams are kept for ever, so what an old version wrote must replay for ever. Run this
with the names of new ones only, when events have changed:

    python -m tests.support.record_history 25_service_running resumed
"""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
import tempfile
from pathlib import Path

import msgspec

from gamepipeline_projections import replay
from tests.support.engine_on_docker import engine_on_docker
from tests.support.histories import pipeline, step
from tests.support.nats import running_nats
from tests.support.scenarios import FOLDER as SCENARIOS
from tests.support.scenarios import load, play

FOLDER = Path(__file__).parent.parent / "history"
FROM_SCENARIOS = (
    "02_graph",
    "05_other_branch_goes_on",
    "11_retry_then_success",
    "15_term_trap_is_no_success",
    "16_pipeline_timeout",
    "17_cancel_while_running",
    "20_image_not_found",
    "22_outputs",
    "25_service_running",
    "34_rejected",
    "40_service_ends_later",
)


async def _of_scenario(name: str, url: str) -> list[bytes]:
    scenario = load(SCENARIOS / f"{name}.yaml")
    pipeline_id = f"{scenario.slug}-{secrets.token_hex(4)}"
    async with engine_on_docker(url, variables=scenario.around.variables) as bench:
        await play(scenario, bench, pipeline_id)
        return await bench.payloads(pipeline_id)


async def _resumed(url: str) -> list[bytes]:
    """An engine lets go in the middle of a step, the next one takes it up."""
    container = {"image": "busybox:stable", "commands": ["sleep 5", "echo done"]}
    pipeline_id = f"resumed-{secrets.token_hex(4)}"
    async with engine_on_docker(url, removes=False) as first:
        await first.submit(pipeline(step("a", container=container), step("b")), pipeline_id, {})
        await first.until(pipeline_id, "StepStarted")
    async with engine_on_docker(url) as second:
        await second.wait(pipeline_id)
        return await second.payloads(pipeline_id)


def record(name: str) -> None:
    """Run it and write down what was stored."""
    with tempfile.TemporaryDirectory() as folder, running_nats(Path(folder) / "nats") as server:
        os.environ["XDG_STATE_HOME"] = folder
        run = _resumed(server.url) if name == "resumed" else _of_scenario(name, server.url)
        payloads = asyncio.run(run)
    path = FOLDER / f"{name}.jsonl"
    path.write_bytes(b"".join(payload + b"\n" for payload in payloads))
    status = msgspec.json.format(msgspec.json.encode(replay(payloads)), indent=2)
    path.with_suffix(".status.json").write_bytes(status + b"\n")


def main() -> None:
    """The names given, or all that do not exist yet."""
    for name in sys.argv[1:] or (*FROM_SCENARIOS, "resumed"):
        if sys.argv[1:] or not (FOLDER / f"{name}.jsonl").exists():
            record(name)


if __name__ == "__main__":
    main()
