"""How long and how hard, and the seed: all by environment, so that a run can be had again.

GAMEPIPELINE_CHAOS_SECONDS   for all chaos tests, three at a time (120); the storm takes what it is given,
                             the others what they need
GAMEPIPELINE_CHAOS_SEED      of the schedules and workloads; random, and printed, unless given
GAMEPIPELINE_CHAOS_KILLS     of the storm (at least 15; 1,000 with GAMEPIPELINE_TEST_FULL=1)
"""

from __future__ import annotations

import os
import secrets

_STORM = 0.6
"""The rest is for its beginning, and for everything to end."""


def is_full() -> bool:
    """Whether the long tests were asked for."""
    return os.environ.get("GAMEPIPELINE_TEST_FULL") == "1"


def storm_seconds() -> float:
    """Of faults in the storm."""
    return float(os.environ.get("GAMEPIPELINE_CHAOS_SECONDS", "120")) * _STORM


def kills_wanted() -> int:
    """Of the storm."""
    return int(os.environ.get("GAMEPIPELINE_CHAOS_KILLS", "1000" if is_full() else "15"))


def seed_of_run() -> str:
    """The seed that was given, else a new one."""
    return os.environ.get("GAMEPIPELINE_CHAOS_SEED") or secrets.token_hex(4)
