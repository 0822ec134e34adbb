"""``audit rebuild``: everything that is derived, held against the events and made anew."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gamepipeline_engine.cli.exits import Exit
from gamepipeline_engine.cli.places import cache_folder
from gamepipeline_engine.cli.reading.readmodel import BulkEvents, realm_of
from gamepipeline_engine.cli.session import Session, open_session
from gamepipeline_projections.rebuilding import (
    Claims,
    Difference,
    ModelsView,
    ReadModelView,
    SnapshotsView,
    View,
    compare,
)

if TYPE_CHECKING:
    from gamepipeline_engine.cli.options import Settings


@dataclass
class Rebuilt:
    """What was there before, what is there now (None: it was only looked at), and what differs from the events."""

    before: dict[str, Claims]
    after: dict[str, Claims] | None = None
    wrong_before: list[Difference] = field(default_factory=list)
    wrong_after: list[Difference] = field(default_factory=list)
    changed: list[Difference] = field(default_factory=list)

    @property
    def exit(self) -> Exit:
        """0 when everything was, and is, what the events come to; else 8."""
        return Exit.AUDIT if self.wrong_before or self.wrong_after or self.changed else Exit.OK

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "ok": self.exit is Exit.OK,
            "rebuilt": self.after is not None,
            "views": [self._view(name) for name in self.before],
            "before": [one._asdict() for one in self.wrong_before],
            "after": [one._asdict() for one in self.wrong_after],
            "changed": [one._asdict() for one in self.changed],
        }

    def _view(self, name: str) -> dict[str, Any]:
        now = self.after[name] if self.after is not None else None
        return {
            "view": name,
            "before": len(self.before[name].found),
            "after": len(now.found) if now is not None else None,
            "left_out": len((now or self.before[name]).left_out),
        }

    def show(self, output: str) -> None:
        """On stdout."""
        import click

        from gamepipeline_engine.cli.options import TABLE
        from gamepipeline_engine.cli.output import clean, emit

        if output != TABLE:
            emit(self.document(), output)
            return
        for when, found in (("before", self.wrong_before), ("after", self.wrong_after), ("changed", self.changed)):
            for one in found:
                click.echo(clean(f"{when}: {one.view}: pipeline {one.pipeline_id}: {one.message}"))
        for view in map(self._view, self.before):
            made = f", {view['after']} made anew" if view["after"] is not None else ""
            left_out = f", {view['left_out']} of broken histories left out" if view["left_out"] else ""
            click.echo(f"{view['view']}: {view['before']} documents{made}{left_out}")
        count = len(self.wrong_before) + len(self.wrong_after) + len(self.changed)
        click.echo(f"differences: {count}")


async def rebuild(settings: Settings, *, replace: bool) -> Rebuilt:
    """Compare everything that is derived with the events; with ``replace``, make it anew and compare again."""
    async with open_session(settings) as session:
        events = BulkEvents(session)
        views = await _views(session, events)
        said = [(view, await view.claims()) for view in views]
        done = Rebuilt({view.name: claims for view, claims in said})
        done.wrong_before = await compare(events, said)
        if replace:
            for view in views:
                await view.rebuild()
            now = [(view, await view.claims()) for view in views]
            done.after = {view.name: claims for view, claims in now}
            done.wrong_after = await compare(events, now)
            done.changed = _changed(done.before, done.after)
        return done


def _changed(before: dict[str, Claims], after: dict[str, Claims]) -> list[Difference]:
    """Documents that are no longer there, or other ones as of the same event. What moved on is judged by its events."""
    found = []
    for name, claims in before.items():
        now = after[name]
        for pipeline_id, claim in claims.found.items():
            there = now.found.get(pipeline_id)
            if there is None or there.sequence < claim.sequence:
                found.append(Difference(name, pipeline_id, f"as of event {claim.sequence} it is no longer there"))
            elif there.sequence == claim.sequence and there.digest != claim.digest:
                found.append(Difference(name, pipeline_id, f"is another one as of event {claim.sequence}"))
    return found


async def _views(session: Session, events: BulkEvents) -> list[View]:
    realm = await realm_of(session)
    topology = session.topology
    return [
        ReadModelView(cache_folder(), realm, events),
        SnapshotsView(session.client, topology.snapshots, realm, session.events),
        ModelsView(session.client, topology, realm, session.events),
    ]
