"""Running an asyncio program so that a signal ends it in order: connections closed, leases released."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

from gamepipeline_engine.cli.exits import CliError, Exit
from gamepipeline_projections import websockets

T = TypeVar("T")

AGAIN = 1.0
"""Seconds between two cancellations of a task that does not end."""

MUST_END = 8.0
"""Seconds that a program may take to end in order once it is interrupted."""


def run_async(program: Coroutine[Any, Any, T]) -> T:
    """The result of ``program``. SIGINT, SIGTERM and SIGHUP cancel it: exit code 130.

    A program that wants a signal for itself installs its own handler on the running loop.
    """
    websockets.load_without()
    with asyncio.Runner() as runner:
        return runner.run(_main(program))


async def _main(program: Coroutine[Any, Any, T]) -> T:
    loop = asyncio.get_running_loop()
    main = asyncio.current_task()
    interrupted = False

    def interrupt() -> None:
        nonlocal interrupted
        interrupted = True
        if main is not None and not main.done():
            main.cancel()
            loop.call_later(MUST_END, interrupt)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        with contextlib.suppress(NotImplementedError, ValueError):
            loop.add_signal_handler(number, interrupt)
    try:
        return await program
    except asyncio.CancelledError:
        if interrupted:
            raise _Interrupted from None
        raise


async def end(*tasks: asyncio.Task[Any]) -> None:
    """Cancel ``tasks`` until they have ended. Their errors stay with them.

    Once is not enough: ``asyncio.wait_for`` of Python 3.11, and so a request of nats-py, forgets a
    cancellation that comes together with its result.
    """
    pending = {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=AGAIN)


class _Interrupted(CliError):
    """A signal ended the command; nothing needs to be said."""

    def __init__(self) -> None:
        super().__init__(Exit.LET_GO, "")
