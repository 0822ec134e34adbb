"""A question before something is thrown away."""

from __future__ import annotations

import sys

import click

from gamepipeline_engine.cli.exits import CliError, Exit


def confirm(question: str) -> None:
    """Ask it on a terminal. Raises CliError where nobody can answer, click.Abort for a no."""
    if not sys.stdin.isatty():
        raise CliError(Exit.USAGE, "nobody is there to be asked", "give --yes, or --check to compare only")
    click.confirm(question, abort=True, err=True)
