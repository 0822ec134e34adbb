"""``gamepipeline validate``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from gamepipeline_engine.cli.exits import Exit
from gamepipeline_engine.cli.options import TABLE, file_argument, output_option

if TYPE_CHECKING:
    from gamepipeline_events import Problem
    from gamepipeline_projections.pipelinefile import Loaded


@click.command("validate")
@file_argument
@output_option
def command(file: str, output: str) -> None:
    """Check a pipeline file (- for stdin) and report every problem in it, each with its place.

    Needs neither Docker nor NATS. Exit code 2 when there is an error.
    """
    from gamepipeline_engine.cli.offline.file import load
    from gamepipeline_engine.cli.output import columns, emit, note

    loaded = load(file)
    if output != TABLE:
        emit(report(loaded), output)
    else:
        for line in loaded.format_problems():
            note(line)
        if loaded.pipeline is not None:
            count = len(loaded.pipeline.steps)
            click.echo(f"{loaded.name}: valid, {count} step{'s' if count != 1 else ''}")
            if any(step.matrix for step in loaded.pipeline.steps):
                rows = ((step.id, step.name, _values(step.matrix)) for step in loaded.pipeline.steps)
                click.echo(columns(("STEP", "NAME", "MATRIX"), rows), nl=False)
    if loaded.pipeline is None:
        raise click.exceptions.Exit(Exit.USAGE)


def report(loaded: Loaded) -> dict[str, Any]:
    """The findings as the contract words them, and the steps that are run when there is no error."""
    steps = loaded.pipeline.steps if loaded.pipeline is not None else ()
    return {
        "valid": loaded.pipeline is not None,
        "errors": [problem_row(loaded.name, one) for one in loaded.errors],
        "warnings": [problem_row(loaded.name, one) for one in loaded.warnings],
        "steps": [{"id": step.id, "name": step.name, "matrix": step.matrix} for step in steps],
    }


def _values(matrix: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in matrix.items())


def problem_row(file: str, problem: Problem) -> dict[str, Any]:
    """One problem. ``path`` as in ``steps[0].container.image``."""
    from gamepipeline_events.problems import format_path

    return {
        "code": problem.code,
        "message": problem.message,
        "hint": problem.hint,
        "file": file,
        "line": problem.line,
        "column": problem.column,
        "path": format_path(problem.path),
    }
