"""The NATS server of the scenarios."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.nats import NatsServer, running_nats


@pytest.fixture(scope="session")
def scenario_nats(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    """One server a worker, for one engine at a time: its streams, and so its realm, are nobody else's."""
    with running_nats(tmp_path_factory.mktemp("scenario-nats")) as server:
        yield server
