"""What ``doctor`` says about alerts: those that wait or were given up, and what has no history to carry one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from gamepipeline_engine.cli.doctor.checks import Finding, failed, ok

if TYPE_CHECKING:
    from gamepipeline_engine.alerts.watch.disk import Fill
    from gamepipeline_engine.cli.session import Session
    from gamepipeline_events import ErrorLog
    from gamepipeline_events.subjects import CommandSubject


async def findings(session: Session) -> list[Finding]:
    """All of them; nothing where the streams are not there yet."""
    from gamepipeline_engine.alerts.watch.disk import fill_of

    fill = await fill_of(session.client, session.topology.events)
    if fill is None:
        return []
    found = judge_fill(fill)
    for look in (_pools, _webhooks, _dead_letters):
        try:
            found += await look(session)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding
            found.append(failed("alerts", error))
    return found


def judge_fill(fill: Fill) -> list[Finding]:
    """How full the events stream is."""
    share = "" if fill.limit is None else f", {100 * fill.used / fill.limit:.0f} % of its limit"
    detail = f"{fill.stream}: {fill.used} bytes{share}"
    if not fill.critical:
        return [ok("events stream", detail)]
    fix = f"nats stream edit {fill.stream} --max-bytes with more; nothing is decided once it is full"
    return [Finding(check="events stream", status="warn", detail=detail, fix=fix)]


async def _pools(session: Session) -> list[Finding]:
    from gamepipeline_engine.cli.running.background import present

    served = {pool for record in await present(session) for pool in record.pools}
    return judge_pools(await session.queue.waiting(), served)


def judge_pools(waiting: Iterable[CommandSubject], served: Collection[str]) -> list[Finding]:
    """Pools in which commands wait and that nobody serves; nothing where there are none."""
    counts = Counter(one.pool for one in waiting if one.pool is not None and one.pool not in served)
    if not counts:
        return []
    detail = ", ".join(f"{count} in {pool}" for pool, count in sorted(counts.items()))
    fix = "start an engine with --pool, or cancel them; a pool run-… is that of a `run` whose process is gone"
    return [Finding(check="unserved pools", status="warn", detail=f"commands wait: {detail}", fix=fix)]


async def _webhooks(session: Session) -> list[Finding]:
    """How many alerts wait for each configured webhook."""
    from nats.js.errors import NotFoundError

    from gamepipeline_engine.alerts.delivery.endpoint import consumer_of, label_of
    from gamepipeline_engine.config import load_config

    found = []
    for webhook in load_config().alerts.webhooks:
        name = consumer_of(webhook.url)
        try:
            info = await session.client.jetstream().consumer_info(session.topology.events, name)
        except NotFoundError:
            waiting = None
        else:
            waiting = (info.num_pending or 0) + (info.num_ack_pending or 0)
        found.append(judge_webhook(label_of(webhook.url), name, waiting))
    return found


def judge_webhook(label: str, consumer: str, waiting: int | None) -> Finding:
    """``waiting`` None: no engine with this webhook has run yet."""
    if waiting is None:
        fix = "start `gamepipeline engine` with this configuration"
        return Finding(check="webhook", status="warn", detail=f"{label}: nobody delivers to it yet", fix=fix)
    detail = f"{label} ({consumer}): {waiting or 'no'} alerts wait"
    if not waiting:
        return ok("webhook", detail)
    fix = "if it stays so: see the engine's log for the receiver's answers"
    return Finding(check="webhook", status="warn", detail=detail, fix=fix)


async def _dead_letters(session: Session) -> list[Finding]:
    from gamepipeline_engine.alerts.delivery.deadletter import OPERATION
    from gamepipeline_events import BadInput, ErrorLog, decode
    from gamepipeline_projections.reading.stream import StreamReader

    reader = StreamReader(session.client, session.topology.logs)
    letters = []
    async for record in reader.read(session.topology.subjects.pipeline_level_logs(), 0):
        try:
            data = decode(record.payload).data
        except BadInput:
            continue
        if isinstance(data, ErrorLog) and data.context.get("operation") == OPERATION:
            letters.append(data)
    return judge_dead_letters(letters)


def judge_dead_letters(letters: Sequence[ErrorLog]) -> list[Finding]:
    """Alerts that were given up, for as long as logs are kept; nothing where there are none."""
    if not letters:
        return []
    last = letters[-1]
    detail = f"{len(letters)} alerts were given up; the last at {last.time}: {last.message}"
    fix = "mend the receiver; `gamepipeline events --type AlertRaised` still has every alert"
    return [Finding(check="dead letters", status="warn", detail=detail, fix=fix)]
