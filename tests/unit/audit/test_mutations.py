"""Each lie is found by the rule that is there to find it."""

from __future__ import annotations

import pytest

from gamepipeline_projections.audit import RULES
from tests.unit.audit.cases import PIPELINE, forge
from tests.unit.audit.lies import SEQUENCE, Mutation, earlier
from tests.unit.audit.mutations import MUTATIONS


@pytest.mark.parametrize("mutation", MUTATIONS, ids=str)
def test_it_is_found(mutation: Mutation) -> None:
    """The history holds as it was lived; with the lie in it, the rule that is named is broken."""
    case = mutation.base()
    assert case.findings() == []
    assert mutation.rule in mutation.apply(case).broken()


def test_forging_alone_breaks_nothing() -> None:
    """What the rules find in a forged history is the lie: numbered and chained anew, the truth passes."""
    for mutation in MUTATIONS:
        assert forge(mutation.base(), lambda events: events).findings() == []


def test_every_rule_is_broken_once() -> None:
    """No rule is there that nothing can break."""
    assert {one.rule for one in MUTATIONS} == {rule.name for rule in RULES}
    assert len(MUTATIONS) >= 25


def test_names_of_lies_are_unique() -> None:
    """A failing test names one lie."""
    assert len({str(one) for one in MUTATIONS}) == len(MUTATIONS)


def test_a_finding_names_its_place() -> None:
    """Pipeline, event, stream sequence, rule and reason, in one line."""
    case = SEQUENCE()
    (found,) = forge(case, earlier("StepScheduled", 60)).findings()
    assert (found.rule, found.pipeline_id, found.seq, found.sequence) == ("times_forward", PIPELINE, 3, 3)
    assert str(found).startswith("pipeline p1, event 3 (stream sequence 3): times_forward: time goes back from ")
