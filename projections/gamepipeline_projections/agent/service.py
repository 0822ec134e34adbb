"""The NATS micro service ``gamepipeline``: questions about pipelines, for programs in any language.

Requests and answers are JSON. Errors come as the micro protocol has them, in the headers
Nats-Service-Error-Code (400, 404, 413, 503) and Nats-Service-Error. Several agents share the work.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib.metadata import version
from typing import Any, Protocol

import msgspec
import nats.micro
from nats.aio.client import Client
from nats.micro.request import Request, ServiceError
from nats.micro.service import Service

from gamepipeline_events import BadInput, NotFound, Unavailable
from gamepipeline_events.ids import require_id
from gamepipeline_projections.agent.index import Page, Query
from gamepipeline_projections.models import GamePipeline
from gamepipeline_projections.sending.publish import RESERVE

NAME = "gamepipeline"
DESCRIPTION = "Status of pipelines"

Answer = Callable[[bytes], Awaitable[Any]]


class StatusRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which pipeline."""

    id: str


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """How the agent that answers is. ``behind``: events that are read and not yet in the models.

    ``position``: sequence of the last event that is in the models. ``pipelines``: how many there are.
    """

    agent: str
    realm: str
    position: int
    behind: int
    pipelines: int


class Answers(Protocol):
    """Who knows the answers."""

    async def get(self, id: str) -> GamePipeline:  # noqa: A002 - the contract's name
        """Raises NotFound, Unavailable."""
        ...

    def list(self, query: Query) -> Page:
        """One page of the list."""
        ...

    def health(self) -> Health:
        """How things are."""
        ...


async def serve(nc: Client, root: str, answers: Answers) -> Service:
    """Answer on ``<root>.status``, ``<root>.list`` and ``<root>.health`` until the service is stopped."""

    async def status(data: bytes) -> Any:
        wanted = _decode(data, StatusRequest)
        return (await answers.get(require_id(wanted.id, "pipeline id"))).status

    async def listing(data: bytes) -> Any:
        return answers.list(_decode(data or b"{}", Query))

    async def health(data: bytes) -> Any:  # noqa: ARG001 - every endpoint takes what was sent
        return answers.health()

    service = await nats.micro.add_service(
        nc,
        name=NAME,
        version=version("gamepipeline-projections"),
        description=DESCRIPTION,
        metadata={"root": root},
    )
    group = service.add_group(name=root)
    endpoints: dict[str, Answer] = {"status": status, "list": listing, "health": health}
    for name, answer in endpoints.items():
        await group.add_endpoint(name=name, handler=_handler(nc, answer))
    return service


def _decode(data: bytes, kind: type[Any]) -> Any:
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise BadInput("request", str(error)[:300]) from error


def _handler(nc: Client, answer: Answer) -> Callable[[Request], Awaitable[None]]:
    async def handle(request: Request) -> None:
        try:
            payload = msgspec.json.encode(await answer(request.data))
        except NotFound as error:
            raise _error(404, error) from error
        except BadInput as error:
            raise _error(400, error) from error
        except Unavailable as error:
            raise _error(503, error) from error
        if len(payload) > nc.max_payload - RESERVE:
            raise ServiceError("413", f"the answer has {len(payload)} bytes: ask for less, or read the events")
        if request._msg.reply:  # noqa: SLF001 - nats-py has no public way to see that nobody waits for an answer
            await request.respond(payload)

    return handle


def _error(code: int, error: Exception) -> ServiceError:
    """Headers hold one line."""
    return ServiceError(str(code), " ".join(str(error).split())[:500])
