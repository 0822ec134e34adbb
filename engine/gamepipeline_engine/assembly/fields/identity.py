"""Who the container is: labels, user, host name."""

from __future__ import annotations

from typing import Any

from gamepipeline_engine.assembly.errors import TemplateError
from gamepipeline_engine.assembly.spec import WHERE, Spec
from gamepipeline_engine.containers import names
from gamepipeline_events.spec import forms


def config(spec: Spec) -> dict[str, Any]:
    """User and Hostname."""
    user = spec.container.user
    return {
        "User": None if user is None else str(user),
        "Hostname": spec.container.hostname,
    }


def labels(spec: Spec, spec_label: str) -> dict[str, str]:
    """The step's labels and ours. A label below our prefix is refused: it would change who owns the container."""
    path = (*WHERE, "labels")
    written = forms.variables(spec.written.get("labels") or {})
    for name in written:
        if not name or name.startswith(names.PREFIX):
            raise TemplateError((*path, name), f"labels have a name, and not below '{names.PREFIX}'")
    ours = names.labels(
        realm=spec.context.realm,
        pipeline=spec.context.pipeline_id,
        kind=spec.step.kind,
        node=spec.context.node,
        step=spec.step.id,
        attempt=spec.context.attempt,
        spec=spec_label,
    )
    return {name: spec.render.text(text or "", (*path, name)) for name, text in written.items()} | ours
