"""What the options of ``run`` ask for, and which of them go together."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import click


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """The command line of ``run``."""

    args: Mapping[str, str]
    envs: Mapping[str, str]
    env_files: tuple[str, ...]
    given_id: str | None
    workspace: str | None
    detach: bool
    trust: bool
    resume: str | None
    output: str

    @property
    def personal(self) -> bool:
        """Whether only this process can execute the pipeline: nobody else has these values or this right."""
        return bool(self.envs or self.env_files or self.trust)

    def check(self, file: str | None) -> None:
        """Raise click.UsageError for what does not go together."""
        if self.resume is not None:
            if file is not None or self.args or self.given_id or self.workspace or self.detach:
                raise click.UsageError("--resume takes up a run as it was submitted: no FILE, --arg, --id, ...")
            return
        if file is None:
            raise click.UsageError("Missing argument 'FILE'.")
        if self.detach and (self.personal or self.workspace):
            raise click.UsageError(
                "--detach hands the run to another process: --env, --env-file, --trust and --workspace stay here"
            )


def pack_workspace(folder: str) -> bytes:
    """A tar archive of ``folder``, owned by nobody in particular."""

    def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        return member

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path in sorted(Path(folder).iterdir()):
            archive.add(path, arcname=path.name, filter=plain)
    return buffer.getvalue()
