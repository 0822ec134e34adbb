"""Commands that other programs publish: a command, or an error that says what is wrong."""

from __future__ import annotations

import pytest

from gamepipeline_engine.supervision.decoding import read_command
from gamepipeline_events import BadInput, Cancel, CommandRejected, Execute
from tests.support.engine_on_fakes import EngineOnFakes
from tests.support.histories import pipeline, step
from tests.support.simulated import simulate

ID = "01KAQ3GHVR3C6E8G0T2A4S6D8F"
TWICE = f'{{"id": "{ID}", "reason": "a", "reason": "b"}}'


def test_a_command_that_is_one() -> None:
    """A ULID in either case; a key may stand again in another object."""
    assert read_command(f'{{"id": "{ID.lower()}", "reason": "x"}}'.encode(), Cancel).reason == "x"
    nested = f'{{"id": "{ID}", "pipeline": {{"id": "p", "steps": [{{"id": "a"}}, {{"id": "b"}}]}}}}'
    assert read_command(nested.encode(), Execute).pipeline["id"] == "p"


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (TWICE, "'reason' stands twice"),
        (f'{{"id": "{ID}", "id": "{ID}"}}', "'id' stands twice"),
        ('{"id": "stop-1"}', "'stop-1' is no ULID"),
        ('{"id": ""}', "'' is no ULID"),
        (f'{{"id": "{ID}0"}}', "is no ULID"),
        ('{"id": 1}', "id"),
        ("{}", "id"),
        ("[]", "array"),
        ("", "cancel command"),
        ("[" * 100_000, "cancel command"),
    ],
)
def test_what_is_no_command(payload: str, said: str) -> None:
    """One kind of error, which names the place and the fix."""
    with pytest.raises(BadInput, match=r"^cancel command") as caught:
        read_command(payload.encode(), Cancel)
    assert said in str(caught.value)


def test_a_key_that_stands_twice_deep_in_the_pipeline() -> None:
    """As in a file: nobody can tell which of the two is meant."""
    payload = f'{{"id": "{ID}", "pipeline": {{"steps": [{{"name": "a", "name": "b"}}]}}}}'
    with pytest.raises(BadInput, match="'name' stands twice"):
        read_command(payload.encode(), Execute)


def test_such_commands_do_not_stay_in_the_queue() -> None:
    """They are refused on the rejects subject, removed, and the engine goes on."""

    async def main() -> None:
        engine = EngineOnFakes()
        subjects = engine.world.subjects
        async with engine.serving():
            engine.world.commands.add(subjects.execute("default", "p9"), b'{"id": "one", "pipeline": {}}')
            engine.world.commands.add(subjects.cancel("p9"), TWICE.encode())
            assert (await engine.run(pipeline(step("a")))).status == "completed"
            await engine.until_taken()
            told: dict[str, str] = {}
            for command, event in engine.rejected:
                assert isinstance(event.data, CommandRejected)
                assert (event.data.code, event.data.command_id) == ("bad_command", None)
                told[command] = event.data.message
            assert sorted(told) == ["cancel", "execute"]
            assert "no ULID" in told["execute"]
            assert "stands twice" in told["cancel"]

    simulate(main())
