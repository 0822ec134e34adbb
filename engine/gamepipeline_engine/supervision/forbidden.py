"""What the node's policy has against a pipeline, as far as it can be seen before the start."""

from __future__ import annotations

from collections.abc import Mapping

from gamepipeline_engine.assembly import StepContext, foresee
from gamepipeline_engine.policy import Violation, violations
from gamepipeline_engine.runner import Host
from gamepipeline_events import Problem
from gamepipeline_events.problems import Path
from gamepipeline_events.spec.resolved import ResolvedPipeline


def forbidden(spec: ResolvedPipeline, pipeline_id: str, args: Mapping[str, str], host: Host) -> tuple[Problem, ...]:
    """GP401 for everything, of all steps at once, with the TOML lines that would allow it.

    What depends on a value that only the run will have is judged when its container is created.
    """
    values = host.values(spec)
    context = StepContext(
        pipeline_id=pipeline_id,
        pipeline_name=spec.name,
        args=args,
        envs=values.envs,
        secrets=values.secrets,
        attempt=1,
        realm=host.realm,
        node=host.node,
        image="",
        limits=host.config.container_defaults(host.cpus),
    )
    found: dict[tuple[Path, Violation], Problem] = {}
    for step in spec.steps:
        config = foresee(step, context)
        if config is None:
            continue
        for one in violations(config, host.policy, host.config.limits, host.protected):
            path: Path = ("steps", step.index, "container", *one.place(step.container))
            problem = Problem(code="GP401", message=f"step {step.id}: {one}", path=path, hint=one.hint or None)
            found.setdefault((path, one), problem)  # steps of one matrix share their place
    return tuple(found.values())
