"""A user of one's own for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.home import Home, home_in


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """A fresh user of the command line."""
    with home_in(tmp_path) as made:
        yield made
