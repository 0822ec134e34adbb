"""Fixtures of the broker's tests."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.broker.helpers import Place, User


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A state folder of this test's own; whatever server is left in it is killed."""
    here = Place(tmp_path / "state")
    yield here
    here.kill_server()
    assert not here.folder.path.exists() or here.folder.store_is_free()


@pytest.fixture
def new_user(place: Place) -> Iterator[Callable[[], User]]:
    """Starts users of the state folder; those that are left are killed."""
    users: list[User] = []

    def start() -> User:
        users.append(User(place.state))
        return users[-1]

    yield start
    for user in users:
        if user.process.returncode is None:
            user.kill()
