"""The text of ``why``: golden."""

from __future__ import annotations

from gamepipeline_engine.cli.render.reasons import reasons_text
from gamepipeline_projections.reasons import Reason


def test_a_question_its_answer_and_where_it_is_on_record() -> None:
    """Nothing that a container wrote can move the cursor."""
    reasons = [
        Reason(question="What does step b wait for?", answer="It needs a (running).", step="b"),
        Reason(
            question="Why did step a run?",
            answer="It needs no other step.",
            details=["hint: look", "| \x1b[2Jgone"],
            step="a",
            event="StepScheduled",
            seq=3,
            time="2026-11-23T18:00:03.000000Z",
            actor="engine:node-1",
            event_id="E3",
            caused_by="C1",
            command="C1",
        ),
    ]
    assert (
        reasons_text(reasons)
        == """\
What does step b wait for?
  It needs a (running).

Why did step a run?
  It needs no other step.
    hint: look
    | \ufffd[2Jgone
  [event 3, StepScheduled, 2026-11-23T18:00:03Z, by engine:node-1, command C1]
"""
    )
