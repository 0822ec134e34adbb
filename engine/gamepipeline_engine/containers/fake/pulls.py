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

    async def ensure(
        self,
        reference: str,
        policy: Literal["always", "missing", "never"],
        digest: str | None,
        listener: Listener | None,
    ) -> ImageInfo:
        """See the port."""
        wanted = complete(reference) if digest is None else _by_digest(reference, digest)
        found = self._daemon.image(wanted) or (self._daemon.image(digest) if digest else None)
        if found is not None and (policy != "always" or digest is not None):
            return self._info(reference, found[1], None)
        if policy == "never":
            raise DaemonError(_OP, reference, 404, "the image is not here", "image_not_found")
        before = self._shared.get(wanted, 0)
        began = self._daemon.clock.now()
        async with self._locks[wanted]:
            if self._shared.get(wanted, 0) == before:
                await self._fetch(wanted, listener)
                self._shared[wanted] = before + 1
        seconds = (self._daemon.clock.now() - began).total_seconds()
        return self._info(reference, self._daemon.images[wanted], seconds)

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

    def _info(self, reference: str, image: FakeImage, seconds: float | None) -> ImageInfo:
        full, identity = complete(reference), image_id(reference, image)
        exact = identity
        if image.digest:
            exact = full if "@" in full else f"{full}@{image.digest}"
            self._daemon.kept[_by_digest(reference, image.digest)] = (full, image)
        self._daemon.kept[exact] = self._daemon.kept[identity] = (full, image)
        return ImageInfo(
            reference=reference,
            id=identity,
            digest=image.digest or identity,
            exact=exact,
            size=image.size,
            pulled=seconds is not None,
            duration=seconds or 0.0,
        )


def _by_digest(reference: str, digest: str) -> str:
    name = reference.partition("@")[0]
    name = name.rpartition(":")[0] if ":" in name.rpartition("/")[2] else name
    return f"{name}@{digest}"
