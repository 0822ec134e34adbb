"""The append protocol, answer by answer."""

from collections.abc import Callable
from typing import cast

import pytest
from nats.aio.client import Client

from gamepipeline_engine.journal import jetstream
from gamepipeline_engine.journal.jetstream import JetStreamJournal
from gamepipeline_engine.journal.port import Conflict, NotStored
from gamepipeline_events import Subjects
from gamepipeline_projections.sending.publish import Acknowledged, Outcome, Refused, Unknown, WrongSequence
from tests.support.journals import made
from tests.unit.journal.stub import StubClient

NOTHING = b'{"error":{"code":404,"err_code":10037,"description":"no message found"}}'
FOREIGN = b'{"message":{"subject":"gamepipeline.events.p.X","seq":5,"data":"e30="}}'

Script = Callable[..., list[bytes]]


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Script:
    """Scripts the outcomes of publishes; the payloads that were published come in the list."""

    def prepare(*outcomes: Outcome) -> list[bytes]:
        waiting, published = list(outcomes), list[bytes]()

        async def publish(_nc: Client, _subject: str, payload: bytes, *_: object) -> Outcome:
            published.append(payload)
            return waiting.pop(0) if len(waiting) > 1 else waiting[0]

        monkeypatch.setattr(jetstream, "publish", publish)
        monkeypatch.setattr(jetstream, "_FIRST_PAUSE", 0.001)
        return published

    return prepare


def journal(answer: bytes = NOTHING) -> JetStreamJournal:
    """A journal whose read-back finds ``answer``."""
    client = StubClient()
    client.replies = {"STREAM.MSG.GET": answer}
    return JetStreamJournal(cast("Client", client), Subjects(), "S")


async def test_unknown_is_published_again(script: Script) -> None:
    """While nothing came after, the same bytes are published again until the outcome is known."""
    published = script(Unknown("timeout"), Unknown("503"), WrongSequence(), Acknowledged(3))
    event, payload = made("p")
    assert await journal().append(event, payload, 0) == 3
    assert published == [payload] * 4


async def test_refusal_is_final(script: Script) -> None:
    """A refusal of the first publish is certain at once."""
    published = script(Refused("maximum bytes exceeded", full=True))
    with pytest.raises(NotStored):
        await journal().append(*made("p"), 0)
    assert len(published) == 1


async def test_refusal_after_a_ghost(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal says nothing about an earlier publish that may still arrive: it is asked again."""
    monkeypatch.setattr(jetstream, "GHOST_WINDOW", 0.02)
    published = script(Unknown("timeout"), Refused("maximum bytes exceeded", full=True))
    with pytest.raises(NotStored):
        await journal().append(*made("p"), 0)
    assert len(published) > 2


async def test_refusal_of_what_was_never_sent(script: Script) -> None:
    """A publish that never left the process is no ghost."""
    published = script(Unknown("not connected", sent=False), Refused("sealed"))
    with pytest.raises(NotStored):
        await journal().append(*made("p"), 0)
    assert len(published) == 2


async def test_another_event_came_after(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another event after the expected one is a conflict: a ghost cannot be stored any more."""
    published = script(Unknown("timeout"), Acknowledged(9))
    answers = [FOREIGN, NOTHING]
    subject = journal()

    async def request(*_: object, **__: object) -> object:
        return type("Reply", (), {"data": answers.pop(0)})

    monkeypatch.setattr(subject._nc, "request", request)
    with pytest.raises(Conflict) as caught:
        await subject.append(*made("p"), 0)
    assert (caught.value.found, len(published)) == (5, 1)


async def test_duplicate_is_no_success(script: Script) -> None:
    """Events carry no Nats-Msg-Id: an acknowledgement of a duplicate is of something else."""
    published = script(Acknowledged(3, duplicate=True), Acknowledged(4))
    assert await journal().append(*made("p"), 0) == 4
    assert len(published) == 2
