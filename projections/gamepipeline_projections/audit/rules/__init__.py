"""Every rule of the history checker, in the order of the reference.

chain      the records themselves: bytes, numbers, hashes, times
lifecycle  one beginning, one end, legal steps between them
ordering   which step may start when
ownership  who may write, under which epoch
intent     what is on record before it is done
attempts   attempts, retries and their budgets
artifacts  files that are kept
reruns     steps that are taken over from another run
outside    held against what others saw: logs, Docker, clients
"""

from __future__ import annotations

from gamepipeline_projections.audit.finding import Rule
from gamepipeline_projections.audit.rules import (
    artifacts,
    attempts,
    chain,
    intent,
    lifecycle,
    ordering,
    ownership,
    reruns,
)
from gamepipeline_projections.audit.rules.outside import commands, docker, logs

RULES: tuple[Rule, ...] = (
    *chain.RULES,
    *lifecycle.RULES,
    *ordering.RULES,
    *ownership.RULES,
    *intent.RULES,
    *attempts.RULES,
    *artifacts.RULES,
    *reruns.RULES,
    *logs.RULES,
    *docker.RULES,
    *commands.RULES,
)
