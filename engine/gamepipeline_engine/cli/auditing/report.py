"""What was checked, and what was found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gamepipeline_engine.cli.exits import Exit

if TYPE_CHECKING:
    from gamepipeline_projections.audit import Finding, Sweep
    from gamepipeline_projections.audit.archive import ArchiveReport


@dataclass
class Report:
    """``more``: findings that were counted and not kept."""

    pipelines: int = 0
    events: int = 0
    log_records: int = 0
    findings: list[Finding] = field(default_factory=list)
    more: int = 0

    @property
    def exit(self) -> Exit:
        """0 when everything holds, else 8."""
        return Exit.AUDIT if self.findings else Exit.OK

    @staticmethod
    def of(read: ArchiveReport) -> Report:
        """What was read from an export."""
        return Report(read.pipelines, read.events, read.log_records, read.findings, read.more)

    def take(self, sweep: Sweep) -> None:
        """Add what a sweep found."""
        self.pipelines += sweep.pipelines
        self.events += sweep.events
        self.findings += sweep.findings
        self.more += sweep.more

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "ok": not self.findings,
            "pipelines": self.pipelines,
            "events": self.events,
            "log_records": self.log_records,
            "findings": self.findings,
            "more_findings": self.more,
        }

    def show(self, output: str) -> None:
        """On stdout: a document, or one line for each finding and one that sums up."""
        import click

        from gamepipeline_engine.cli.options import TABLE
        from gamepipeline_engine.cli.output import clean, emit

        if output != TABLE:
            emit(self.document(), output)
            return
        for one in self.findings:
            click.echo(clean(str(one)))
        read = f"pipelines: {self.pipelines}, events: {self.events}, log records: {self.log_records}"
        click.echo(f"{read}, findings: {len(self.findings) + self.more}")
