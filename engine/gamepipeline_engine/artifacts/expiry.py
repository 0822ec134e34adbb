"""Removes artifacts when they expire: every engine does it, and it makes no difference which."""

from __future__ import annotations

import structlog

from gamepipeline_engine.artifacts.port import StoreUnavailable
from gamepipeline_engine.runner import Host

log = structlog.get_logger(__name__)

EVERY = 3600.0
"""Seconds."""


async def sweep_artifacts(host: Host) -> None:
    """For ever. A store that does not answer is asked again the next time."""
    while True:
        for store in (host.artifacts, host.artifact_directory):
            if store is None:
                continue
            try:
                for key in await store.sweep(host.clock.now()):
                    log.info("artifacts expired", key=key)
            except StoreUnavailable as exc:
                log.warning("expired artifacts stay for now", why=str(exc))
        await host.clock.sleep(EVERY)
