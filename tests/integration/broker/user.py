"""A process that uses the embedded server of a state folder until it is told `release` or ends."""

import asyncio
import json
import sys
from pathlib import Path

from gamepipeline_engine.broker.embedded import EmbeddedServer


def say(line: str) -> None:
    """Tell the test that started us."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def main() -> None:
    """Say which server it is, wait for a line, let go, say so."""
    async with await EmbeddedServer(Path(sys.argv[1])).acquire() as lease:
        say(json.dumps({"url": lease.url, "server_id": lease.server_id}))
        await asyncio.to_thread(sys.stdin.readline)
    say("released")


if __name__ == "__main__":
    asyncio.run(main())
