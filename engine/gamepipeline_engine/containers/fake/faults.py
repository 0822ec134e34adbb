"""What can go wrong between an engine and its daemon, to be switched on by a test."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gamepipeline_engine.containers.port import DaemonError, DaemonUnreachable


class Gate:
    """Holds calls of one operation: ``reached`` is set by the first, ``open`` lets all go on."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.open = asyncio.Event()


class Faults:
    """Faults of one fake daemon. Operations are the port's method names; ``*`` means any."""

    def __init__(self) -> None:
        self._lost: Counter[str] = Counter()
        self._unheard: Counter[str] = Counter()
        self._refused: defaultdict[str, list[DaemonError]] = defaultdict(list)
        self._gates: dict[str, Gate] = {}
        self._away: str | None = None
        self.stream_epoch = 0

    def lose_reply(self, operation: str, times: int = 1) -> None:
        """The next calls take effect, and their callers get DaemonUnreachable."""
        self._lost[operation] += times

    def lose_request(self, operation: str, times: int = 1) -> None:
        """The next calls have no effect, and their callers get DaemonUnreachable."""
        self._unheard[operation] += times

    def forget(self) -> None:
        """Calls that were to be lost are not."""
        self._lost.clear()
        self._unheard.clear()

    def refuse(self, operation: str, cause: str, message: str = "refused", status: int = 500) -> None:
        """The next call is refused with this cause."""
        self._refused[operation].append(DaemonError(operation, "", status, message, cause))

    def hold(self, operation: str) -> Gate:
        """Calls of the operation wait at the returned gate, before they take effect."""
        self._gates[operation] = gate = Gate()
        return gate

    def go_away(self, why: str = "connection refused") -> None:
        """From now on no call is answered, and every stream breaks."""
        self._away = why
        self.break_streams()

    def come_back(self) -> None:
        """Calls are answered again."""
        self._away = None

    def break_streams(self) -> None:
        """Every wait and log stream that is under way breaks; the caller wakes the sleepers."""
        self.stream_epoch += 1

    def check_away(self, operation: str, subject: str) -> None:
        """Raise when no call is answered."""
        if self._away is not None:
            raise DaemonUnreachable(operation, subject, self._away)

    @asynccontextmanager
    async def around(self, operation: str, subject: str) -> AsyncIterator[None]:
        """One call: what goes wrong before it, and after it."""
        await asyncio.sleep(0)
        self.check_away(operation, subject)
        gate = self._gates.get(operation)
        if gate is not None:
            gate.reached.set()
            await gate.open.wait()
            self.check_away(operation, subject)
        if self._take(self._unheard, operation):
            raise DaemonUnreachable(operation, subject, "the request was lost")
        if self._refused[operation]:
            known = self._refused[operation].pop(0)
            raise DaemonError(operation, subject, known.status, known.message, known.cause)
        yield
        if self._take(self._lost, operation):
            raise DaemonUnreachable(operation, subject, "the reply was lost")

    @staticmethod
    def _take(counter: Counter[str], operation: str) -> bool:
        for key in (operation, "*"):
            if counter[key] > 0:
                counter[key] -= 1
                return True
        return False
