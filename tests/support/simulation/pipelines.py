"""Random pipelines, and what their containers will do. Every container ends by itself, or something ends it."""

from __future__ import annotations

from typing import Any

from gamepipeline_engine.containers.fake import FakeImage, FakeOutput, FakeScript
from gamepipeline_engine.containers.fake.daemon import BUSYBOX
from tests.support.simulation.chance import Chance

PULLED = "pulled:1"
"""An image that has to be fetched first."""

REGISTRY = {PULLED: FakeImage(pull_for=3.0)}

LONGEST = 25.0
"""Seconds that a container runs which nothing else will end."""

Scripts = dict[tuple[str, int] | str, FakeScript]


class Made:
    """A pipeline's document, and scripts for the attempts of its steps (their ids are its own)."""

    def __init__(self, pipeline_id: str, document: dict[str, Any], scripts: Scripts) -> None:
        self.id = pipeline_id
        self.document = document
        self.scripts = scripts


def make(pipeline_id: str, chance: Chance) -> Made:
    """A small pipeline of any shape."""
    count = 1 + int(chance.random() ** 2 * 6)
    graph = chance.happens(0.5)
    scripts: Scripts = {}
    steps: list[dict[str, Any]] = []
    for place in range(count):
        step: dict[str, Any] = {
            "id": f"{pipeline_id}s{place}",
            "name": f"Step {place}",
            "container": _container(chance),
        }
        if graph and place and chance.happens(0.8):
            names = [one["id"] for one in steps]
            step["needs"] = chance.sample(names, k=min(len(names), chance.randint(1, 2)))
        elif graph and not place:
            step["needs"] = []
        _rules(step, chance)
        service = chance.happens(0.22)
        if service:
            _make_service(step, chance)
        for attempt in range(1, 4):
            scripts[step["id"], attempt] = _script(step, attempt, chance, service=service)
        scripts[step["id"]] = FakeScript(run_for=1.0)
        _pass_output_on(step, steps, chance)
        _pass_artifacts_on(step, steps, chance)
        steps.append(step)
    document: dict[str, Any] = {"name": f"Simulated {pipeline_id}", "steps": steps}
    document["timeout"] = chance.choice(["20s", "60s", "5m", "24h", "24h"])
    document["max_parallel"] = chance.randint(1, 4)
    document["fail_fast"] = chance.happens(0.3)
    document["on_node_lost"] = chance.choice(["fail", "fail", "wait", "restart", "restart"])
    return Made(pipeline_id, document, scripts)


GROUPS = {"one": 1, "two": 2}
"""Groups and their limits."""


def put_into_groups(document: dict[str, Any], chance: Chance) -> None:
    """Give a pipeline, or some of its steps, a place to wait for. A service would keep its place for ever."""
    if chance.happens(0.4):
        return
    whole = chance.choice(["", "", "one", *GROUPS])
    if whole:
        document["concurrency"] = _place(whole, chance)
    for step in document["steps"]:
        group = chance.choice(["", "one", *GROUPS])
        if group and group != whole and step.get("type") != "service":
            step["concurrency"] = _place(group, chance)


def _place(group: str, chance: Chance) -> dict[str, Any]:
    on_full = chance.choice(["wait", "wait", "wait", "reject", "cancel_oldest"])
    return {"group": group, "limit": GROUPS[group], "on_full": on_full}


def _container(chance: Chance) -> dict[str, Any]:
    container: dict[str, Any] = {"image": PULLED if chance.happens(0.2) else BUSYBOX}
    if chance.happens(0.4):
        container["stop_grace_period"] = chance.choice(["0s", "1s", "3s"])
    return container


def _rules(step: dict[str, Any], chance: Chance) -> None:
    if chance.happens(0.2):
        step["when"] = chance.choice(["always", "on_failure"])
    if chance.happens(0.15):
        step["failure"] = "ignore"
    if chance.happens(0.3):
        step["timeout"] = chance.choice(["3s", "8s", "30s"])
    if chance.happens(0.4):
        step["retry"] = {"limit": chance.randint(0, 2), "backoff": chance.choice(["0s", "1s", "8s"])}
        if chance.happens(0.4):
            step["retry"]["on"] = chance.sample(
                ["step_timeout", "killed_external", "oom_killed", "container_lost"], k=2
            )


def _make_service(step: dict[str, Any], chance: Chance) -> None:
    step["type"] = "service"
    step["lifetime"] = chance.choice(["detached", "pipeline"])
    conditions: list[dict[str, Any]] = [
        {"tcp": {"port": 80}},
        {"running": "2s"},
        {"log": "listening"},
        {"exec": ["ready"]},
        {"http": {"port": 80, "path": "/"}, "retries": 3},
    ]
    step["ready"] = {**chance.choice(conditions), "timeout": chance.choice(["4s", "20s"])}
    if chance.happens(0.3):
        step["container"]["restart"] = chance.choice(["on-failure", "always"])


def _script(step: dict[str, Any], attempt: int, chance: Chance, *, service: bool) -> FakeScript:
    fails = chance.happens(0.3)
    ends_somehow = "timeout" in step or service
    run_for: float | None = chance.choice([0.0, 0.2, 1.0, 4.0, 9.0, LONGEST])
    if service:
        run_for = None if chance.happens(0.7) else chance.uniform(1.0, 60.0)
    elif ends_somehow and chance.happens(0.2):
        run_for = None
    lines = chance.choice([0, 1, 3, 30])
    span = min(run_for if run_for is not None else LONGEST, LONGEST)
    output = [
        FakeOutput(
            f"{step['id']} {attempt} line {number}\n".encode(),
            "stderr" if chance.happens(0.2) else "stdout",
            after=chance.random() * span / max(1, lines),
        )
        for number in range(lines)
    ]
    if chance.happens(0.2):
        output.append(FakeOutput(b"the last line has no end"))
    if service:
        output.append(FakeOutput(b"listening\n", after=chance.uniform(0.0, 3.0)))
    path = f"/workspace/.gamepipeline/{step['id']}.{attempt}.out"
    return FakeScript(
        exit_code=chance.choice([1, 75, 137]) if fails else 0,
        run_for=run_for,
        output=tuple(output),
        files={} if service else {path: f"made=in-{attempt}\n".encode(), f"/workspace/{step['id']}.txt": b"kept\n"},
        oom=fails and chance.happens(0.1),
        start_error=chance.choice(["command_not_found", "container_start"]) if chance.happens(0.03) else None,
        ignores_term=chance.happens(0.15),
        term_exit=0 if chance.happens(0.2) else None,
        ready_after=chance.choice([None, 1.0, 3.0, 30.0]) if service else None,
    )


def _pass_output_on(step: dict[str, Any], earlier: list[dict[str, Any]], chance: Chance) -> None:
    """What a step makes is given to one that needs it."""
    by_id = {one["id"]: one for one in earlier}
    sources = [one for one in step.get("needs", []) if by_id[one].get("type") != "service"]
    if sources and chance.happens(0.3):
        step["container"]["environment"] = {"MADE": f"${{{{ steps.{sources[0]}.outputs.made }}}}"}


def _pass_artifacts_on(step: dict[str, Any], earlier: list[dict[str, Any]], chance: Chance) -> None:
    """What a step keeps is brought to one that needs it."""
    by_id = {one["id"]: one for one in earlier}
    if step.get("type") == "service":
        return
    if chance.happens(0.4):
        when = chance.choice(["on_success", "on_failure", "always"])
        step["container"]["artifacts"] = {"paths": [f"{step['id']}.txt"], "when": when}
    sources = [one for one in step.get("needs", []) if "artifacts" in by_id[one]["container"]]
    if sources and chance.happens(0.7):
        step["container"]["artifacts_from"] = sources
