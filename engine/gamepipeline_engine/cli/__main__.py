"""``python -m gamepipeline_engine.cli``: the same as ``gamepipeline``, for the engine in the background."""

from __future__ import annotations

from gamepipeline_engine.cli import main

main()
