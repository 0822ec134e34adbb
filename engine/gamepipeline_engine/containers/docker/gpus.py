"""The GPUs that a Docker engine says it has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def gpus_in(info: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Their ids, from the answer to ``/info``: what ``node-generic-resources`` of ``daemon.json`` names.

    A resource is a GPU when its kind is called so, as in ``NVIDIA-GPU=GPU-3f0b``. None: it names none.
    """
    named = [one.get("NamedResourceSpec") or {} for one in info.get("GenericResources") or ()]
    found = [str(one.get("Value") or "") for one in named if "gpu" in str(one.get("Kind") or "").lower()]
    return tuple(dict.fromkeys(filter(None, found))) or None
