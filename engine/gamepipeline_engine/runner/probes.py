"""Asking a service whether it is ready, over the network."""

from __future__ import annotations

import asyncio
from typing import Protocol

import aiohttp


class Prober(Protocol):
    """One question, one answer; never an exception for a service that does not answer."""

    async def http(self, host: str, port: int, path: str, limit: float) -> int | None:
        """Status of ``GET http://host:port/path`` without following redirects; None without an answer."""
        ...

    async def tcp(self, host: str, port: int, limit: float) -> bool:
        """Whether somebody accepts a connection within ``limit`` seconds."""
        ...


class NetworkProber:
    """The real network."""

    async def http(self, host: str, port: int, path: str, limit: float) -> int | None:
        """See Prober."""
        timeout = aiohttp.ClientTimeout(total=limit)
        try:
            # A session a probe: a service that restarts must not meet a connection of its past life.
            async with (
                aiohttp.ClientSession(timeout=timeout, trust_env=False) as session,
                session.get(f"http://{host}:{port}{path}", allow_redirects=False) as response,
            ):
                return response.status
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            return None

    async def tcp(self, host: str, port: int, limit: float) -> bool:
        """See Prober."""
        try:
            async with asyncio.timeout(limit):
                _, writer = await asyncio.open_connection(host, port)
        except (OSError, TimeoutError):
            return False
        writer.close()
        return True
