"""The runner: it owns one pipeline and is the only thing that does I/O for it."""

from __future__ import annotations

from gamepipeline_engine.runner.host import Host
from gamepipeline_engine.runner.runner import Runner
from gamepipeline_engine.runner.writer import Fenced, Writer

__all__ = ["Fenced", "Host", "Runner", "Writer"]
