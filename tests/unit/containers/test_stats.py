"""The daemon's statistics as usage: replies as Docker gives them, with both kinds of cgroup."""

from __future__ import annotations

from typing import Any

import pytest

from gamepipeline_engine.containers.docker.stats import usage_of
from gamepipeline_events import Usage

READ = "2026-11-23T21:51:06.791988027Z"
CPU = {"cpu_usage": {"total_usage": 66_489_807, "percpu_usage": [48_598_166, 17_891_641]}}

REPLIES: dict[str, tuple[dict[str, Any], Usage | None]] = {
    "cgroup v1: the kernel keeps the peak": (
        {"read": READ, "cpu_stats": CPU, "memory_stats": {"usage": 335_872, "max_usage": 53_485_568, "stats": {}}},
        Usage(cpu_seconds=0.066489807, max_memory=53_485_568),
    ),
    "cgroup v2: what it is now": (
        {"read": READ, "cpu_stats": CPU, "memory_stats": {"usage": 335_872, "stats": {"anon": 4_096}}},
        Usage(cpu_seconds=0.066489807, max_memory=335_872),
    ),
    "no memory controller": (
        {"read": READ, "cpu_stats": CPU, "memory_stats": {"limit": 1}},
        Usage(cpu_seconds=0.066489807, max_memory=None),
    ),
    "created, or ended": (
        {"read": "0001-01-01T00:00:00Z", "cpu_stats": {"cpu_usage": {"total_usage": 0}}, "memory_stats": {}},
        None,
    ),
    "ended while it was asked for": (
        {"read": READ, "cpu_stats": {"cpu_usage": {"total_usage": 0}}, "memory_stats": {}},
        None,
    ),
}


@pytest.mark.parametrize("case", REPLIES)
def test_a_reply(case: str) -> None:
    """Seconds and bytes; None for what does not run."""
    reply, expected = REPLIES[case]
    assert usage_of(reply) == expected
