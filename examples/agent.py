"""A service that hands pipelines to engines elsewhere, follows one, and knows how it ended. Needs NATS_URL."""

import asyncio
from contextlib import aclosing

from gamepipeline_projections import GamePipelineAgent

PIPELINE = """\
name: Greeting
args: [NAME]
steps:
  - name: greet
    container:
      image: busybox:stable
      commands:
        - echo "greeting=hello ${{ args.NAME }}" >> "$GAMEPIPELINE_OUTPUT"
"""


async def main() -> None:
    """An engine of the pool `default` must run somewhere; this program needs no Docker."""
    async with GamePipelineAgent(name="lobby") as agent:
        pipeline_id = await agent.execute(PIPELINE, args={"NAME": "world"}, id="greeting-1")
        async with aclosing(agent.watch(pipeline_id)) as events:
            async for event in events:
                print(event.seq, event.name)
                if event.name == "StepCompleted":
                    break
        model = await agent.wait(pipeline_id, timeout=60)
        print(model.id, model.status.status, model.status.steps[0].outputs)
        await agent.kept(model.status.last_seq)  # the bucket of models holds it from here on
        print([line.id for line in agent.list().pipelines])


asyncio.run(main())
