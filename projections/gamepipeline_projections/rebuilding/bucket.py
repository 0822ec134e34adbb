"""The stream behind a key-value bucket, as a whole."""

from __future__ import annotations

from gamepipeline_projections.reading.api import ApiRefused, StreamApi
from gamepipeline_projections.reading.records import JournalUnavailable

_NO_STREAM = 10059


async def exists(api: StreamApi) -> bool:
    """Whether there is such a bucket. Raises JournalUnavailable."""
    try:
        await api.request(f"STREAM.INFO.{api.stream}", {})
    except ApiRefused as refused:
        if refused.code == _NO_STREAM:
            return False
        raise JournalUnavailable(str(refused)) from refused
    return True


async def empty(api: StreamApi) -> None:
    """Remove everything in it. Raises JournalUnavailable."""
    try:
        await api.request(f"STREAM.PURGE.{api.stream}", {})
    except ApiRefused as refused:
        raise JournalUnavailable(str(refused)) from refused
