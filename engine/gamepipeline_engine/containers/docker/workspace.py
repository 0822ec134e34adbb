"""What a pipeline's containers share: its network, and its workspace volume that any user may write.

A new volume belongs to root with mode 0755. Unpacking an archive that holds the folder
``workspace`` with mode 1777 onto a container that mounts the volume there changes that; the
container is created, never started, and removed. It can be repeated at any time, so a crash in
the middle leaves nothing that the next call does not set right.
"""

from __future__ import annotations

import asyncio
import io
import json
import secrets
import tarfile
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from ipaddress import IPv4Network
from typing import Any

from gamepipeline_engine.containers.docker.client import DockerClient
from gamepipeline_engine.containers.docker.networks import DockerNetworks
from gamepipeline_engine.containers.names import KIND, PIPELINE, REALM, network_name, volume_name
from gamepipeline_engine.containers.port import DaemonError

SEED_IMAGE = "gamepipeline-workspace:1"
SEED = "seed"
"""The ``kind`` of the container that exists only while something is unpacked."""

MOUNT = "/workspace"
_UNPACK = 600.0
_AGAIN = 0.05
_TAR = {"Content-Type": "application/x-tar"}


class DockerWorkspace:
    """Networks and workspace volumes of one realm."""

    def __init__(self, client: DockerClient, realm: str, subnets: IPv4Network | None) -> None:
        self._client = client
        self._networks = DockerNetworks(client, subnets)
        self._realm = realm
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def prepare(self, pipeline_id: str, labels: Mapping[str, str], *, workspace: bool) -> None:
        """See the port."""
        async with self._locks[pipeline_id]:
            work = [self._network(pipeline_id, labels)]
            if workspace:
                work.append(self._volume(pipeline_id, labels))
            # Each to its end even when the other fails: cut short, a helper would be left behind.
            for outcome in await asyncio.gather(*work, return_exceptions=True):
                if isinstance(outcome, BaseException):
                    raise outcome

    async def fill(self, pipeline_id: str, archive: bytes | AsyncIterator[bytes]) -> None:
        """See the port."""
        name = volume_name(pipeline_id)
        await self._own_volume("fill_workspace", name)
        async with self._locks[pipeline_id], self._helper(pipeline_id, {}) as helper:
            await self._unpack("fill_workspace", helper, MOUNT, archive)

    async def dispose(self, pipeline_id: str, *, network: bool) -> None:
        """See the port. What is foreign is left without a word: nothing of ours is there."""
        async with self._locks[pipeline_id]:
            await self._remove_volume(pipeline_id)
            if network:
                for found in await self._networks.named("dispose", network_name(pipeline_id)):
                    if found["Labels"].get(REALM) == self._realm:
                        await self._networks.remove(found)
        self._locks.pop(pipeline_id, None)

    async def _network(self, pipeline_id: str, labels: Mapping[str, str]) -> None:
        name = network_name(pipeline_id)
        if not await self._networks.named("prepare", name):
            await self._networks.create(name, labels, pipeline_id)
        found = await self._networks.named("prepare", name)
        self._refuse_foreign("prepare", name, found)
        # The daemon does not forbid two networks of one name: keep the first of those made at once.
        for extra in sorted(found, key=lambda one: (one["Created"], one["Id"]))[1:]:
            await self._networks.remove(extra)

    async def _volume(self, pipeline_id: str, labels: Mapping[str, str]) -> None:
        name = volume_name(pipeline_id)
        body = {"Name": name, "Driver": "local", "Labels": dict(labels)}
        await self._client.json("prepare", name, "POST", "volumes/create", body=body)
        # Not the answer to that: a daemon that was restarted forgets in it what labels the volume has.
        await self._own_volume("prepare", name)
        async with self._helper(pipeline_id, labels) as helper:
            await self._unpack("prepare", helper, "/", _seed_archive())

    async def _own_volume(self, operation: str, name: str) -> None:
        found = await self._client.json(operation, name, "GET", f"volumes/{name}")
        self._refuse_foreign(operation, name, [found])

    async def _remove_volume(self, pipeline_id: str) -> None:
        name = volume_name(pipeline_id)
        while True:
            helpers = await self._remove_helpers(pipeline_id)
            try:
                found = await self._client.json("dispose", name, "GET", f"volumes/{name}")
                if (found.get("Labels") or {}).get(REALM) == self._realm:
                    await self._client.json("dispose", name, "DELETE", f"volumes/{name}")
            except DaemonError as exc:
                # In use by a helper that appeared meanwhile, or by one whose removal goes on: again.
                if exc.status == 409 and (helpers or await self._helpers(pipeline_id)):
                    await asyncio.sleep(_AGAIN)
                    continue
                if exc.status != 404:
                    raise
            return

    def _refuse_foreign(self, operation: str, name: str, found: list[dict[str, Any]]) -> None:
        if any((one.get("Labels") or {}).get(REALM) != self._realm for one in found):
            message = f"something that is not ours has the name {name}"
            raise DaemonError(operation, name, 409, message, "name_conflict")

    @asynccontextmanager
    async def _helper(self, pipeline_id: str, labels: Mapping[str, str]) -> AsyncIterator[str]:
        """A container that mounts the workspace; its id. Never started, gone afterwards."""
        await self._seed_image()
        own = {REALM: self._realm, PIPELINE: pipeline_id, KIND: SEED}
        mount = {"Type": "volume", "Source": volume_name(pipeline_id), "Target": MOUNT}
        body = {
            "Image": SEED_IMAGE,
            "Cmd": ["none"],
            "Labels": dict(labels) | own,
            "NetworkDisabled": True,
            "HostConfig": {"Mounts": [mount], "NetworkMode": "none"},
        }
        name = f"gp-{pipeline_id}.seed-{secrets.token_hex(4)}"
        path = "containers/create"
        made = await self._client.json("prepare", name, "POST", path, params={"name": name}, body=body)
        try:
            yield made["Id"]
        finally:
            await self._remove_helper(made["Id"])

    async def _helpers(self, pipeline_id: str) -> list[str]:
        wanted = [f"{REALM}={self._realm}", f"{PIPELINE}={pipeline_id}", f"{KIND}={SEED}"]
        params = {"all": "1", "filters": json.dumps({"label": wanted})}
        rows = await self._client.json("dispose", pipeline_id, "GET", "containers/json", params=params)
        return [row["Id"] for row in rows]

    async def _remove_helpers(self, pipeline_id: str) -> bool:
        """Remove what a call that was cut short left: it would keep the volume in use. Whether there was any."""
        helpers = await self._helpers(pipeline_id)
        for one in helpers:
            await self._remove_helper(one)
        return bool(helpers)

    async def _remove_helper(self, container_id: str) -> None:
        try:
            path = f"containers/{container_id}"
            await self._client.json("dispose", container_id, "DELETE", path, params={"force": "1"})
        except DaemonError as exc:
            if exc.status not in {404, 409}:
                raise

    async def _unpack(
        self, operation: str, container_id: str, path: str, archive: bytes | AsyncIterator[bytes]
    ) -> None:
        async with self._client.stream(
            operation,
            container_id,
            "PUT",
            f"containers/{container_id}/archive",
            params={"path": path},
            data=archive,
            headers=_TAR,
            patience=_UNPACK,
        ) as response:
            await response.read()

    async def _seed_image(self) -> None:
        """Import the image of the helper: one empty folder. Doing it twice at once does no harm."""
        path = f"images/{SEED_IMAGE}/json"
        try:
            await self._client.json("prepare", SEED_IMAGE, "GET", path)
        except DaemonError as exc:
            if exc.status != 404:
                raise
        else:
            return
        repository, _, tag = SEED_IMAGE.partition(":")
        params = {"fromSrc": "-", "repo": repository, "tag": tag, "changes": f"LABEL {KIND}={SEED}"}
        async with self._client.stream(
            "prepare",
            SEED_IMAGE,
            "POST",
            "images/create",
            params=params,
            data=_seed_archive(),
            headers=_TAR,
        ) as response:
            await response.read()


def _seed_archive() -> bytes:
    """``workspace/`` and ``workspace/.gamepipeline/``, both writable for everybody (mode 1777)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in ("workspace", "workspace/.gamepipeline"):
            entry = tarfile.TarInfo(name)
            entry.type = tarfile.DIRTYPE
            entry.mode = 0o1777
            archive.addfile(entry)
    return buffer.getvalue()
