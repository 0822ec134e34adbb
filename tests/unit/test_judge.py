"""What the judge of the chaos tests expects; it must not call a right history wrong."""

import pytest

from tests.support.chaos.workload import PlannedStep


@pytest.mark.parametrize(
    ("falls", "limit", "interrupted", "completes"),
    [
        (0, 0, [], 1),
        (1, 1, [], 2),
        (2, 1, [], None),
        (0, 0, [1], 2),
        (1, 1, [1], 2),
        (1, 1, [2], 3),
        (1, 1, [1, 2], 3),
        (2, 1, [2], 3),
        (2, 1, [3], None),
    ],
)
def test_the_attempt_that_completes(falls: int, limit: int, interrupted: list[int], completes: int | None) -> None:
    """An attempt fails by its number: an interrupted one may stand where one was to fail, or to complete."""
    step = PlannedStep("s1", service=False, always=False, lines=2, falls=falls, limit=limit)
    assert step.completes(frozenset(interrupted)) == completes
