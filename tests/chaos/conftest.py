"""What the chaos tests have to say when they pass, too: seeds, kills, counts."""

from __future__ import annotations

from collections.abc import Callable

import pytest

_SAID: list[str] = []


@pytest.fixture
def say() -> Callable[[str], None]:
    """Show a line at the end of the run."""
    return _SAID.append


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what was said."""
    if _SAID:
        terminalreporter.section("chaos")
    for line in _SAID:
        terminalreporter.write_line(line)
