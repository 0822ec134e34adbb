"""The GPUs among the devices a container asks for: which those are, and each by the id that was given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

GPU = "gpu"
ALL = -1


def is_gpu(request: dict[str, Any]) -> bool:
    """Whether a device request is for GPUs."""
    return any(GPU in group for group in request.get("Capabilities") or [])


def is_cdi_gpu(name: str) -> bool:
    """Whether a CDI name is that of a GPU, such as ``nvidia.com/gpu=0``."""
    return name.partition("=")[0].endswith(f"/{GPU}")


def is_same(gpu: str, name: str) -> bool:
    """Whether the GPU of the inventory is the one that is called ``name``: one of the two may be a CDI name."""
    if is_cdi_gpu(gpu) == is_cdi_gpu(name):
        return gpu == name
    return _bare(gpu) == _bare(name)


def _bare(name: str) -> str:
    return name.partition("=")[2] if is_cdi_gpu(name) else name


def by_id(requests: Sequence[dict[str, Any]], cdi: Sequence[str], given: Sequence[str]) -> list[dict[str, Any]]:
    """The requests with the ids that were given instead of numbers: never a count, never all there are.

    Those that are asked for by name, in ``cdi`` too, are not meant by a number.
    """
    named = [*cdi, *(gpu for one in requests if is_gpu(one) for gpu in one.get("DeviceIDs", ()))]
    rest = [gpu for gpu in given if not any(is_same(gpu, name) for name in named)]
    found = []
    for one in requests:
        if not is_gpu(one) or "Count" not in one:
            found.append(one)
            continue
        count = one["Count"]
        ids = list(given) if count == ALL else rest[:count]
        rest = rest if count == ALL else rest[count:]
        found.append(_request(one, ids))
    return found


def _request(written: dict[str, Any], ids: list[str]) -> dict[str, Any]:
    """The request for exactly these. CDI names go to Docker's own driver for them, unless another one is written."""
    if written.get("Driver", "") in {"", "cdi"} and ids and all(map(is_cdi_gpu, ids)):
        return {"Driver": "cdi", "DeviceIDs": ids}
    rest = {key: value for key, value in written.items() if key != "Count"}
    return rest | {"DeviceIDs": [_bare(gpu) for gpu in ids]}


def cdi_names(name: str, given: Sequence[str]) -> list[str]:
    """The CDI name itself; for all GPUs of a kind those of each that was given."""
    kind, _, device = name.partition("=")
    if not is_cdi_gpu(name) or device != "all":
        return [name]
    return [gpu if "=" in gpu else f"{kind}={gpu}" for gpu in given]
