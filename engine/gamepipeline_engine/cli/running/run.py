"""``gamepipeline run``."""

from __future__ import annotations

import click

from gamepipeline_engine.cli.options import (
    Settings,
    args_option,
    env_options,
    nats_option,
    output_option,
)


@click.command("run")
@click.argument("file", type=click.Path(dir_okay=False), required=False)
@args_option
@env_options
@click.option("--id", "given_id", metavar="ID", help="Id of the run; the same call again is the same run.")
@click.option(
    "--workspace",
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False),
    help="The workspace starts with a copy of this folder.",
)
@click.option("--detach", is_flag=True, help="Leave it to an engine in the background; print the id.")
@click.option("--trust", is_flag=True, help="You are the operator: lift this node's policy for this run.")
@click.option("--resume", metavar="ID", help="Take up a run whose process died, instead of FILE.")
@output_option
@nats_option
def command(  # noqa: PLR0913 - one for each option
    *,
    file: str | None,
    args: dict[str, str],
    envs: dict[str, str],
    env_files: tuple[str, ...],
    given_id: str | None,
    workspace: str | None,
    resume: str | None,
    output: str,
    detach: bool,
    trust: bool,
) -> int:
    """Run the pipeline in FILE here and show its progress (on stderr).

    Ctrl-C cancels it; a second one lets it go: it runs on, watched by an engine in the background,
    which also watches the services that a run leaves. Exit code: 0 completed, 1 failed,
    2 rejected, 4 timed out, 5 canceled, 130 let go.
    """
    from gamepipeline_engine.cli.running.options import RunOptions

    options = RunOptions(
        args=args,
        envs=envs,
        env_files=env_files,
        given_id=given_id,
        workspace=workspace,
        detach=detach,
        trust=trust,
        resume=resume,
        output=output,
    )
    options.check(file)
    from gamepipeline_engine.cli.loop import run_async
    from gamepipeline_engine.cli.naming import check_id
    from gamepipeline_engine.cli.offline.file import load_job
    from gamepipeline_engine.cli.running.local import detach as leave
    from gamepipeline_engine.cli.running.local import resume as take_up
    from gamepipeline_engine.cli.running.local import run

    check_id(given_id)
    settings = Settings.current()
    if resume is not None:
        return run_async(take_up(settings, resume, options))
    job = load_job(str(file), args)
    return run_async(leave(settings, job, options) if detach else run(settings, job, options))
