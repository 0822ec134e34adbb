"""Images of the fake: what is here, what the registry gives, one fetch at a time per reference."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from typing import Literal

from gamepipeline_engine.containers.fake.daemon import FakeDaemon
from gamepipeline_engine.containers.fake.script import FakeImage, complete, image_id
from gamepipeline_engine.containers.port import DaemonError, ImageInfo, PullProgress

_OP = "ensure_image"
Listener = Callable[[PullProgress], None]


class Pulls:
    """The image calls of one connection."""

    def __init__(self, daemon: FakeDaemon) -> None:
        self._daemon = daemon
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._shared: dict[str, int] = {}

    def is_here(self, reference: str) -> bool:
        """Whether the daemon has the image."""
        return complete(reference) in self._daemon.images

    async def ensure(
        self,
        reference: str,
        policy: Literal["always", "missing", "never"],
        listener: Listener | None,
    ) -> ImageInfo:
        """See the port."""
        full = complete(reference)
        if policy != "always" and full in self._daemon.images:
            return _info(reference, self._daemon.images[full], None)
        if policy == "never":
            raise DaemonError(_OP, reference, 404, "the image is not here", "image_not_found")
        before = self._shared.get(full, 0)
        began = self._daemon.clock.now()
        async with self._locks[full]:
            if self._shared.get(full, 0) == before:
                await self._fetch(full, listener)
                self._shared[full] = before + 1
        seconds = (self._daemon.clock.now() - began).total_seconds()
        return _info(reference, self._daemon.images[full], seconds)

    async def _fetch(self, reference: str, listener: Listener | None) -> None:
        found = self._daemon.registry.get(reference)
        self._daemon.pulls += 1
        if found is None:
            message = f"manifest for {reference} not found: manifest unknown"
            raise DaemonError(_OP, reference, 404, message, "image_not_found")
        for layer in range(1, found.layers + 1):
            await self._daemon.clock.sleep(found.pull_for / found.layers)
            if listener is not None:
                part = found.size * layer // found.layers
                listener(PullProgress(current=part, total=found.size, layers_done=layer, layers=found.layers))
        if found.pull_error is not None:
            raise DaemonError(_OP, reference, 0, "the pull failed", found.pull_error)
        self._daemon.images[reference] = found


def _info(reference: str, image: FakeImage, seconds: float | None) -> ImageInfo:
    identity = image_id(reference)
    return ImageInfo(
        reference=reference,
        id=identity,
        digest=image.digest or identity,
        size=image.size,
        pulled=seconds is not None,
        duration=seconds or 0.0,
    )
