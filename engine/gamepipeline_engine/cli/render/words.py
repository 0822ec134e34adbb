"""Small words: times, durations, sizes, endpoints, marks. Pure."""

from __future__ import annotations

from gamepipeline_events import Endpoint
from gamepipeline_events.times import moment

MARKS = {
    "completed": "✔",
    "failed": "✖",
    "rejected": "✖",
    "timed_out": "✖",
    "canceled": "■",
    "skipped": "-",
    "running": "▶",
    "pending": "·",
    "not_started": "·",
}
ASCII_MARKS = {
    "completed": "+",
    "failed": "x",
    "rejected": "x",
    "timed_out": "x",
    "canceled": "#",
    "skipped": "-",
    "running": ">",
    "pending": ".",
    "not_started": ".",
}
COLOURS = {
    "completed": "green",
    "ready": "green",
    "failed": "red",
    "rejected": "red",
    "timed_out": "red",
    "exited": "red",
    "canceled": "yellow",
    "unknown": "yellow",
    "running": "cyan",
    "starting": "cyan",
    "stopping": "cyan",
}


def queue(name: str, limit: int, kind: str = "group") -> str:
    """What a ticket is for."""
    if kind == "gpu":
        return f"GPUs (the node has {limit})"
    return f"a place in the group {name}" + (f" (of {limit})" if limit > 1 else "")


def duration(seconds: float) -> str:
    """``0.4s``, ``12.3s``, ``2m05s``, ``3h07m``, ``4d02h``."""
    if seconds < 59.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    return f"{whole // 86400}d{whole % 86400 // 3600:02d}h"


def span(start: str | None, end: str | None) -> str:
    """The time between two wire times; empty unless both are known."""
    if start is None or end is None:
        return ""
    return duration(max(0.0, (moment(end) - moment(start)).total_seconds()))


def short_time(text: str | None) -> str:
    """A wire time to the second, as it may be typed: ``2026-11-23T18:10:41Z``."""
    return "" if text is None else f"{text[:19]}Z"


def size(amount: float) -> str:
    """``512 B``, ``1.5 KB``, ``12.0 MB``."""
    for unit in ("B", "KB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} B" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"


def endpoint(one: Endpoint) -> str:
    """``127.0.0.1:49153->8080/tcp``: where it answers, and what that is inside."""
    host = f"[{one.host_ip}]" if ":" in one.host_ip else one.host_ip
    return f"{host}:{one.host_port}->{one.container_port}/{one.protocol}"


def endpoints(many: list[Endpoint]) -> str:
    """All of them, each once, separated by commas."""
    return ", ".join(dict.fromkeys(endpoint(one) for one in many))
