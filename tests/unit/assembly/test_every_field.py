"""No field of a container can be forgotten: each form of each stands in the table that Docker is asked about."""

from tests.support.container_fields import CASES, NOT_IN_INSPECT
from tests.support.field_forms import forms, used

USED = used(case.container for case in CASES)


def test_every_form_of_every_field_is_a_case() -> None:
    """Whoever adds a field adds a case, or says which other tests show that it works."""
    wanted = {form for form in forms() if form[:2] not in NOT_IN_INSPECT}
    assert wanted - USED == set()


def test_no_reason_without_a_field() -> None:
    """What leaves no trace is a field that exists, and in no case."""
    known = {form[:2] for form in forms()}
    assert set(NOT_IN_INSPECT) <= known
    assert not set(NOT_IN_INSPECT) & {form[:2] for form in USED}


def test_every_case_says_something() -> None:
    """Each has a name of its own, and something to be seen."""
    assert len({case.id for case in CASES}) == len(CASES)
    assert all(case.expected for case in CASES)
