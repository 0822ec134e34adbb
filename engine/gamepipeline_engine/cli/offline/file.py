"""Reading the pipeline file for any command: every problem is said, then the command ends."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from gamepipeline_engine.cli.exits import Exit
from gamepipeline_engine.cli.output import note

if TYPE_CHECKING:
    from gamepipeline_engine.variables import NodeVariables, Resolved
    from gamepipeline_events import Problem
    from gamepipeline_events.spec.resolved import ResolvedPipeline
    from gamepipeline_projections.pipelinefile import Loaded

STDIN = "-"


@dataclass(frozen=True)
class Job:
    """A checked file and its arguments: ``args`` as given, ``values`` with the defaults filled in; ``name`` to show."""

    document: dict[str, Any]
    pipeline: ResolvedPipeline
    args: dict[str, str]
    values: dict[str, str]
    name: str = "pipeline"


def load(file: str) -> Loaded:
    """What is in ``file`` (``-``: on stdin). Never raises for what it holds."""
    from gamepipeline_projections.pipelinefile import load_file, load_text

    return load_text(sys.stdin.buffer.read(), "<stdin>") if file == STDIN else load_file(file)


def load_job(file: str, args: Mapping[str, str]) -> Job:
    """The pipeline in ``file`` with ``args``; warnings go to stderr. With any error: all of them, exit 2."""
    from gamepipeline_events.spec.arguments import bind_arguments

    loaded = load(file)
    for line in loaded.format_problems():
        note(line)
    if loaded.pipeline is None or loaded.document is None:
        raise click.exceptions.Exit(Exit.USAGE)
    values, problems = bind_arguments(loaded.pipeline, args)
    for problem in problems:
        for line in argument_lines(loaded.name, problem):
            note(line)
    if any(problem.severity == "error" for problem in problems):
        raise click.exceptions.Exit(Exit.USAGE)
    return Job(loaded.document, loaded.pipeline, dict(args), values, loaded.name)


def refuse_secrets(job: Job, variables: NodeVariables) -> None:
    """End the call with exit 2 when an argument tells a secret that this caller has: nothing of it may be stored.

    Warns of secrets that are too short to be masked.
    """
    from gamepipeline_engine.cli.known import KNOWN
    from gamepipeline_engine.variables import secret_arguments

    values = variables.resolve(job.pipeline.envs, job.pipeline.secrets)
    KNOWN.add(values.secrets.values())
    for line in short_secrets(values):
        note(line)
    problems = secret_arguments(values, job.values)
    for problem in problems:
        for line in argument_lines(job.name, problem):
            note(line)
    if problems:
        raise click.exceptions.Exit(Exit.USAGE)


def short_secrets(values: Resolved) -> list[str]:
    """A warning for each secret that is too short to be masked in what the steps print."""
    from gamepipeline_engine.redaction import MIN_LENGTH, unmaskable

    return [
        f"warning: the secret {name} has fewer than {MIN_LENGTH} bytes: it is not masked where it is printed"
        for name in unmaskable(values.secrets)
    ]


def argument_lines(name: str, problem: Problem) -> list[str]:
    """A problem with an argument: the file has no place for it but its declaration."""
    lines = [f"{name}: {problem.severity}[{problem.code}]: {problem.message}"]
    return [*lines, f"    hint: {problem.hint}"] if problem.hint else lines
