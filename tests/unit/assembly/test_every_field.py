"""No field of a container can be forgotten: each form of each stands in the table that Docker is asked about."""

from collections.abc import Iterator

from msgspec import inspect

from gamepipeline_events.spec.checks.kinds import fields_of, plain
from gamepipeline_events.spec.compose import Container
from tests.support.container_fields import CASES, NOT_IN_INSPECT, written_fields

_JSON: dict[type, str] = {
    inspect.StructType: "mapping",
    inspect.DictType: "mapping",
    inspect.ListType: "list",
    inspect.StrType: "text",
    inspect.LiteralType: "text",
    inspect.BoolType: "true or false",
    inspect.IntType: "number",
    inspect.FloatType: "number",
}


def forms() -> Iterator[tuple[str, str, str]]:
    """(struct, field, kind of JSON value) of everything that can be written below ``container``."""
    todo: list[type] = [Container]
    done: set[type] = set()
    while todo:
        cls = todo.pop()
        if cls in done:
            continue
        done.add(cls)
        for name, field in fields_of(cls).items():
            todo += _structs(field.type)
            for option in _flat(field.type):
                if kind := _JSON.get(type(option)):
                    yield cls.__name__, name, kind


def _flat(kind: inspect.Type) -> list[inspect.Type]:
    """What ``kind`` can be, through unions of unions."""
    inner = plain(kind)
    return [one for option in inner.types for one in _flat(option)] if isinstance(inner, inspect.UnionType) else [inner]


def _structs(kind: inspect.Type) -> list[type]:
    """The structs somewhere in ``kind``."""
    match plain(kind):
        case inspect.StructType() as found:
            return [found.cls]
        case inspect.ListType() as found:
            return _structs(found.item_type)
        case inspect.DictType() as found:
            return _structs(found.value_type)
        case inspect.UnionType() as found:
            return [cls for option in found.types for cls in _structs(option)]
        case _:
            return []


def test_every_form_of_every_field_is_a_case() -> None:
    """Whoever adds a field adds a case, or says which other tests show that it works."""
    wanted = {form for form in forms() if form[:2] not in NOT_IN_INSPECT}
    assert wanted - written_fields() == set()


def test_no_reason_without_a_field() -> None:
    """What leaves no trace is a field that exists, and in no case."""
    known = {form[:2] for form in forms()}
    assert set(NOT_IN_INSPECT) <= known
    assert not set(NOT_IN_INSPECT) & {form[:2] for form in written_fields()}


def test_every_case_says_something() -> None:
    """Each has a name of its own, and something to be seen."""
    assert len({case.id for case in CASES}) == len(CASES)
    assert all(case.expected for case in CASES)
