"""Short ways to documents."""

from typing import Any


def container(**fields: Any) -> dict[str, Any]:
    """A container with an image."""
    return {"image": "busybox", **fields}


def step(name: str = "a", **fields: Any) -> dict[str, Any]:
    """A step; ``container`` is an ordinary one unless given."""
    return {"name": name, "container": container(), **fields}


def pipeline(*steps: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A pipeline of these steps, or of one."""
    return {"name": "x", "steps": list(steps) or [step()], **fields}
