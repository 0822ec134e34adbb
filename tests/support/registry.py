"""A registry on loopback that serves one image, refuses, breaks off or stalls, as a test says.

The Docker engine speaks plain HTTP to addresses on loopback, so it pulls from here without any
configuration. Serves the few requests of a pull (manifest and blobs, with or without a password).
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import hashlib
import io
import json
import secrets
import tarfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_CONFIG = "application/vnd.docker.container.image.v1+json"
_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


class Registry:
    """``reference`` names its image. ``login`` asks for user and password of these."""

    def __init__(self) -> None:
        self.port = 0
        self.digest = ""
        """The digest of the image that its tag names."""
        self.name = f"test/{secrets.token_hex(6)}"
        self.login: tuple[str, str] | None = None
        self.token: str | None = None
        """Ask for this token, which the login gets at a place of its own, as large registries do."""
        self.status = 200
        """Answer every manifest request with this status instead."""
        self.layer_status = 200
        """Answer every request for a layer with this status instead."""
        self.break_blobs = False
        """Break the connection in the middle of each layer."""
        self.spoil_blobs = False
        """Send other layers than the manifest promises."""
        self.hold_blobs: asyncio.Event | None = None
        """Send the first half of each layer, then wait for this."""
        self.blob_requested = asyncio.Event()
        self.asked = 0
        """How often the manifest was asked for, or whether it has changed."""
        self.manifests = 0
        self._blobs: dict[str, bytes] = {}
        self._manifests: dict[str, bytes] = {}
        self.move_tag()

    @property
    def reference(self) -> str:
        """What to pull."""
        return f"127.0.0.1:{self.port}/{self.name}:1"

    def move_tag(self) -> None:
        """The tag names a new image; the former ones are there by their digests."""
        manifest = self._build()
        self.digest = _digest(manifest)
        self._manifests[self.digest] = manifest

    def application(self) -> web.Application:
        """Its routes."""
        app = web.Application()
        app.router.add_get("/v2/", self._root)
        app.router.add_get("/token", self._get_token)
        app.router.add_get("/v2/{name:.+}/manifests/{tag}", self._get_manifest)
        app.router.add_get("/v2/{name:.+}/blobs/{digest}", self._get_blob)
        return app

    def _build(self) -> bytes:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            entry = tarfile.TarInfo("data")
            content = secrets.token_bytes(400_000)  # random, so that it stays large when packed
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        plain = buffer.getvalue()
        layer = self._store(gzip.compress(plain))
        config = {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Cmd": ["none"]},
            "rootfs": {"type": "layers", "diff_ids": [_digest(plain)]},
            "history": [{"created": "2026-01-01T00:00:00Z"}],
        }
        body = self._store(json.dumps(config).encode())
        manifest = {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": {"mediaType": _CONFIG, "size": len(self._blobs[body]), "digest": body},
            "layers": [{"mediaType": _LAYER, "size": len(self._blobs[layer]), "digest": layer}],
        }
        return json.dumps(manifest).encode()

    def _store(self, data: bytes) -> str:
        digest = _digest(data)
        self._blobs[digest] = data
        return digest

    def _check(self, request: web.Request) -> None:
        if self.token is None:
            self._check_login(request)
        elif request.headers.get("Authorization") != f"Bearer {self.token}":
            place = f'Bearer realm="http://127.0.0.1:{self.port}/token",service="test"'
            raise web.HTTPUnauthorized(headers={"WWW-Authenticate": place})

    def _check_login(self, request: web.Request) -> None:
        if self.login is None:
            return
        wanted = "Basic " + base64.b64encode(":".join(self.login).encode()).decode()
        if request.headers.get("Authorization") != wanted:
            raise web.HTTPUnauthorized(headers={"WWW-Authenticate": 'Basic realm="test"'})

    async def _get_token(self, request: web.Request) -> web.Response:
        self._check_login(request)
        return web.json_response({"token": self.token})

    async def _root(self, request: web.Request) -> web.Response:
        self._check(request)
        return web.json_response({})

    async def _get_manifest(self, request: web.Request) -> web.Response:
        self.asked += 1
        self._check(request)
        if self.status != 200:
            return _refusal(self.status)
        self.manifests += request.method == "GET"
        tag = request.match_info["tag"]
        digest = tag if tag in self._manifests else self.digest
        return web.Response(
            body=self._manifests[digest], content_type=_MANIFEST, headers={"Docker-Content-Digest": digest}
        )

    async def _get_blob(self, request: web.Request) -> web.StreamResponse:
        self._check(request)
        data = self._blobs.get(request.match_info["digest"])
        if data is None:
            return web.json_response({"errors": [{"code": "BLOB_UNKNOWN"}]}, status=404)
        if len(data) > 10_000 and self.layer_status != 200:
            return _refusal(self.layer_status)
        if len(data) > 10_000 and self.spoil_blobs:
            data = bytes(len(data))
        if len(data) < 10_000 or (self.hold_blobs is None and not self.break_blobs):
            return web.Response(body=data)
        self.blob_requested.set()
        response = web.StreamResponse(headers={"Content-Length": str(len(data))})
        await response.prepare(request)
        half = len(data) // 2
        await response.write(data[:half])
        if self.break_blobs:
            assert request.transport is not None
            request.transport.abort()
            return response
        assert self.hold_blobs is not None
        await self.hold_blobs.wait()
        await response.write(data[half:])
        return response


def _refusal(status: int) -> web.Response:
    code = {404: "MANIFEST_UNKNOWN", 429: "TOOMANYREQUESTS"}.get(status, "DENIED")
    errors = {"errors": [{"code": code, "message": code.lower().replace("_", " ")}]}
    return web.json_response(errors, status=status)


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@asynccontextmanager
async def running_registry(registry: Registry | None = None) -> AsyncIterator[Registry]:
    """A registry, or this one, on a port of its own."""
    registry = registry or Registry()
    runner = web.AppRunner(registry.application(), shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        registry.port = runner.addresses[0][1]
        yield registry
    finally:
        if registry.hold_blobs is not None:
            registry.hold_blobs.set()
        await runner.cleanup()
