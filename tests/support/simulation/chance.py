"""Everything random of a run, from its seed: streams of chance that do not disturb each other, and ids."""

from __future__ import annotations

import random
from datetime import datetime

from ulid import ULID


class Chances:
    """One seed, any number of streams: a new question in one place changes no answer in another."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def stream(self, name: str) -> Chance:
        """The stream of that name, from its beginning."""
        return Chance(f"{self.seed}/{name}")


class Chance(random.Random):
    """A stream of random numbers with the questions that a simulation asks."""

    def happens(self, probability: float) -> bool:
        """Whether something does that does so once in 1/``probability`` times."""
        return self.random() < probability

    def brief(self, longest: float) -> float:
        """A duration that is mostly short and sometimes as long as ``longest``."""
        return longest * self.random() ** 6

    def new_id(self, now: datetime) -> str:
        """A ULID of that moment."""
        milliseconds = int(now.timestamp() * 1000)
        return str(ULID(milliseconds.to_bytes(6) + self.getrandbits(80).to_bytes(10)))
