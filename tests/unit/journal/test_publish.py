"""What the answer to a publish means: one table, every row of it."""

import json

import nats.errors
import pytest

from gamepipeline_engine.journal.jetstream import _headers
from gamepipeline_projections.sending.publish import (
    Acknowledged,
    Outcome,
    Refused,
    Unknown,
    WrongSequence,
    of_answer,
    of_error,
)


def refusal(code: int, text: str = "some text", status: int = 400) -> bytes:
    """An acknowledgement that is an error."""
    error = {"code": status, "err_code": code, "description": text}
    return json.dumps({"error": error, "stream": "S", "seq": 0}).encode()


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (b'{"stream":"S","seq":7}', Acknowledged(7)),
        (b'{"stream":"S","seq":7,"duplicate":true,"domain":"d"}', Acknowledged(7, duplicate=True)),
        (refusal(10071, "wrong last sequence: 5"), WrongSequence()),
        (refusal(10164, "wrong last sequence"), WrongSequence()),
        (refusal(10077, "maximum bytes exceeded", 503), Refused("maximum bytes exceeded", full=True)),
        (refusal(10077, "maximum messages exceeded", 503), Refused("maximum messages exceeded", full=True)),
        (refusal(10047, "no storage", 500), Refused("no storage", full=True)),
        (refusal(10002, "limits"), Refused("limits", full=True)),
        (refusal(10028, "no memory", 500), Refused("no memory", full=True)),
        (refusal(10054, "too large"), Refused("too large")),
        (refusal(10060, "not this stream"), Refused("not this stream")),
        (refusal(10097, "header too large"), Refused("header too large")),
        (refusal(10109, "sealed"), Refused("sealed")),
        (refusal(10111, "rollup"), Refused("rollup")),
        (refusal(10166, "ttl"), Refused("ttl")),
    ],
)
def test_certain_answers(answer: bytes, outcome: Outcome) -> None:
    """An answer that decides something means exactly that."""
    assert of_answer(answer, "S") == outcome


@pytest.mark.parametrize(
    "answer",
    [
        refusal(10077, "store is closed", 503),
        refusal(10077, "no space left on device", 503),
        refusal(10023, "insufficient resources", 503),
        refusal(10163, "not ready", 503),
        refusal(10167, "too many requests", 429),
        refusal(0, ""),
        refusal(99999, "from the future"),
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff",
        b"<html>",
        b"[" * 100_000,
        b'{"stream":"S","seq":0}',
        b'{"stream":"S","seq":-1}',
        b'{"stream":"S","seq":"7"}',
        b'{"stream":"OTHER","seq":7}',
        b'{"seq":7}',
        b'{"error":{}}',
    ],
)
def test_answers_that_decide_nothing(answer: bytes) -> None:
    """Any other answer leaves the outcome unknown: it may be stored."""
    outcome = of_answer(answer, "S")
    assert isinstance(outcome, Unknown)
    assert outcome.sent


@pytest.mark.parametrize(
    "error",
    [
        nats.errors.TimeoutError(),
        TimeoutError(),
        nats.errors.ConnectionClosedError(),
        nats.errors.StaleConnectionError(),
        BrokenPipeError(),
        ConnectionResetError(),
        RuntimeError("anything"),
    ],
)
def test_errors_that_decide_nothing(error: Exception) -> None:
    """An error after which the message may be on its way leaves the outcome unknown."""
    outcome = of_error(error)
    assert isinstance(outcome, Unknown)
    assert outcome.sent
    assert outcome.why


@pytest.mark.parametrize("error", [nats.errors.OutboundBufferLimitError(), nats.errors.NoRespondersError()])
def test_errors_before_sending(error: Exception) -> None:
    """What did not leave the process, or found no stream, is known not to be stored and may be tried again."""
    outcome = of_error(error)
    assert isinstance(outcome, Unknown)
    assert not outcome.sent


@pytest.mark.parametrize("error", [nats.errors.MaxPayloadError(), nats.errors.BadSubjectError()])
def test_errors_that_will_not_go_away(error: Exception) -> None:
    """What can never be sent is refused."""
    assert isinstance(of_error(error), Refused)


@pytest.mark.parametrize("expected", [0, 1, 2**63])
def test_condition(expected: int) -> None:
    """The condition names stream, sequence and filter; a number is decimal digits and nothing else."""
    assert _headers("S", "root.events.p.>", expected) == {
        "Nats-Expected-Stream": "S",
        "Nats-Expected-Last-Subject-Sequence": str(expected),
        "Nats-Expected-Last-Subject-Sequence-Subject": "root.events.p.>",
    }


def test_condition_is_never_empty() -> None:
    """A number below zero, which the server would not take for a condition, is a mistake."""
    with pytest.raises(ValueError, match="below 0"):
        _headers("S", "root.events.p.>", -1)
