"""A process that catches up a read model in small transactions, and says before each batch that it is there.

``python -m tests.support.reader_process URL FOLDER REALM``: a line on stdout for each batch, and one
with the position at the end.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

from gamepipeline_engine.broker.streams import Topology
from gamepipeline_projections.connection import connect
from gamepipeline_projections.reading import EventReader, Recorded
from gamepipeline_projections.readmodel import ReadModel

PIECE = 20
"""Events of a batch; two of them make a transaction."""


class _Told(EventReader):
    """Reads in small batches and tells of each."""

    async def batches(self, after: int = 0, event_type: str | None = None) -> AsyncGenerator[list[Recorded], None]:
        """See EventReader."""
        async with aclosing(super().batches(after, event_type)) as batches:
            async for batch in batches:
                for start in range(0, len(batch), PIECE):
                    print("batch", flush=True)  # noqa: T201 - that is what it is for
                    yield batch[start : start + PIECE]


async def _main(url: str, folder: str, realm: str) -> None:
    topology = Topology()
    client = await connect(url, name="reader")
    model = ReadModel.open(Path(folder), realm, chunk=2 * PIECE)
    try:
        print(await model.catch_up(_Told(client, topology.subjects, topology.events)), flush=True)  # noqa: T201 - the same
    finally:
        model.close()
        await client.close()


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
