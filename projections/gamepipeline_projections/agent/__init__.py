"""The client that other services embed, and the keeper of what they may read. No Docker in here.

agent      GamePipelineAgent: its life, and the models it keeps
calls      execute, cancel, get, watch, wait
link       one connection to NATS and what reads and sends through it
keeper     folds every event and keeps the models up to date
models     the bucket of models, written by compare-and-set
index      one line of every pipeline, for lists
service    the NATS micro service that answers for those who have no Python
"""

from __future__ import annotations

from gamepipeline_projections.agent.agent import GamePipelineAgent

__all__ = ["GamePipelineAgent"]
