"""Which GPUs a step asks for, and which of a node's GPUs that can be: pure functions of values."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

from gamepipeline_engine.assembly.context import ImageContext
from gamepipeline_engine.assembly.conversion import wrong_value
from gamepipeline_engine.assembly.fields.devices import device_requests
from gamepipeline_engine.assembly.fields.gpus import ALL, is_cdi_gpu, is_gpu, is_same
from gamepipeline_engine.assembly.rendering import Renderer
from gamepipeline_events.spec.compose import Container
from gamepipeline_events.spec.resolved import ResolvedStep

FIELDS = ("deploy", "devices", "gpus")
"""Fields of a container in which a GPU can be asked for."""


class AskedGpus(msgspec.Struct, frozen=True, kw_only=True):
    """What a step asks for: ``every`` GPU there is, or ``names`` and ``count`` more of any."""

    every: bool = False
    count: int = 0
    names: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.every or self.count > 0 or bool(self.names)

    def size(self, inventory: Collection[str]) -> int:
        """How many that are on a node with these."""
        return len(inventory) if self.every else len(self._named(inventory)) + self.count

    def missing(self, inventory: Sequence[str]) -> str | None:
        """What the node will never have for it, in words; None: it can be had, now or later."""
        there = f"the node has {', '.join(inventory)}" if inventory else "the node has none"
        unknown = [name for name in self.names if not any(is_same(gpu, name) for gpu in inventory)]
        if unknown:
            return f"asks for the GPU {', '.join(unknown)}, and {there}"
        if self.every and not inventory:
            return f"asks for all GPUs, and {there}"
        if self.size(inventory) > len(inventory):
            return f"asks for {self.size(inventory)} GPU{'s' * (self.size(inventory) != 1)}, and {there}"
        return None

    def choose(self, inventory: Sequence[str], taken: Collection[str]) -> list[str] | None:
        """Ids of GPUs that nobody has; None: not all of them are free now."""
        if self.every:
            return None if any(gpu in taken for gpu in inventory) else list(inventory)
        named = self._named(inventory)
        others = [gpu for gpu in inventory if gpu not in named and gpu not in taken][: self.count]
        if len(others) < self.count or any(gpu in taken for gpu in named):
            return None
        return named + others

    def _named(self, inventory: Collection[str]) -> list[str]:
        """Each once, though it may be called by more than one name."""
        return [gpu for gpu in inventory if any(is_same(gpu, name) for name in self.names)]


def asked_gpus(step: ResolvedStep, context: ImageContext) -> AskedGpus:
    """What the step asks for, by whatever field. Raises TemplateError."""
    render = Renderer(context)
    written = {key: step.container[key] for key in FIELDS if key in step.container}
    if not written:
        return AskedGpus()
    rendered = {key: render.document(value, ("container", key)) for key, value in written.items()}
    try:
        container = msgspec.convert({**rendered, "image": "none"}, Container, strict=False)
    except msgspec.ValidationError as exc:
        raise wrong_value(exc, ("container",), rendered) from None
    requests = [one for one in device_requests(container) if is_gpu(one)]
    counts = [one["Count"] for one in requests if "Count" in one]
    sources = [one if isinstance(one, str) else one.source for one in container.devices or []]
    cdi = [name for name in sources if is_cdi_gpu(name)]
    names = [name for one in requests for name in one.get("DeviceIDs", ())]
    names += [name for name in cdi if not name.endswith("=all")]
    every = ALL in counts or any(name.endswith("=all") for name in cdi)
    return AskedGpus(
        every=every, count=sum(count for count in counts if count != ALL), names=tuple(dict.fromkeys(names))
    )
