"""What a container's recorded happenings say of how its last run came to its end. Pure.

The daemon notes whom it signals (``kill``: docker kill, stop, restart), and notes nothing when a
process ends itself. It keeps its last 256 events and forgets them when it restarts: so only a
history that reaches to the container's end can say that nobody was there.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from gamepipeline_engine.containers.port import History

STOP_SIGNALS = frozenset({2, 3, 9, 15, 28, 37})
"""INT, QUIT, KILL, TERM, WINCH, RTMIN+3: what images ask to be stopped with. A container may answer with any code."""

ANSWER_WITHIN = 30.0
"""Seconds after a stop signal within which an end counts as the answer to it."""

_JUST_BEFORE = 1e-5
"""Seconds by which a time on the wire may be cut off."""


class Happening(msgspec.Struct, frozen=True, kw_only=True):
    """One event of a container: ``kill`` with its signal, ``die``, ``start``, ``restart``. Times in seconds."""

    action: str
    time: float
    signal: int | None = None


def is_the_end(one: Happening, finished: float) -> bool:
    """Whether ``one`` is the daemon's note of the end at ``finished``."""
    return one.action == "die" and one.time >= finished - _JUST_BEFORE


def judge(happenings: Sequence[Happening], *, finished: float, exit_code: int | None) -> History:
    """The history of a container whose last run ended at ``finished`` with ``exit_code``."""
    begun = max((one.time for one in happenings if one.action == "start" and one.time <= finished), default=0.0)
    return History(
        known=any(is_the_end(one, finished) for one in happenings),
        whole=any(one.action == "start" for one in happenings),
        killed=any(_ended_it(one, finished, exit_code) for one in happenings if one.time >= begun),
        restarted=any(one.action == "restart" for one in happenings),
    )


def _ended_it(one: Happening, finished: float, exit_code: int | None) -> bool:
    if one.action != "kill" or one.signal is None:
        return False
    # A note dated after the end counts, too: the daemon notes a signal once it is sent, when a quick handler is done.
    soon = one.signal in STOP_SIGNALS and finished - one.time <= ANSWER_WITHIN
    return soon or exit_code == 128 + one.signal
