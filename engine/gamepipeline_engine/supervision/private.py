"""Private pools: a ``run`` in somebody's terminal is an engine that nobody else shares.

run-<ulid>        when its process is gone, an engine on the same daemon may go on with its pipeline
run-<ulid>-own    it had variables or a trust that no other process has: only it can go on
"""

from __future__ import annotations

_PREFIX = "run-"
_BOUND = "-own"


def private_pool(unique: str, *, bound: bool) -> str:
    """The name of a private pool; ``unique`` is a ULID."""
    return f"{_PREFIX}{unique.lower()}{_BOUND if bound else ''}"


def is_private(pool: str) -> bool:
    """Whether ``pool`` belongs to one process."""
    return pool.startswith(_PREFIX)


def is_bound(pool: str) -> bool:
    """Whether only the process that owned ``pool`` can run its pipelines."""
    return pool.startswith(_PREFIX) and pool.endswith(_BOUND)
