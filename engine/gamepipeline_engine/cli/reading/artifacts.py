"""``gamepipeline artifacts``: what steps kept, and how to get it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gamepipeline_engine.cli.exits import CliError, Exit
from gamepipeline_engine.cli.options import TABLE, Settings, nats_option, output_option

if TYPE_CHECKING:
    from gamepipeline_engine.artifacts.port import ArtifactStore
    from gamepipeline_engine.cli.session import Session
    from gamepipeline_events import ArtifactsStored

CHUNK = 128 * 1024


@click.group("artifacts")
def command() -> None:
    """List and fetch the files that steps kept."""


@command.command("ls")
@click.argument("pipeline_id", metavar="ID")
@output_option
@nats_option
def ls(pipeline_id: str, output: str) -> None:
    """List the files that the steps of a pipeline kept, as their last attempts stored them."""
    from gamepipeline_engine.cli.loop import run_async

    run_async(_ls(Settings.current(), pipeline_id, output))


@command.command("get")
@click.argument("pipeline_id", metavar="ID")
@click.option("--step", metavar="STEP", help="Only what this step kept.")
@click.option(
    "-d",
    "--directory",
    default=".",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Where to put them: one folder for each step.",
)
@nats_option
def get(pipeline_id: str, step: str | None, directory: Path) -> None:
    """Fetch the files into folders named after the steps; a folder appears when all of it is there and right."""
    from gamepipeline_engine.cli.loop import run_async

    run_async(_get(Settings.current(), pipeline_id, step, directory))


async def _ls(settings: Settings, text: str, output: str) -> None:
    from gamepipeline_engine.cli.output import columns, emit
    from gamepipeline_engine.cli.session import open_session

    async with open_session(settings) as session:
        kept = await _kept(session, text)
    rows = [_row(stored, place) for stored in kept for place in range(len(stored.files))]
    if output != TABLE:
        emit(rows, output)
    else:
        cells = ((str(row[key]) for key in ("step", "name", "size", "expires_at", "sha256")) for row in rows)
        click.echo(columns(("STEP", "NAME", "SIZE", "EXPIRES", "SHA256"), map(list, cells)), nl=False)


async def _kept(session: Session, text: str) -> list[ArtifactsStored]:
    """What is on record, in the order of the steps."""
    from gamepipeline_engine.cli.lookup import read_state, resolve_id

    state = await read_state(session, await resolve_id(session, text))
    found = (step.artifacts for step in state.steps.values())
    return [stored for stored in found if stored is not None and stored.key is not None]


def _row(stored: ArtifactsStored, place: int) -> dict[str, Any]:
    file = stored.files[place]
    return {
        "step": stored.step,
        "attempt": stored.attempt,
        "name": file.name,
        "size": file.size,
        "sha256": file.sha256,
        "executable": file.executable,
        "store": stored.store,
        "node": stored.node,
        "expires_at": stored.expires_at,
    }


async def _get(settings: Settings, text: str, step: str | None, directory: Path) -> None:
    from gamepipeline_engine.cli.output import note
    from gamepipeline_engine.cli.session import open_session

    async with open_session(settings) as session:
        wanted = [stored for stored in await _kept(session, text) if step in {None, stored.step}]
        if not wanted:
            whose = f"the step {step} of {text}" if step else text
            raise CliError(Exit.NOT_FOUND, f"{whose} has kept no artifacts", "see `gamepipeline artifacts ls`")
        for stored in wanted:
            await _fetch(_store_of(session, stored), stored, directory)
            note(f"{stored.step}: {len(stored.files)} file{'s' if len(stored.files) != 1 else ''}")


def _store_of(session: Session, stored: ArtifactsStored) -> ArtifactStore:
    from gamepipeline_engine.artifacts.directory import artifact_directory
    from gamepipeline_engine.artifacts.jetstream import JetStreamArtifacts
    from gamepipeline_engine.config import load_config

    if stored.store == "nats":
        return JetStreamArtifacts(session.client, session.topology.artifacts)
    node = load_config().node
    store = artifact_directory(node)
    if store is None or node.name != stored.node:
        message = f"what the step {stored.step} kept is in a directory of the node {stored.node}"
        raise CliError(Exit.INFRASTRUCTURE, message, "run this there, with that node's configuration")
    return store


async def _fetch(store: ArtifactStore, stored: ArtifactsStored, directory: Path) -> None:
    """Unpack it beside its place and move it there whole."""
    from tempfile import TemporaryDirectory

    from gamepipeline_engine.artifacts.port import NotStored, StoreUnavailable
    from gamepipeline_engine.artifacts.reading import checked
    from gamepipeline_engine.artifacts.tar import BadArchive

    target = directory / stored.step
    if target.exists() or target.is_symlink():
        raise CliError(Exit.USAGE, f"{target} is there already", "remove it, or choose another place with -d")
    try:
        await asyncio.to_thread(directory.mkdir, parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".gamepipeline-", dir=directory) as folder:
            archive, files = Path(folder) / "archive.tar", Path(folder) / "files"
            with archive.open("wb") as file:
                async for piece in checked(store, stored):
                    await asyncio.to_thread(file.write, piece)
            await asyncio.to_thread(_unpack, archive, files)
            files.rename(target)
    except NotStored:
        when = f"; it was kept until {stored.expires_at}"
        raise CliError(Exit.NOT_FOUND, f"what the step {stored.step} kept is not there any more{when}") from None
    except (BadArchive, StoreUnavailable) as error:
        raise CliError(Exit.INFRASTRUCTURE, f"what the step {stored.step} kept cannot be read: {error}") from error


def _unpack(archive: Path, target: Path) -> None:
    import tarfile

    target.mkdir()
    with tarfile.open(archive, "r:") as found:
        found.extractall(target, filter="data")
