"""From an action to what is done. An action that fails in a way nobody foresaw is an error of the
engine, said as such; it never takes the pipeline's loop with it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import structlog

from gamepipeline_engine.core.actions import Action, Dispose, EndAttempt, EndService, RunAttempt, WatchService
from gamepipeline_engine.core.inputs import AttemptFailed
from gamepipeline_engine.journal.port import JournalError
from gamepipeline_engine.runner.attempt import end_attempt, run_attempt
from gamepipeline_engine.runner.desk import Desk, NotRunning
from gamepipeline_engine.runner.dispose import dispose
from gamepipeline_engine.runner.result import close_log
from gamepipeline_engine.runner.service import end_service, watch_service
from gamepipeline_engine.runner.writer import Fenced
from gamepipeline_engine.trouble import told

__all__ = ["Desk", "perform"]

log = structlog.get_logger(__name__)

_HOW: dict[type[Action], Callable[[Any, Desk], Awaitable[None]]] = {
    RunAttempt: run_attempt,
    EndAttempt: end_attempt,
    WatchService: watch_service,
    EndService: end_service,
    Dispose: dispose,
}


async def perform(action: Action, desk: Desk) -> None:
    """Do ``action``; it ends when it has reported its result or is cancelled."""
    try:
        await _HOW[type(action)](action, desk)
    except Exception as exc:  # the last line of defence: whatever it is must become an event
        if any(isinstance(leaf, Fenced | JournalError | NotRunning) for leaf in leaves(exc)):
            raise  # the loop is ending: this process has no say any more, and touches nothing
        trace = desk.redactor().redact_text(told(exc))
        log.error("action failed", action=repr(action), pipeline=desk.state.id, trace=trace)  # noqa: TRY400
        message = ", ".join(f"{type(one).__name__}: {one}" for one in leaves(exc))
        await desk.error("engine_error", message, {"operation": type(action).__name__})
        if isinstance(action, RunAttempt):
            await _give_up(action, desk, desk.redactor().redact_text(message))


async def _give_up(action: RunAttempt, desk: Desk, message: str) -> None:
    """The attempt fails by the engine's own fault. Before that is said, nothing of it may run on."""
    if desk.step_state.started_at is not None:
        try:
            await close_log(desk, desk.pump or desk.open_pump())
        except (Fenced, JournalError, NotRunning):
            raise
        except Exception as exc:  # noqa: BLE001 - what failed may be the reading of the log itself
            log.warning("log not closed", pipeline=desk.state.id, step=desk.step, why=type(exc).__name__)
    await desk.change(lambda: desk.host.containers.remove(desk.container))
    await desk.report(AttemptFailed(step=action.step, attempt=action.attempt, cause="engine_error", message=message))


def leaves(error: BaseException) -> Iterator[BaseException]:
    """The errors in a group, in groups in it; or ``error`` itself."""
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from leaves(one)
    else:
        yield error
