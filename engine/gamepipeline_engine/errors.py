"""Errors of the engine's Python interface.

GamePipelineError                all of them are of the events package: the agent raises the same
├── Invalid                      the document has problems; ``errors`` holds all
├── NotFound                     no pipeline has this id
├── Conflict                     the id belongs to another pipeline
└── Unavailable                  NATS or Docker is not there; ``fix`` says what to do
"""

from __future__ import annotations

from gamepipeline_events import Conflict, GamePipelineError, Invalid, NotFound, Unavailable

__all__ = ["Conflict", "GamePipelineError", "Invalid", "NotFound", "Unavailable"]
