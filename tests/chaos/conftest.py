"""What the chaos tests have to say when they pass, too: seeds, kills, counts."""

from __future__ import annotations

from collections.abc import Callable

import pytest

_KEY = "chaos"


@pytest.fixture
def say(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Show a line at the end of the run, whichever worker it comes from."""

    def note(line: str) -> None:
        record_property(_KEY, line)

    return note


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what was said."""
    reports = [one for name in ("passed", "failed") for one in terminalreporter.stats.get(name, ())]
    lines = [str(value) for one in reports for key, value in one.user_properties if key == _KEY]
    if lines:
        terminalreporter.section("chaos")
    for line in lines:
        terminalreporter.write_line(line)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The storm takes longest, so it begins first. All others stay in their order."""
    items.sort(key=lambda one: "test_storm" not in one.nodeid)
