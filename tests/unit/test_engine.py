"""What ``GamePipelineEngine`` answers before it needs anything around it."""

import pytest

from gamepipeline_engine import Config, GamePipelineEngine, Invalid, NotFound

PIPELINE = "name: x\nsteps: [{name: a, container: {image: busybox}}]"


@pytest.mark.parametrize("text", ["a.b", "*", "-a", "a" * 65, "ä"])
async def test_an_illegal_id_is_an_error_of_the_contract(text: str) -> None:
    """No pipeline can be given such an id, and none has it: one of the four errors that callers know."""
    engine = GamePipelineEngine(Config())
    with pytest.raises(Invalid) as caught:
        await engine.execute(PIPELINE, id=text)
    assert [(one.code, one.path) for one in caught.value.errors] == [("GP105", ("id",))]
    for question in (engine.get_status(text), engine.wait(text), engine.cancel_pipeline(text, "why")):
        with pytest.raises(NotFound):
            await question
