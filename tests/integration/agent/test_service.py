"""The micro service, asked as any NATS client would."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from nats.aio.msg import Msg
from nats.errors import NoRespondersError

from gamepipeline_projections import models
from gamepipeline_projections.agent.service import StatusRequest
from tests.support.agents import Streams, story


async def _ask(here: Streams, endpoint: str, payload: bytes = b"") -> Msg:
    return await here.client.request(f"{here.topology.root}.{endpoint}", payload, timeout=5)


async def _refused(here: Streams, endpoint: str, payload: bytes) -> tuple[str, str]:
    headers = (await _ask(here, endpoint, payload)).headers or {}
    return headers["Nats-Service-Error-Code"], headers["Nats-Service-Error"]


async def test_status_is_that_of_the_events(here: Streams) -> None:
    """The document of `gamepipeline status -o json`, also of a pipeline that the models do not have yet."""
    last = await here.publish_all(story("p").payloads)
    async with here.agent():
        answer = await _ask(here, "status", msgspec.json.encode(StatusRequest(id="p")))
    assert json.loads(answer.data) == msgspec.to_builtins(here.wanted("p", last))


async def test_list_and_health(here: Streams) -> None:
    """Lines as the command line has them; how far the models are."""
    for name in ("p", "q"):
        await here.publish_all(story(name).payloads)
    async with here.agent() as agent:
        await agent.kept(here.last)
        page = json.loads((await _ask(here, "list", b'{"limit":1,"status":"completed"}')).data)
        everything = json.loads((await _ask(here, "list")).data)
        health = json.loads((await _ask(here, "health")).data)
    assert ([one["id"] for one in page["pipelines"]], page["more"]) == (["q"], True)
    assert ([one["id"] for one in everything["pipelines"]], everything["more"]) == (["q", "p"], False)
    assert health == {"agent": "test", "realm": "", "position": here.last, "behind": 0, "pipelines": 2}


async def test_errors_are_in_the_headers_of_the_micro_protocol(here: Streams) -> None:
    """Not found is 404, what makes no sense is 400: with the reason, and the service goes on."""
    async with here.agent():
        assert await _refused(here, "status", b'{"id":"nobody"}') == ("404", "no pipeline has the id nobody")
        for endpoint, payload in (
            ("status", b""),
            ("status", b"nobody"),
            ("status", b'{"id":7}'),
            ("status", b'{"id":"a b"}'),
            ("status", b'{"id":"p","also":1}'),
            ("status", b"[" * 100_000),
            ("list", b'{"limit":0}'),
            ("list", b'{"stauts":"failed"}'),
            ("list", b'{"status":"great"}'),
            ("list", b"\xff"),
        ):
            code, reason = await _refused(here, endpoint, payload)
            assert code == "400", payload[:40]
            assert "\n" not in reason
        stats = await _discovered(here, "STATS", 1)
        assert {one["name"]: (one["num_requests"], one["num_errors"]) for one in stats[0]["endpoints"]} == {
            "status": (7, 7),
            "list": (4, 4),
            "health": (0, 0),
        }


async def test_an_answer_that_is_too_large_says_so(here: Streams) -> None:
    """A message has its limit; the connection survives."""
    outputs = {f"k{number}": "v" * 32_000 for number in range(40)}
    await here.publish_all(story("p", steps=1).payloads)
    async with here.agent() as agent:
        model = await agent.get("p")
        steps = [msgspec.structs.replace(model.status.steps[0], outputs=outputs)]
        large = msgspec.structs.replace(model, status=msgspec.structs.replace(model.status, steps=steps))

        async def get(id: str) -> models.GamePipeline:  # noqa: A002 - the agent's name for it
            return large

        agent.get = get  # type: ignore[method-assign] # no history of a test has outputs of a megabyte
        code, reason = await _refused(here, "status", b'{"id":"p"}')
        assert (code, "ask for less" in reason) == ("413", True)
        assert (await _ask(here, "health")).headers is None
        await here.store.put(msgspec.structs.replace(large, status=msgspec.structs.replace(large.status, last_seq=99)))
    kept = await here.model("p")
    assert kept.problem is not None
    assert "larger than a message" in kept.problem
    assert (kept.status.last_seq, kept.status.status, kept.status.steps) == (99, "completed", [])


async def test_two_agents_are_discovered_and_share_the_work(here: Streams) -> None:
    """$SRV.PING and $SRV.INFO see both; a request gets one answer."""
    await here.publish_all(story("p").payloads)
    async with here.agent(), here.agent():
        assert len({one["id"] for one in await _discovered(here, "PING", 2)}) == 2
        infos = await _discovered(here, "INFO", 2)
        assert {one["name"] for one in infos[0]["endpoints"]} == {"status", "list", "health"}
        assert {one["subject"] for one in infos[0]["endpoints"]} == {
            f"{here.topology.root}.{name}" for name in ("status", "list", "health")
        }
        assert infos[0]["endpoints"][0]["queue_group"] == "q"
        for _ in range(20):
            await _ask(here, "status", b'{"id":"p"}')
        counts = [one["num_requests"] for info in await _discovered(here, "STATS", 2) for one in info["endpoints"]]
        assert sum(counts) == 20
    with pytest.raises(NoRespondersError):
        await _ask(here, "status", b'{"id":"p"}')


async def _discovered(here: Streams, verb: str, count: int) -> list[dict[str, Any]]:
    """What ``count`` services answer; the server of these tests has no others."""
    found: list[dict[str, Any]] = []
    inbox = here.client.new_inbox()
    subscription = await here.client.subscribe(inbox)
    await here.client.publish(f"$SRV.{verb}.gamepipeline", reply=inbox)
    while len(found) < count:
        found.append(json.loads((await subscription.next_msg(timeout=10)).data))
    await subscription.unsubscribe()
    assert {one["metadata"]["root"] for one in found} == {here.topology.root}
    return found
