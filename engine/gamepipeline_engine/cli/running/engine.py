"""``gamepipeline engine``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from gamepipeline_engine.cli.options import Settings, nats_option

if TYPE_CHECKING:
    from gamepipeline_engine.config import Config
    from gamepipeline_engine.engine import GamePipelineEngine


@click.command("engine")
@click.option("--node", metavar="N", help="Name of this node (else the configuration's, else the host name).")
@click.option("--pool", "pools", multiple=True, metavar="P", help="A pool to serve; repeatable.")
@click.option("--capacity", type=click.IntRange(1, 1000), metavar="K", help="Pipelines at once.")
@click.option("--config", "config_file", metavar="F", type=click.Path(dir_okay=False), help="Configuration (TOML).")
@click.option("--until-idle", is_flag=True, help="End when no pipeline runs and no service is watched.")
@click.option("--background", is_flag=True, hidden=True)
@nats_option
def command(
    node: str | None,
    pools: tuple[str, ...],
    capacity: int | None,
    config_file: str | None,
    *,
    until_idle: bool,
    background: bool,
) -> None:
    """Serve pools of pipelines on this node, until SIGTERM or SIGINT.

    Prints {"ready":true,...} on stdout once it serves; its log goes to stderr, as JSON lines. At
    the end it lets its pipelines go: their containers run on, the next engine takes them up.
    """
    from gamepipeline_engine.cli.loop import run_async
    from gamepipeline_engine.cli.running.logging import log_to_stderr
    from gamepipeline_engine.cli.running.serving import serve
    from gamepipeline_engine.config import load_config

    log_to_stderr()
    config = with_options(load_config(config_file), node, pools, capacity)
    engine = _make(config, Settings.current(), pools, background=background)
    run_async(serve(engine, until_idle=until_idle))


def with_options(config: Config, node: str | None, pools: tuple[str, ...], capacity: int | None) -> Config:
    """The configuration with what the command line says instead. Raises click.UsageError."""
    import msgspec

    chosen = {"name": node, "pools": pools or None, "capacity": capacity}
    try:
        changed = msgspec.structs.replace(config.node, **{key: value for key, value in chosen.items() if value})
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    return msgspec.structs.replace(config, node=changed)


def _make(config: Config, settings: Settings, pools: tuple[str, ...], *, background: bool) -> GamePipelineEngine:
    """The node's engine; or one that goes on for a command that has ended.

    That one runs its private pool, or looks after what others leave on this Docker daemon. It
    offers what its starter would have: the caller's environment.
    """
    from gamepipeline_engine.cli.known import KNOWN
    from gamepipeline_engine.engine import GamePipelineEngine
    from gamepipeline_engine.variables import run_variables

    if not background:
        return GamePipelineEngine(config, nats_url=settings.nats, known=KNOWN)
    return GamePipelineEngine(
        config,
        pools=pools,
        private=bool(pools),
        daemon=False,
        nats_url=settings.nats,
        variables=run_variables(config.variables, os.environ),
        known=KNOWN,
    )
