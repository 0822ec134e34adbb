"""Having an image here: looking at the local ones, fetching the others, each at most once at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from functools import partial
from typing import Any, Literal
from urllib.parse import quote

from gamepipeline_engine.containers.classify import cause_of
from gamepipeline_engine.containers.docker.client import DockerClient, one_line
from gamepipeline_engine.containers.docker.credentials import credentials_for
from gamepipeline_engine.containers.docker.pull import PullFailed, PullStream
from gamepipeline_engine.containers.docker.registry import (
    HUB,
    by_digest,
    complete,
    digests_of,
    registry_of,
    secrets_of,
)
from gamepipeline_engine.containers.logins import RegistryLogin
from gamepipeline_engine.containers.port import DaemonError, ImageInfo, PullProgress

STALLED = 120.0
"""Seconds without a byte of progress after which a pull is given up."""

_OP = "ensure_image"
Listener = Callable[[PullProgress], None]


class _Flight:
    """One fetch under way and who waits for it."""

    def __init__(self, fetch: Callable[[Listener], Coroutine[Any, Any, float]]) -> None:
        self.listeners: list[Listener] = []
        self.waiting = 0
        # A kept task, not a TaskGroup: it belongs to all who wait, so it must survive the one
        # who began it. Each waiter sees its result, and the last one to leave ends it.
        self.task = asyncio.get_running_loop().create_task(fetch(self.tell))

    def tell(self, progress: PullProgress) -> None:
        for listener in tuple(self.listeners):
            listener(progress)


class DockerImages:
    """Images of one daemon. ``stalled``: see STALLED. ``logins`` by registry; ``learn`` is told the passwords."""

    def __init__(
        self,
        client: DockerClient,
        stalled: float = STALLED,
        *,
        logins: Mapping[str, RegistryLogin] | None = None,
        learn: Callable[[Iterable[str]], None] | None = None,
    ) -> None:
        self._client = client
        self._stalled = stalled
        self._logins = logins or {}
        self._learn = learn
        self._flights: dict[tuple[str, str | None], _Flight] = {}

    async def ensure(
        self,
        reference: str,
        policy: Literal["always", "missing", "never"],
        *,
        platform: str | None,
        digest: str | None = None,
        on_progress: Listener | None,
    ) -> ImageInfo:
        """See the port."""
        wanted = complete(reference) if digest is None else by_digest(reference, digest)
        if policy != "always" or digest is not None:
            found = await self._inspect(wanted)
            if found is None and digest is not None:
                found = await self._inspect(digest)  # one that no registry knows has its id as digest
            if found is not None and _fits(found, platform):
                return _info(reference, found, None, digest)
            if policy == "never":
                raise DaemonError(_OP, reference, 404, "the image is not here", "image_not_found")
        seconds = await self._share(wanted, platform, on_progress)
        found = await self._inspect(wanted)
        if found is None:
            message = "the pull ended without the image being here"
            raise DaemonError(_OP, reference, 0, message, "image_pull")
        if not _fits(found, platform):  # the daemon takes what there is and only warns
            raise DaemonError(_OP, reference, 404, f"there is none for {platform}", "image_not_found")
        return _info(reference, found, seconds, digest)

    async def close(self) -> None:
        """Give up every fetch under way."""
        tasks = [flight.task for flight in self._flights.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _inspect(self, reference: str) -> dict[str, Any] | None:
        path = f"images/{quote(reference, safe='/:@')}/json"
        try:
            found: dict[str, Any] = await self._client.json(_OP, reference, "GET", path)
        except DaemonError as exc:
            if exc.status == 404:
                return None
            raise
        return found

    async def _share(self, reference: str, platform: str | None, listener: Listener | None) -> float:
        """Join the fetch of this image, or begin it; the seconds it took."""
        key = (reference, platform)
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = _Flight(partial(self._fetch, reference, platform))
            flight.task.add_done_callback(lambda _: self._forget(key, flight))
        task = flight.task
        flight.waiting += 1
        if listener is not None:
            flight.listeners.append(listener)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if flight.waiting == 1 and not task.done():
                self._forget(key, flight)
                task.cancel()
            raise
        finally:
            flight.waiting -= 1
            if listener is not None:
                flight.listeners.remove(listener)

    def _forget(self, key: tuple[str, str | None], flight: _Flight) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]

    async def _fetch(self, reference: str, platform: str | None, tell: Listener) -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()
        progress = PullStream()
        header, trouble = await credentials_for(reference, self._logins)
        if header and self._learn is not None:
            self._learn(secrets_of(header))
        params = {"fromImage": reference} | ({"platform": platform} if platform else {})
        try:
            async with asyncio.timeout(self._stalled) as stall:
                async with self._client.stream(
                    _OP,
                    reference,
                    "POST",
                    "images/create",
                    params=params,
                    headers={"X-Registry-Auth": header} if header else None,
                    patience=self._stalled + 1,
                ) as response:
                    async for data in response.content.iter_any():
                        stall.reschedule(loop.time() + self._stalled)
                        if progress.feed(data):
                            tell(progress.progress())
                    progress.finish()
        except TimeoutError as exc:
            message = f"the pull stalled: nothing arrived for {self._stalled:g} s"
            raise DaemonError(_OP, reference, 0, message, "image_pull") from exc
        except DaemonError as exc:
            raise meaning_of(exc, reference, stranger=header is None, trouble=trouble) from exc
        except PullFailed as exc:
            message = one_line(exc)
            failed = DaemonError(_OP, reference, 0, message, cause_of(_OP, 0, message))
            raise meaning_of(failed, reference, stranger=header is None, trouble=trouble) from exc
        return loop.time() - began


def meaning_of(error: DaemonError, reference: str, *, stranger: bool, trouble: str = "") -> DaemonError:
    """What a refusal means for somebody whom the registry knows, does not know, or should have known."""
    if error.cause not in {"image_auth", "image_not_found"}:
        return error
    message, cause = error.message, error.cause
    if trouble:  # some registries say that there is no such image to whom it is none of their business
        message, cause = f"{message} (and nobody was logged in: {trouble})", "image_auth"
    elif stranger and registry_of(reference) == HUB:
        # Docker Hub refuses strangers what does not exist; that is likelier than a private image.
        cause = "image_not_found"
    return DaemonError(error.operation, error.subject, error.status, message, cause)


def _fits(found: dict[str, Any], platform: str | None) -> bool:
    if platform is None:
        return True
    here = [str(found.get(key) or "") for key in ("Os", "Architecture", "Variant")]
    return all(want == have for want, have in zip(platform.split("/"), here, strict=False))


def _info(reference: str, found: dict[str, Any], seconds: float | None, wanted: str | None) -> ImageInfo:
    known = digests_of(reference, found.get("RepoDigests") or ())
    digest = wanted if wanted in known else next(iter(known), "")
    full = complete(reference)
    exact = full if "@" in full else f"{full}@{digest}"
    return ImageInfo(
        reference=reference,
        id=found["Id"],
        digest=digest or found["Id"],
        exact=exact if digest else found["Id"],
        size=int(found.get("Size") or 0),
        pulled=seconds is not None,
        duration=seconds or 0.0,
    )
