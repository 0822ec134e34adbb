"""One attempt to deliver one alert, to an address that was looked at first.

The name is resolved once, here; the connection goes to what was found and nowhere else: a name
that answers differently the second time gains nothing. No redirects, no proxies of the
environment, no cookies; five seconds for all of it; TLS certificates are verified.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import msgspec
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from gamepipeline_engine.alerts.delivery.addresses import refusal
from gamepipeline_engine.alerts.delivery.endpoint import Endpoint
from gamepipeline_engine.alerts.delivery.signature import headers

LIMIT = 4.5
BODY_WITHIN = 0.5
"""Seconds for the answer's status, and then for its body: five for one attempt."""

BODY_LIMIT = 64 * 1024
"""Bytes of an answer's body that are read; what they say means nothing."""

CONTENT_TYPE = "application/cloudevents+json; charset=utf-8"

_TEMPORARY = {408, 425, 429}
_HEADER_SAFE = re.compile(r"[!-~]{1,128}")

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""All addresses of a host. Raises OSError."""


class Delivered(msgspec.Struct, frozen=True):
    """The receiver has it."""


class Failed(msgspec.Struct, frozen=True):
    """Not now: try again."""

    why: str


class Rejected(msgspec.Struct, frozen=True):
    """Never: trying again gives the same answer."""

    why: str
    status: int | None = None


Outcome = Delivered | Failed | Rejected


class _Refused(Exception):
    """The name leads only to where nothing may be sent."""


class Sender:
    """Sends to one ``endpoint``. ``tls``: whom to trust; default: whom this machine trusts."""

    def __init__(
        self, endpoint: Endpoint, *, resolve: Resolve | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        self._endpoint = endpoint
        self._resolve = resolve or addresses_of
        self._tls = tls

    async def send(self, event_id: str, body: bytes, seconds: int) -> Outcome:
        """Deliver ``body`` as it is; ``seconds`` since 1970 is the time of this attempt. Never raises."""
        if not _HEADER_SAFE.fullmatch(event_id):
            return Rejected("the event's id cannot stand in a header")
        try:
            async with asyncio.timeout(LIMIT + BODY_WITHIN):
                return await self._post(event_id, body, seconds)
        except TimeoutError:
            return Failed("no answer in time")
        except _Refused as exc:
            return Failed(str(exc))
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            return Failed(_plain(exc))

    async def _post(self, event_id: str, body: bytes, seconds: int) -> Outcome:
        url = URL(self._endpoint.url)
        host, port = url.host or "", url.port or 0
        pinned = _Pinned(await self._permitted(host, port))
        connector = aiohttp.TCPConnector(
            resolver=pinned, use_dns_cache=False, force_close=True, limit=1, ssl=self._tls or True
        )
        session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=LIMIT),
            trust_env=False,
            auto_decompress=False,
        )
        sent = {
            "content-type": CONTENT_TYPE,
            "user-agent": "gamepipeline",
            **headers(self._endpoint.key, event_id, seconds, body),
        }
        async with session, session.post(url, data=body, headers=sent, allow_redirects=False) as response:
            # The status is the answer. Some receivers mind when nobody takes the body: for a moment it is taken.
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                async with asyncio.timeout(BODY_WITHIN):
                    await response.content.read(BODY_LIMIT)
            response.close()
            return judge(response.status)

    async def _permitted(self, host: str, port: int) -> list[str]:
        """The addresses of ``host`` to which something may be sent."""
        found = await self._resolve(host, port)
        reasons = {one: refusal(one, allow_private=self._endpoint.allow_private) for one in found}
        allowed = [one for one, reason in reasons.items() if reason is None]
        if not allowed:
            why = ", ".join(sorted({reason for reason in reasons.values() if reason})) or "nowhere"
            raise _Refused(f"the host name leads to: {why}; see allow_private")
        return allowed


class _Pinned(AbstractResolver):
    """Answers with what was looked at, whatever it is asked."""

    def __init__(self, addresses: list[str]) -> None:
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=one,
                port=port,
                family=socket.AF_INET6 if ":" in one else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for one in self._addresses
            if family in {socket.AF_UNSPEC, socket.AF_INET6 if ":" in one else socket.AF_INET}
        ]

    async def close(self) -> None:
        """Nothing is open."""


async def addresses_of(host: str, port: int) -> list[str]:
    """Ask the system, once."""
    loop = asyncio.get_running_loop()
    found: list[Any] = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def judge(status: int) -> Outcome:
    """What a status means. A redirect is not followed, and may be gone later: it is tried again."""
    if 200 <= status < 300:
        return Delivered()
    if 400 <= status < 500 and status not in _TEMPORARY:
        return Rejected(f"the receiver answered {status}", status)
    return Failed(f"the receiver answered {status}")


def _plain(error: BaseException) -> str:
    """What went wrong, without the text of the error: that may hold the URL."""
    if isinstance(error, OSError) and error.errno and error.errno > 0:
        return f"{type(error).__name__}: {os.strerror(error.errno)}"
    return type(error).__name__
