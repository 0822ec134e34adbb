"""Streams for agents."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.agents import Streams, streams
from tests.support.nats import NatsServer


@pytest.fixture
async def here(nats_server: NatsServer) -> AsyncIterator[Streams]:
    """Streams of this test alone."""
    async with streams(nats_server.url) as made:
        yield made
