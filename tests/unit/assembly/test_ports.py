"""The check of a file and the building of the container agree on ports."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gamepipeline_engine.assembly import TemplateError
from gamepipeline_events.spec.check import check
from tests.unit.assembly.making import built

_NUMBERS = st.sampled_from(["", "0", "1", "80", "81", "65535", "65536", "x", "-1", "08"])
_SIDES = _NUMBERS | st.tuples(_NUMBERS, _NUMBERS).map("-".join)
_ADDRESSES = st.sampled_from(["", "127.0.0.1:", "[::1]:", "::1:", "1.2:"])
_PROTOCOLS = st.sampled_from(["", "/tcp", "/UDP", "/icmp", "/"])
_TEXTS = st.tuples(_ADDRESSES, st.just("") | _SIDES.map("{}:".format), _SIDES, _PROTOCOLS).map("".join)
_LONG = st.fixed_dictionaries({"target": _SIDES, "published": _SIDES})


def accepted(container: dict[str, Any]) -> bool:
    """Whether the check of a file has nothing against it."""
    document = {"name": "x", "steps": [{"name": "a", "container": {"image": "busybox", **container}}]}
    return not check(document).errors


@settings(deadline=None)
@given(written=_TEXTS | _LONG)
def test_what_the_check_accepts_can_be_built(written: Any) -> None:
    """An entry of `ports` or `expose` is refused by the check if and only if building refuses it."""
    fields: list[dict[str, Any]] = [{"ports": [written]}]
    if isinstance(written, str):
        fields.append({"expose": [written]})
    for container in fields:
        try:
            built(**container)
        except TemplateError:
            assert not accepted(container)
        else:
            assert accepted(container)
