"""An engine's notifier as a process of its own, so that it can be killed: NATS_URL ROOT WEBHOOK."""

from __future__ import annotations

import asyncio
import sys

from gamepipeline_engine.broker.streams import Topology
from tests.support.journals import connected
from tests.support.webhooks import config_for, notifier_on


async def main(nats_url: str, root: str, webhook: str) -> None:
    """Deliver until killed."""
    async with connected(nats_url) as client:
        await notifier_on(client, Topology(root), config_for(webhook)).serve()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
