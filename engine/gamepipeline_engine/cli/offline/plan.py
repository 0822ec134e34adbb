"""``gamepipeline plan``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from gamepipeline_engine.cli.options import TABLE, args_option, env_options, file_argument, output_option

if TYPE_CHECKING:
    from gamepipeline_engine.cli.offline.preview import Preview


@click.command("plan")
@file_argument
@args_option
@env_options
@output_option
def command(file: str, args: dict[str, str], envs: dict[str, str], env_files: tuple[str, ...], output: str) -> None:
    """Show the order of the steps and the container each becomes. Starts nothing.

    Needs neither Docker nor NATS. Secrets show as ***; what only a run knows, as <name>.
    """
    from gamepipeline_engine.cli.offline.file import load_job, short_secrets
    from gamepipeline_engine.cli.offline.preview import preview, refusals
    from gamepipeline_engine.cli.output import emit, note
    from gamepipeline_engine.config import load_config
    from gamepipeline_engine.variables import run_variables

    job = load_job(file, args)
    config = load_config()
    variables = run_variables(
        config.variables,
        os.environ,
        given=envs,
        env_files=env_files,
        # Who plans need not be who runs: a file of the node may be for the engine's user only.
        unreadable=lambda why: note(f"warning: {why}; its variables are unknown here"),
    )
    values = variables.resolve(job.pipeline.envs, ())
    secret = frozenset(name for name in job.pipeline.envs if variables.is_secret(name))
    found = preview(job, values.envs, secret, config.container_defaults())
    for name in found.missing:
        note(f"warning: the variable {name} has no value here, it is shown as <envs.{name}>")
    for line in refusals(job, values.envs, secret, config):
        note(line)
    for line in short_secrets(variables.resolve(job.pipeline.envs, job.pipeline.secrets)):
        note(line)
    if output == TABLE:
        click.echo(_text(found), nl=False)
    else:
        emit(found, output)


def _text(found: Preview) -> str:
    import yaml

    from gamepipeline_engine.cli.output import clean, columns

    rows = (
        (
            str(step.level),
            step.id,
            step.type,
            step.image or "",
            ", ".join(step.needs),
            "" if step.when == "on_success" else step.when,
        )
        for step in sorted(found.steps, key=lambda step: step.level)
    )
    text = f"{clean(found.name)}, pool {found.pool}, at most {found.max_parallel} at once\n\n"
    text += columns(("LEVEL", "STEP", "TYPE", "IMAGE", "NEEDS", "WHEN"), rows)
    for step in found.steps:
        body = step.container if step.container is not None else {"problem": step.problem}
        text += "\n" + yaml.safe_dump({step.id: body}, sort_keys=False, allow_unicode=False, width=120)
    return text
