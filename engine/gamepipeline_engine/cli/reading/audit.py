"""``gamepipeline audit``: the history checker over what is stored."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from gamepipeline_engine.cli.options import TABLE, Settings, nats_option, output_option

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gamepipeline_engine.broker.checkpoint import Checkpoint
    from gamepipeline_engine.cli.exits import Exit
    from gamepipeline_engine.cli.session import Session
    from gamepipeline_projections.audit import Finding


@click.group("audit")
def command() -> None:
    """Check stored histories against every rule there is."""


@command.command("verify")
@click.argument("pipeline", metavar="[ID]", required=False)
@output_option
@nats_option
def verify(pipeline: str | None, output: str) -> int:
    """Check one pipeline, or the whole stream: hashes, transitions, ownership, retries, logs.

    Exit code 0 when everything holds; 8 with one line for each place where it does not: the
    pipeline, the event, the rule, and what is wrong. Changes nothing.
    """
    from gamepipeline_engine.cli.loop import run_async

    return run_async(_verify(Settings.current(), pipeline, output))


@dataclass
class Report:
    """What was read, and what was found."""

    pipelines: int = 0
    events: int = 0
    log_records: int = 0
    findings: list[Finding] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "ok": not self.findings,
            "pipelines": self.pipelines,
            "events": self.events,
            "log_records": self.log_records,
            "findings": self.findings,
        }

    def text(self) -> str:
        """One line for each finding, and one that sums up."""
        from gamepipeline_engine.cli.output import clean

        lines = [clean(str(one)) for one in self.findings]
        read = f"pipelines: {self.pipelines}, events: {self.events}, log records: {self.log_records}"
        return "\n".join([*lines, f"{read}, findings: {len(self.findings)}"])


async def _verify(settings: Settings, text: str | None, output: str) -> Exit:
    from gamepipeline_engine.cli.exits import Exit
    from gamepipeline_engine.cli.lookup import list_subjects, resolve_id
    from gamepipeline_engine.cli.output import emit
    from gamepipeline_engine.cli.session import open_session
    from gamepipeline_projections.audit import check_stream

    report = Report()
    async with open_session(settings) as session:
        bounds, heads, expired = await _around(session)
        if text is None:
            report.findings += check_stream(bounds, heads)
            topology = session.topology
            subjects = await list_subjects(session, topology.events, topology.subjects.all_events())
            ids = sorted({subject.split(".")[-2] for subject in subjects})
        else:
            ids = [await resolve_id(session, text)]
        for one in ids:
            await _check_one(session, one, report, heads, expired=expired)
    if output != TABLE:
        emit(report.document(), output)
    else:
        click.echo(report.text())
    return Exit.AUDIT if report.findings else Exit.OK


async def _check_one(
    session: Session, pipeline_id: str, report: Report, heads: Mapping[int, str], *, expired: bool
) -> None:
    """Events first: what they say about logs was stored before them."""
    from gamepipeline_projections.audit import LogTally, check_history

    records = [record async for record in session.events.read(pipeline_id)]
    tally = LogTally(expired=expired)
    async for record in session.logs.read(pipeline_id):
        tally.add(record)
    report.pipelines += 1
    report.events += len(records)
    report.log_records += tally.of(pipeline_id).records
    report.findings += check_history(records, logs=tally, heads=heads)


async def _around(session: Session) -> tuple[Any, dict[int, str], bool]:
    """Bounds of the events stream, the heads this machine's engines noted, whether logs have expired."""
    from gamepipeline_engine.broker.streams import REALM_KEY
    from gamepipeline_projections.audit import StreamBounds

    noted = _noted()  # before the stream is asked how far it goes
    js = session.client.jetstream()
    events = await js.stream_info(session.topology.events)
    logs = await js.stream_info(session.topology.logs)
    bounds = StreamBounds(
        first_sequence=events.state.first_seq, last_sequence=events.state.last_seq, messages=events.state.messages
    )
    realm = (events.config.metadata or {}).get(REALM_KEY, "")
    heads = {one.last_seq: one.last_hash for one in noted if one.realm == realm and one.last_seq}
    return bounds, heads, logs.state.first_seq > 1


def _noted() -> list[Checkpoint]:
    """Every checkpoint in this user's state folder."""
    from gamepipeline_engine.broker.checkpoint import load
    from gamepipeline_engine.broker.errors import CheckpointUnreadable
    from gamepipeline_engine.cli.output import note
    from gamepipeline_engine.cli.places import state_folder

    found = []
    for path in sorted(state_folder().glob("checkpoint*.json")):
        try:
            found.append(load(path))
        except CheckpointUnreadable as error:
            note(f"warning: {error}")
    return [one for one in found if one is not None]
