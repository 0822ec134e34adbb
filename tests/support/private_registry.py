"""A real registry on loopback that asks for a password, for what a stub could only pretend.

Its program is Debian's package ``docker-registry``, which `bash compose/test` unpacks.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.containers import docker
from tests.support.images import BUSYBOX

USERNAME, PASSWORD = "player", "canary-4711"
_HTPASSWD = f"{USERNAME}:$2b$04$abcdefghijklmnopqrstuu8uNdElapPlueyZpFN0aEKfrTYBnbu5y\n"
_LISTENS = re.compile(r"listening on 127\.0\.0\.1:(\d+)")

needs_registry = pytest.mark.skipif(
    shutil.which("docker-registry") is None,
    reason="there is no docker-registry on the PATH: bash compose/test unpacks the distribution's, where there is one",
)


class PrivateRegistry:
    """``host`` is what image names begin with; ``login`` a folder for DOCKER_CONFIG with the password."""

    def __init__(self, host: str, folder: Path) -> None:
        self.host = host
        self.login = folder / "login"
        self.stranger = folder / "stranger"
        for one, auths in ((self.login, {host: {"auth": _basic()}}), (self.stranger, {})):
            one.mkdir()
            (one / "config.json").write_text(json.dumps({"auths": auths}))

    async def push(self, name: str, which: str) -> tuple[str, str]:
        """A busybox that has WHICH in its environment, as ``<host>/<name>``: its reference and its digest.

        The Docker engine has forgotten it afterwards.
        """
        reference = f"{self.host}/{name}"
        container = (await docker("create", BUSYBOX)).strip()
        try:
            await docker("commit", "--change", f"ENV WHICH={which}", container, reference)
        finally:
            await docker("rm", "-f", container)
        try:
            said = await docker("--config", str(self.login), "push", reference)
        finally:
            await docker("rmi", "-f", reference)
        found = re.search(r"digest: (sha256:[0-9a-f]{64})", said)
        assert found is not None, said
        return reference, found[1]


def _basic() -> str:
    return base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()


@contextmanager
def private_registry(folder: Path) -> Iterator[PrivateRegistry]:
    """A registry with a port and a store of its own; the Docker engine has forgotten its images afterwards."""
    folder.mkdir(parents=True)
    (folder / "htpasswd").write_text(_HTPASSWD)
    settings = {
        "version": "0.1",
        "log": {"formatter": "text"},
        "storage": {"filesystem": {"rootdirectory": str(folder / "store")}},
        "http": {"addr": "127.0.0.1:0", "secret": secrets.token_hex(8)},
        "auth": {"htpasswd": {"realm": "test", "path": str(folder / "htpasswd")}},
    }
    (folder / "config.yml").write_text(json.dumps(settings))  # JSON is YAML
    log = folder / "log"
    with log.open("wb") as output:
        command = ["docker-registry", "serve", str(folder / "config.yml")]
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        found = PrivateRegistry(f"127.0.0.1:{_port(process, log)}", folder)
        try:
            yield found
        finally:
            _forget_images(found.host)
    finally:
        process.kill()
        process.wait()


def _forget_images(host: str) -> None:
    listing = ["docker", "images", "-q", "--filter", f"reference={host}/*/*"]
    found = subprocess.run(listing, check=True, capture_output=True, text=True).stdout.split()
    if found:
        subprocess.run(["docker", "rmi", "-f", *found], check=False, capture_output=True)


def _port(process: subprocess.Popen[bytes], log: Path) -> int:
    limit = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < limit:
        if found := _LISTENS.search(log.read_text()):
            return int(found[1])
        time.sleep(0.05)
    raise AssertionError(f"the registry does not listen: {log.read_text()}")
