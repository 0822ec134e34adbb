"""Prints each event of every pipeline once, in order. NATS_URL says where; needs nats-py only."""

import asyncio
import json
import os

import nats
from nats.js.api import ConsumerConfig


async def main() -> None:
    """Start again where the last run stopped: the server remembers the durable consumer."""
    nc = await nats.connect(os.environ.get("NATS_URL", "nats://127.0.0.1:4222"))
    config = ConsumerConfig(max_ack_pending=1)  # one at a time: what is delivered again keeps its place
    events = await nc.jetstream().pull_subscribe("gamepipeline.events.>", durable="example", config=config)
    while True:
        for message in await events.fetch(timeout=None):
            event = json.loads(message.data)
            print(event["subject"], event["pipelineseq"], event["type"], json.dumps(event["data"]), flush=True)
            await message.ack_sync()


asyncio.run(main())
