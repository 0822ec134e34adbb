"""An engine inside a Python program: run a pipeline, follow its events, read its status."""

import asyncio

from gamepipeline_engine import GamePipelineEngine, load_config

PIPELINE = {
    "name": "Greeting",
    "args": ["NAME"],
    "steps": [
        {
            "name": "greet",
            "container": {"image": "busybox:stable", "commands": ["echo hello ${{ args.NAME }}"]},
        }
    ],
}


async def main() -> None:
    """Without NATS_URL the engine brings a NATS server of its own, shared with the CLI of this user."""
    engine = GamePipelineEngine(load_config())
    await engine.start()
    try:
        pipeline_id = await engine.execute(PIPELINE, args={"NAME": "world"})
        async for event in engine.subscribe(pipeline_id):
            print(event.seq, event.name)
            if event.name in {"PipelineCompleted", "PipelineFailed", "PipelineTimedOut", "PipelineCanceled"}:
                break
        status = await engine.get_status(pipeline_id)
        print(f"{status.id} {status.status}, exit code of {status.steps[0].id}: {status.steps[0].exit_code}")
    finally:
        await engine.stop()  # lets go; what still runs goes on and is taken up by the next engine


asyncio.run(main())
