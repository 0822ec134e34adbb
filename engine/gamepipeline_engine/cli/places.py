"""The folders of this user, without importing what would use it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def state_folder(env: Mapping[str, str] | None = None) -> Path:
    """``$XDG_STATE_HOME/gamepipeline``: embedded NATS, locks, checkpoints, logs of background engines."""
    env = os.environ if env is None else env
    named = Path(env.get("XDG_STATE_HOME", ""))
    home = Path(env["HOME"]) if env.get("HOME") else Path.home()
    return (named if named.is_absolute() else home / ".local" / "state") / "gamepipeline"


def cache_folder(env: Mapping[str, str] | None = None) -> Path:
    """``$XDG_CACHE_HOME/gamepipeline``: what can be made again, as read models are."""
    env = os.environ if env is None else env
    named = Path(env.get("XDG_CACHE_HOME", ""))
    home = Path(env["HOME"]) if env.get("HOME") else Path.home()
    return (named if named.is_absolute() else home / ".cache") / "gamepipeline"
