"""The GPUs that a Docker engine says it has, by name or by CDI (Container Device Interface)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

KIND = "nvidia.com/gpu"
_PREFIX = f"{KIND}="
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.:-]{0,126}[A-Za-z0-9])?")
_INDEX = re.compile(r"\d{1,4}(?::\d{1,4})?")
"""``0``, or ``0:1`` for a part of it (MIG)."""

_MOST = 1024
"""Devices that are looked at; a node has some tens of names."""


def gpus_in(info: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Their ids, from the answer to ``/info``: what ``node-generic-resources`` of ``daemon.json`` names.

    A resource is a GPU when its kind is called so, as in ``NVIDIA-GPU=GPU-3f0b``. Without any, the CDI
    devices that Docker 28 and newer discovers, as ``nvidia.com/gpu=0``. None: it names none.
    """
    named = [one.get("NamedResourceSpec") or {} for one in info.get("GenericResources") or ()]
    found = [str(one.get("Value") or "") for one in named if "gpu" in str(one.get("Kind") or "").lower()]
    if any(found):
        return tuple(dict.fromkeys(filter(None, found)))
    ids = [str(one.get("ID") or "") for one in mappings(info.get("DiscoveredDevices"))]
    names = one_name_each(name.removeprefix(_PREFIX) for name in ids if name.startswith(_PREFIX))
    return tuple(_PREFIX + name for name in names) or None


def gpus_of_specs(names: Iterable[str], info: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Ids for the device names of CDI specifications; None: there are none.

    CDI names where this daemon understands them, which it says by the folders it reads. Else the bare
    names, index or UUID: NVIDIA's own runtime knows the same GPUs by these.
    """
    prefix = _PREFIX if info.get("CDISpecDirs") else ""
    return tuple(prefix + name for name in one_name_each(names)) or None


def one_name_each(names: Iterable[str]) -> Sequence[str]:
    """Each GPU once: NVIDIA's specifications name the same one by its index and by its UUID, and ``all`` is none.

    The indexes where there are any, else all other names. A GPU whose parts are named is these parts.
    """
    known = [name for name in list(dict.fromkeys(names))[:_MOST] if name != "all" and _NAME.fullmatch(name)]
    found = [name for name in known if _INDEX.fullmatch(name)] or known
    in_parts = {name.partition(":")[0] for name in found if _INDEX.fullmatch(name) and ":" in name}
    return [name for name in found if name not in in_parts]


def mappings(value: object) -> list[Mapping[str, Any]]:
    """The mappings of a list that somebody else wrote; whatever else is in it is left out."""
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []
