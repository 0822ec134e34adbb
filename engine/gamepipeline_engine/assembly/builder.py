"""One step, one container configuration: the themes of ``fields`` put together.

The body is built from typed fields only, so an unknown key of Docker's can never get in from a
pipeline file. Secrets stand beside the body, never in it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from gamepipeline_engine.assembly.context import StepContext
from gamepipeline_engine.assembly.fields import (
    command,
    devices,
    environment,
    identity,
    lifecycle,
    mounts,
    networking,
    ports,
    resources,
    secrets,
    security,
)
from gamepipeline_engine.assembly.spec import Spec, read
from gamepipeline_engine.containers.names import container_name
from gamepipeline_engine.containers.port import ContainerConfig
from gamepipeline_events.spec.hash import canonical
from gamepipeline_events.spec.resolved import ResolvedStep

Part = Callable[[Spec], Mapping[str, Any]]

TOP: tuple[Part, ...] = (
    identity.config,
    command.config,
    lifecycle.config,
    ports.config,
    networking.config,
)
HOST: tuple[Part, ...] = (
    lifecycle.host_config,
    mounts.host_config,
    ports.host_config,
    networking.host_config,
    resources.host_config,
    devices.host_config,
    security.host_config,
)
"""Each returns keys of its own; None means that Docker's default holds and the key is left out."""


def build(step: ResolvedStep, context: StepContext) -> ContainerConfig:
    """The final configuration of one attempt of ``step``.

    Raises TemplateError with the place and the reason when a value is missing or is not what
    Docker takes. Same step and same context: the same bytes.
    """
    spec = read(step, context)
    script = command.script(spec)
    variables = environment.variables(spec, script)
    host_config = _merged(HOST, spec)
    body = {
        "Image": context.image,
        **_merged(TOP, spec),
        **command.arguments(spec, script),
        "Env": [f"{name}={value}" for name, value in variables.plain.items()],
        "HostConfig": host_config,
    }
    body["Labels"] = identity.labels(spec, spec_label(step, context))
    return ContainerConfig(
        name=container_name(context.pipeline_id, step.id, context.attempt),
        body=body,
        secrets=variables.secret,
        files=secrets.files(spec, host_config),
        platform=spec.container.platform,
        pull=spec.container.pull_policy,
    )


def spec_label(step: ResolvedStep, context: StepContext) -> str:
    """Hash of what the event stream alone says of the container: the same for whoever builds it later.

    Values of the node, the node's own settings and the status so far are not part of it. They may
    have changed when another engine adopts the container, which is still the right one then.
    """
    told = {
        "step": step.id,
        "kind": step.kind,
        "container": step.container,
        "image": context.image,
        "args": dict(context.args),
        "matrix": dict(context.matrix),
    }
    return hashlib.sha256(canonical(told)).hexdigest()


def _merged(parts: tuple[Part, ...], spec: Spec) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for part in parts:
        merged.update({key: value for key, value in part(spec).items() if value is not None})
    return merged
