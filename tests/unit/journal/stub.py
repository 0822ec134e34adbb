"""A client that answers as it is told, message by message."""

from collections.abc import Awaitable, Callable
from typing import Any, cast

from nats.aio.client import Client
from nats.aio.msg import Msg

Answer = tuple[dict[str, str], bytes, str]
"""Headers, data, reply subject."""


class StubSubscription:
    """Takes the end of a subscription."""

    async def unsubscribe(self) -> None:
        """Nothing to do."""


class StubClient:
    """Hands the next script of answers to whoever publishes a request."""

    def __init__(self) -> None:
        self.is_connected = True
        self.is_closed = False
        self.stats = {"reconnects": 0}
        self.scripts: list[list[Answer]] = []
        self.published: list[str] = []
        self.max_payload = 1024 * 1024
        self.replies: dict[str, bytes] = {}
        self._callback: Callable[[Msg], Awaitable[None]] | None = None

    def new_inbox(self) -> str:
        """Any."""
        return "_INBOX.stub"

    async def subscribe(self, subject: str, cb: Callable[[Msg], Awaitable[None]]) -> StubSubscription:
        """Remember who listens."""
        self._callback = cb
        return StubSubscription()

    async def publish(self, subject: str, payload: bytes, reply: str) -> None:
        """Answer with the next script."""
        self.published.append(subject)
        for headers, data, back in self.scripts.pop(0) if self.scripts else []:
            message = Msg(
                _client=cast("Client", self),
                subject="root.events.p.X" if back else reply,
                reply=back,
                data=data,
                headers=headers or None,
            )
            assert self._callback is not None
            await self._callback(message)

    async def request(self, subject: str, payload: bytes, timeout: float) -> Any:
        """Answer an API request."""
        self.published.append(subject)
        found = next((data for key, data in self.replies.items() if key in subject), b"{}")
        return Msg(_client=cast("Client", self), data=found)
