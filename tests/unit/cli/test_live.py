"""The live tree, drawn without a terminal."""

from __future__ import annotations

import io

from rich.console import Console

from gamepipeline_engine.cli.render.live import pull_bar, tree
from gamepipeline_engine.cli.render.view import RunView
from tests.unit.cli.histories import (
    BETWEEN,
    FAILING,
    START,
    history,
    running,
    scheduled,
    started,
    step,
    submitted,
    view_of,
)

NOW = START + 30 * BETWEEN


def drawn(view: RunView, *, height: int = 24, width: int = 100, unicode: bool = True, hint: str = "") -> list[str]:
    """The lines on a screen without colours."""
    screen = io.StringIO()
    console = Console(file=screen, width=width, height=height, no_color=True, force_terminal=False)
    console.print(tree(view, NOW, height=height, unicode=unicode, hint=hint))
    return [line.rstrip() for line in screen.getvalue().splitlines()]


def test_a_line_for_each_step() -> None:
    """Mark, id, state, time and what matters now: the endpoint, the failure."""
    assert drawn(view_of(FAILING)) == [
        "Platform Start  start-1  failed  24.0s",
        "├── ✔ fetch  completed  1.5s",
        "├── ✔ game  ready  3.0s  0.0.0.0:49153->8080/tcp",
        "├── ✖ verify  failed (attempt 2)  1.5s  exit_nonzero: ended with exit code 3",
        "└── - report  skipped",
    ]


def test_the_last_line_of_a_running_step_is_shown() -> None:
    """The newest line that is not blank, without control characters."""
    view = view_of(history("x", submitted(step("a")), started(1), scheduled("a"), running("a")))
    view.line("a", "half \x1b[31mway")
    view.line("a", "   ")
    assert drawn(view)[1] == "└── ▶ a  running  39.0s  half \ufffd[31mway"


def test_a_pull_is_a_bar_until_the_step_runs() -> None:
    """Progress messages move it; the start ends it; nonsense changes nothing."""
    events = history("x", submitted(step("a")), started(1), scheduled("a"), running("a"))
    view = view_of(events[:3])
    view.progress("a", b'{"current": 1000000, "total": 4000000, "layers_done": 0, "layers": 2}')
    view.progress("a", b"nonsense")
    assert drawn(view)[1] == "└── ▶ a  scheduled  40.5s  █████░░░░░░░░░░░░░░░ 25% 1.0 MB of 4.0 MB"
    view.event(events[3])
    assert "MB" not in drawn(view)[1]


def test_a_pull_of_unknown_size_shows_bytes() -> None:
    """No percentage is invented."""
    assert pull_bar(None, 1500, 0, unicode=True) == "pulling 1.5 KB"


def test_plain_characters_where_the_terminal_has_no_others() -> None:
    """Marks and bars have an ASCII form."""
    lines = drawn(view_of(FAILING), unicode=False)
    assert [line.split()[1] for line in lines[1:]] == ["+", "+", "x", "-"]
    assert pull_bar(0.5, 1, 2, unicode=False).isascii()


def test_a_tree_never_is_higher_than_the_screen() -> None:
    """What goes on stays visible, what is done is counted."""
    names = [f"s{number:02d}" for number in range(40)]
    steps = [step(name, needs=[]) for name in names]
    view = view_of(history("x", submitted(*steps), started(40), scheduled("s39"), running("s39")))
    lines = drawn(view, height=10)
    assert len(lines) <= 10
    assert any("s39" in line for line in lines)
    assert lines[-1] == "└── and 33 pending"


def test_a_long_line_is_cut_not_wrapped() -> None:
    """One step stays one line."""
    view = view_of(history("x", submitted(step("a")), started(1), scheduled("a"), running("a")))
    view.line("a", "y" * 500)
    lines = drawn(view, width=60)
    assert len(lines) == 2
    assert len(lines[1]) <= 60


def test_a_hint_stands_behind_the_name() -> None:
    """Ctrl-C is answered where the eye is."""
    assert drawn(view_of(FAILING[:2]), hint="canceling")[0].endswith("canceling")
