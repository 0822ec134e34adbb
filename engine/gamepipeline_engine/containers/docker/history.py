"""The daemon's events of one container, read until its end is among them.

Over a connection of its own: a daemon that shuts down accepts none, although it still answers
on those it has. So what it did to a container on its way out is never read as somebody's doing.
"""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime

from gamepipeline_engine.containers.docker.client import DockerClient
from gamepipeline_engine.containers.frames import since_parameter
from gamepipeline_engine.containers.history import Happening, is_the_end, judge
from gamepipeline_engine.containers.port import ContainerView, DaemonUnreachable, History
from gamepipeline_events.times import moment

_ACTIONS = ("kill", "die", "start", "restart")
_SHORT_RUN = 1.0
"""Seconds: an end that the view dates at its start was earlier, as the daemon dates a start after the fact."""

_PATIENCE = 1.0
"""Seconds for an end that the daemon is about to note. What it remembers comes at once."""


async def read(client: DockerClient, found: ContainerView) -> History:
    """The history of a container that has ended."""
    finished = moment(found.finished_at).timestamp() if found.finished_at else datetime.now(UTC).timestamp()
    if found.finished_at == found.started_at:
        finished -= _SHORT_RUN
    happenings: list[Happening] = []
    params = {
        "since": since_parameter(found.created_at),
        "filters": json.dumps({"type": ["container"], "container": [found.id], "event": list(_ACTIONS)}),
    }
    async with client.stream("history", found.name, "GET", "events", params=params) as response:
        try:
            async with asyncio.timeout(_PATIENCE):
                async for line in response.content:
                    happenings.append(_happening(line))
                    if is_the_end(happenings[-1], finished):
                        break
                else:
                    raise DaemonUnreachable("history", found.name, "the stream broke")
        except TimeoutError:
            pass  # forgotten: what is missing then means nothing
        except (ValueError, KeyError, TypeError) as exc:
            raise DaemonUnreachable("history", found.name, "an event cannot be read") from exc
    return judge(happenings, finished=finished, exit_code=found.exit_code)


def _happening(line: bytes) -> Happening:
    event = json.loads(line)
    signal = event["Actor"].get("Attributes", {}).get("signal")
    return Happening(
        action=str(event["Action"]),
        time=int(event["timeNano"]) / 1e9,
        signal=int(signal) if signal is not None and str(signal).isdigit() else None,
    )
