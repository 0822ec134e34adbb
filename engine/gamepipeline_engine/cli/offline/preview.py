"""What a pipeline would become, without a node: the order of its steps and their containers.

Values that only a node or a run has stand as ``<envs.NAME>`` or ``<steps.x.outputs.y>``; secrets
are ``***`` and are never looked up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from graphlib import TopologicalSorter
from typing import Any

import msgspec

from gamepipeline_engine.assembly import ContainerDefaults, StepContext, TemplateError, build, foresee, render_image
from gamepipeline_engine.cli.offline.file import Job
from gamepipeline_engine.config import Config
from gamepipeline_engine.containers.port import ContainerConfig
from gamepipeline_events.problems import format_path
from gamepipeline_events.spec.expressions import references
from gamepipeline_events.spec.resolved import ResolvedPipeline, ResolvedStep

HIDDEN = "***"
UNNAMED = "pipeline"
"""Stands for the id in names while nobody has given one."""


class StepPreview(msgspec.Struct, frozen=True, kw_only=True):
    """One step. ``container`` is the Engine API's create request, None where ``problem`` says why not."""

    id: str
    name: str
    type: str
    level: int
    needs: list[str]
    when: str
    image: str | None
    container: dict[str, Any] | None
    problem: str | None


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """A pipeline. ``levels``: ids of steps; those of one level wait for none of their own level."""

    id: str | None
    name: str
    pool: str
    args: dict[str, str]
    timeout: float
    max_parallel: int
    levels: list[list[str]]
    steps: list[StepPreview]
    missing: list[str]


def preview(job: Job, envs: Mapping[str, str], secrets: frozenset[str], defaults: ContainerDefaults) -> Preview:
    """The preview of ``job`` on a node with ``envs``, which calls ``secrets`` secret and gives ``defaults``."""
    pipeline = job.pipeline
    hidden = secrets | set(pipeline.secrets)
    missing = [name for name in pipeline.envs if name not in envs and name not in hidden]
    context = context_of(job, envs, hidden, defaults)
    levels = levels_of(pipeline)
    level = {step: at for at, ids in enumerate(levels, start=1) for step in ids}
    return Preview(
        id=pipeline.id,
        name=pipeline.name,
        pool=pipeline.pool,
        args=job.values,
        timeout=pipeline.timeout,
        max_parallel=pipeline.max_parallel,
        levels=levels,
        steps=[_step(step, level[step.id], context) for step in pipeline.steps],
        missing=missing,
    )


def context_of(
    job: Job, envs: Mapping[str, str], hidden: frozenset[str] | set[str], defaults: ContainerDefaults
) -> StepContext:
    """What a step would know; ``hidden`` names secrets."""
    pipeline = job.pipeline
    return StepContext(
        pipeline_id=pipeline.id or UNNAMED,
        pipeline_name=pipeline.name,
        args=job.values,
        envs={name: envs.get(name, _unknown(name)) for name in pipeline.envs if name not in hidden},
        secrets=dict.fromkeys(sorted(hidden), HIDDEN),
        outputs=_outputs(pipeline),
        attempt=1,
        realm="<realm>",
        node="<node>",
        image="",
        limits=defaults,
    )


def configurations(job: Job, context: StepContext) -> Iterator[tuple[str, ContainerConfig]]:
    """Step ids and configurations, as far as they are known before a run: nothing in them is a placeholder."""
    envs = {name: value for name, value in context.envs.items() if value != _unknown(name)}
    for step in job.pipeline.steps:
        config = foresee(step, msgspec.structs.replace(context, envs=envs))
        if config is not None:
            yield step.id, config


def levels_of(pipeline: ResolvedPipeline) -> list[list[str]]:
    """Steps that may run at the same time, level by level, in the order of the file within each."""
    steps = {step.id: step for step in pipeline.steps}
    level: dict[str, int] = {}
    for step in TopologicalSorter({step.id: step.needs for step in pipeline.steps}).static_order():
        level[step] = 1 + max((level[one] for one in steps[step].needs), default=0)
    count = max(level.values(), default=0)
    return [[step for step in steps if level[step] == at] for at in range(1, count + 1)]


def refusals(job: Job, envs: Mapping[str, str], secrets: frozenset[str], config: Config) -> Iterator[str]:
    """What the policy and the limits of ``config`` refuse, and the lines of it that would allow that."""
    from gamepipeline_engine.policy import violations
    from gamepipeline_engine.policy.hints import together

    context = context_of(job, envs, secrets | set(job.pipeline.secrets), config.container_defaults())
    hints = []
    for step, configuration in configurations(job, context):
        for one in violations(configuration, config.policy, config.limits):
            yield f"warning: this node's configuration refuses {step}: {one}"
            hints.append(one.hint)
    yield from (f"    hint: {line}" for line in together(hints).splitlines())


def _unknown(name: str) -> str:
    return f"<envs.{name}>"


def _outputs(pipeline: ResolvedPipeline) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for step in pipeline.steps:
        for _path, one in references(step.container):
            if one.root == "steps" and one.step is not None:
                found.setdefault(one.step, {})[one.name] = f"<{one}>"
    return found


def _step(step: ResolvedStep, level: int, context: StepContext) -> StepPreview:
    image, container, problem = None, None, None
    context = msgspec.structs.replace(context, matrix=step.matrix)
    try:
        image = render_image(step, context)
        container = shown(build(step, msgspec.structs.replace(context, image=image)))
    except TemplateError as error:
        problem = f"not known before it runs: {format_path(error.path)}: {error.message}"
    return StepPreview(
        id=step.id,
        name=step.name,
        type=step.kind,
        level=level,
        needs=list(step.needs),
        when=step.when,
        image=image,
        container=container,
        problem=problem,
    )


def shown(config: ContainerConfig) -> dict[str, Any]:
    """A configuration as it may be shown: secrets by name only."""
    body: dict[str, Any] = msgspec.to_builtins(config.body)
    body["Env"] = [*body.get("Env", ()), *(f"{name}={HIDDEN}" for name in config.secrets)]
    if config.files:
        mounts = [{"Type": "bind", "Source": HIDDEN, "Target": path, "ReadOnly": True} for path in config.files]
        body["HostConfig"]["Mounts"] = [*(body["HostConfig"].get("Mounts") or ()), *mounts]
    return {"name": config.name, **({"platform": config.platform} if config.platform else {}), **body}
