"""``verify_archive``: an export held against its manifest, its links, its chains, and every rule there is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from msgspec.structs import replace

from gamepipeline_events import payload_hash
from gamepipeline_projections.audit.archive.lines import UNREADABLE, Head, Kept, decode_head, decode_line
from gamepipeline_projections.audit.archive.manifest import (
    ArchiveError,
    Manifest,
    ManifestMissing,
    Part,
    manifest_of,
    read_manifest,
)
from gamepipeline_projections.audit.archive.reader import PartReader
from gamepipeline_projections.audit.checker import check_stream
from gamepipeline_projections.audit.evidence import StreamBounds
from gamepipeline_projections.audit.finding import Finding, Rule
from gamepipeline_projections.audit.rules.outside.logs import OF_RECORDS
from gamepipeline_projections.audit.sweep import Sweep
from gamepipeline_projections.audit.tally import LogTally

EXPORT_WHOLE = Rule(
    "export_whole",
    "export",
    "An export is what its manifest says: each file has its SHA-256 and its lines, each line continues the one "
    "before it, and the last event of each pipeline is the one noted as its head.",
    lambda _: (),
)
"""The one rule about an export: ``verify_archive``."""

AT_ONCE = 50_000
"""Events of late pipelines that are held while they are read again."""


@dataclass
class ArchiveReport:
    """What was read, and what was found. ``more``: findings that were only counted."""

    pipelines: int = 0
    events: int = 0
    log_records: int = 0
    findings: list[Finding] = field(default_factory=list)
    more: int = 0

    def add(self, reader: PartReader) -> None:
        """Problems of a file, as findings."""
        self.findings += [_finding(one.message, one.place) for one in reader.problems]
        self.more += reader.more


def verify_archive(path: Path) -> ArchiveReport:
    """Everything that is wrong with the export at ``path``: its folder, its manifest, or one of its files.

    What the files hold raises nothing. Raises ManifestMissing, OSError.
    """
    report = ArchiveReport()
    path = manifest_of(path)
    try:
        manifest = read_manifest(path)
    except ManifestMissing:
        raise
    except ArchiveError as error:
        report.findings.append(_finding(error.problem, error.place))
        return report
    _verify(path.parent, manifest, report)
    return report


def _verify(folder: Path, manifest: Manifest, report: ArchiveReport) -> None:
    tally = _logs(folder, manifest, report)
    sweep = Sweep(logs=tally)
    events, heads = (PartReader(folder, part) for part in manifest.files if part.kind != "logs")
    if events.part.kind != "events":
        events, heads = heads, events
    due = _heads(heads)
    head = next(due, None)
    counts = Counter[str]()
    for record in events.records():
        counts[_pipeline_of(record)] += 1
        while head is not None and head.sequence < record.sequence:
            heads.say(
                f"the head of pipeline {head.pipeline_id}, event {head.sequence}, is not in the events", heads.line
            )
            head = next(due, None)
        if head is not None and head.sequence == record.sequence:
            _compare_head(head, record, counts[head.pipeline_id], heads)
            head = next(due, None)
        sweep.add(record)
    for one in [head, *due] if head is not None else due:
        heads.say(f"the head of pipeline {one.pipeline_id}, event {one.sequence}, is not in the events")
    sweep.finish()
    for pipeline_id, records in _again(folder, events.part, sweep):
        sweep.judge_again(pipeline_id, records)
    if not manifest.pipelines == sweep.pipelines == heads.part.lines:
        events.say(f"pipelines: {sweep.pipelines} found, {manifest.pipelines} expected, {heads.part.lines} heads noted")
    report.add(events)
    report.add(heads)
    report.findings += _stream(manifest, sweep)
    report.findings += _placed(folder, manifest, sweep.findings)
    report.more += sweep.more
    report.pipelines, report.events = sweep.pipelines, sweep.events


def _logs(folder: Path, manifest: Manifest, report: ArchiveReport) -> LogTally | None:
    part = manifest.part("logs")
    if part is None:
        return None
    reader = PartReader(folder, part)
    tally = LogTally(expired=manifest.stream.logs_expired)
    for record in reader.records():
        tally.add(record)
        report.log_records += 1
    report.add(reader)
    return tally


def _heads(reader: PartReader) -> Iterator[Head]:
    """In the order of the stream, as they are written."""
    last = 0
    for raw in reader.raw():
        try:
            head = decode_head(raw)
        except UNREADABLE as error:
            reader.say(f"is damaged: {error}", reader.line)
            continue
        if head.sequence <= last:
            reader.say(f"stream sequence {head.sequence} comes after {last}", reader.line)
            continue
        last = head.sequence
        yield head


def _pipeline_of(record: Kept) -> str:
    tokens = record.subject.split(".")
    return tokens[-2] if len(tokens) > 1 else ""


def _compare_head(head: Head, record: Kept, count: int, heads: PartReader) -> None:
    if head.events != count:
        heads.say(f"pipeline {head.pipeline_id} has {count} events, its head says {head.events}", heads.line)
    found = payload_hash(record.payload)
    if found != head.hash or record.subject.split(".")[-2:-1] != [head.pipeline_id]:
        about = f"the head of pipeline {head.pipeline_id} is {head.hash:.80}"
        heads.say(f"{about}, but event {head.sequence} is {record.subject} with the hash {found}", heads.line)


def _stream(manifest: Manifest, sweep: Sweep) -> list[Finding]:
    """Of an export of everything: that nothing is missing from the stream, nor from the export."""
    stream = manifest.stream
    if stream.pipeline is not None:
        return []
    bounds = StreamBounds(
        first_sequence=stream.first_sequence, last_sequence=stream.last_sequence, messages=stream.messages
    )
    found = check_stream(bounds)
    if sweep.events != stream.messages:
        found.append(_finding(f"events: {sweep.events} found, {stream.messages} were in the stream", ""))
    return found


def _again(folder: Path, part: Part, sweep: Sweep) -> Iterator[tuple[str, list[Kept]]]:
    """The records of late pipelines, as many pipelines at a time as may be held."""
    late = dict(sweep.late)
    while late:
        wanted: dict[str, list[Kept]] = {}
        held = 0
        for pipeline_id, count in late.items():
            if wanted and held + count > AT_ONCE:
                break
            wanted[pipeline_id] = []
            held += count
        for _, record in _readable(folder, part):
            records = wanted.get(record.subject.split(".")[-2] if "." in record.subject else "")
            if records is not None:
                records.append(record)
        for pipeline_id, records in wanted.items():
            del late[pipeline_id]
            yield pipeline_id, records


def _placed(folder: Path, manifest: Manifest, findings: list[Finding]) -> list[Finding]:
    """The findings with the lines that they are about."""
    lines: dict[tuple[str, int], str] = {}
    for part in manifest.files:
        wanted = {one.sequence for one in findings if _file_of(one) == part.kind}
        for line, record in _readable(folder, part) if wanted else ():
            if record.sequence in wanted:
                lines[part.kind, record.sequence] = f"{part.name}, line {line}"
    return [replace(one, place=lines.get((_file_of(one), one.sequence), "")) for one in findings]


def _file_of(finding: Finding) -> str:
    return "logs" if finding.rule in OF_RECORDS else "events"


def _readable(folder: Path, part: Part) -> Iterator[tuple[int, Kept]]:
    """The lines that can be read, once more; what is wrong with the others is known."""
    reader = PartReader(folder, part)
    for raw in reader.raw():
        try:
            yield reader.line, decode_line(raw)[0]
        except UNREADABLE:
            continue


def _finding(message: str, place: str) -> Finding:
    return Finding(rule=EXPORT_WHOLE.name, pipeline_id="", sequence=0, seq=0, message=message, place=place)
