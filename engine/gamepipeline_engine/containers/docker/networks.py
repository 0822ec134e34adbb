"""Networks of pipelines: one each, made with the daemon's addresses or, when it has none left, with ours."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Mapping
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from gamepipeline_engine.containers.classify import no_addresses_left, overlaps
from gamepipeline_engine.containers.docker.client import DockerClient
from gamepipeline_engine.containers.port import DaemonError
from gamepipeline_engine.containers.subnets import candidates, subnets_of, subnets_of_routes

_TRIES = 32
"""Subnets that may turn out to be taken before it is given up."""

_ROUTES = Path("/proc/net/route")


class DockerNetworks:
    """``within``: where subnets are taken from once the daemon's own pools are used up; None: from nowhere."""

    def __init__(self, client: DockerClient, within: IPv4Network | None) -> None:
        self._client = client
        self._within = within

    async def named(self, operation: str, name: str) -> list[dict[str, Any]]:
        """All networks of exactly this name: the daemon allows several."""
        rows = await self._list(operation, {"name": [f"^{name}$"]})
        return [row | {"Labels": row.get("Labels") or {}} for row in rows if row["Name"] == name]

    async def create(self, name: str, labels: Mapping[str, str], pipeline_id: str) -> None:
        """Make one, unless there is one of that name."""
        try:
            await self._create(name, labels, None)
        except DaemonError as exc:
            if self._within is None or not no_addresses_left(exc.message):
                raise
        else:
            return
        taken = await self._taken()
        for subnet in itertools.islice(candidates(pipeline_id, self._within, taken), _TRIES):
            try:
                await self._create(name, labels, subnet)
            except DaemonError as exc:
                if not overlaps(exc.message):
                    raise
            else:
                return
        message = f"the daemon's address pools are used up, and in {self._within} no subnet is free"
        raise DaemonError("prepare", name, 0, message, "container_create")

    async def remove(self, found: Mapping[str, Any]) -> None:
        """Remove one; leave it where it is in use."""
        if not await self._removed(found) and await self._cut_off_ghosts(found):
            await self._removed(found)

    async def _removed(self, found: Mapping[str, Any]) -> bool:
        """Whether it is gone. Not if it is in use, by a service that stays, or as the daemon believes."""
        try:
            await self._client.json("dispose", found["Name"], "DELETE", f"networks/{found['Id']}")
        except DaemonError as exc:
            if exc.status not in {403, 404}:
                raise
            return exc.status == 404
        return True

    async def _cut_off_ghosts(self, found: Mapping[str, Any]) -> bool:
        """Cut containers off that are no more: a daemon that was killed may keep their endpoints. Whether any was."""
        name, path = found["Name"], f"networks/{found['Id']}"
        cut = False
        try:
            inside = (await self._client.json("dispose", name, "GET", path)).get("Containers") or {}
            for endpoint in inside.values():
                if await self._exists(endpoint["Name"]):
                    continue
                body = {"Container": endpoint["Name"], "Force": True}
                await self._client.json("dispose", name, "POST", f"{path}/disconnect", body=body)
                cut = True
        except DaemonError as exc:
            # 403, 404: somebody else has cut it off or removed the network meanwhile.
            if exc.status not in {403, 404}:
                raise
        return cut

    async def _exists(self, container: str) -> bool:
        try:
            await self._client.json("dispose", container, "GET", f"containers/{container}/json")
        except DaemonError as exc:
            if exc.status != 404:
                raise
            return False
        return True

    async def _create(self, name: str, labels: Mapping[str, str], subnet: IPv4Network | None) -> None:
        body: dict[str, Any] = {"Name": name, "CheckDuplicate": True, "Driver": "bridge", "Labels": dict(labels)}
        if subnet is not None:
            body["IPAM"] = {"Driver": "default", "Config": [{"Subnet": str(subnet)}]}
        try:
            await self._client.json("prepare", name, "POST", "networks/create", body=body)
        except DaemonError as exc:
            if exc.status != 409:
                raise

    async def _list(self, operation: str, filters: Mapping[str, list[str]]) -> list[dict[str, Any]]:
        params = {"filters": json.dumps(filters)}
        rows: list[dict[str, Any]] = await self._client.json(operation, "networks", "GET", "networks", params=params)
        return rows

    async def _taken(self) -> list[IPv4Network]:
        """What is in use: by networks of the daemon, and by routes of this host, which is mostly the daemon's."""
        return subnets_of(await self._list("prepare", {})) + subnets_of_routes(await asyncio.to_thread(_routes))


def _routes() -> str:
    try:
        return _ROUTES.read_text()
    except OSError:
        return ""
