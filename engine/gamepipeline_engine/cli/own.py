"""What the caller has of the secrets of a pipeline: a command must not carry them into a stream."""

from __future__ import annotations

import os

from gamepipeline_engine.cli.known import KNOWN
from gamepipeline_engine.config import ConfigError, load_config
from gamepipeline_engine.variables import NodeVariables, run_variables
from gamepipeline_events.spec.check import check
from gamepipeline_projections import PipelineState


def own_variables() -> NodeVariables:
    """The files of the node, where the caller is a user who may read them, and the caller's environment."""
    config = load_config().variables
    try:
        return run_variables(config, os.environ)
    except ConfigError:
        return NodeVariables([os.environ], expose=config.expose, secret=config.secret)


def masked(text: str, state: PipelineState) -> str:
    """``text`` for a command about a pipeline: commands are stored as they are sent."""
    spec = check(state.document).pipeline if state.document else None
    if spec is not None:
        KNOWN.add(own_variables().resolve(spec.envs, spec.secrets).secrets.values())
    return KNOWN.text(text)
