"""Values of a wrong type that came out of an expression: their place, and our own words."""

from typing import Any

import pytest

from gamepipeline_engine.assembly import TemplateError
from tests.unit.assembly.making import built

GIVEN: dict[str, Any] = {"args": {"MAYBE": "maybe", "MANY": "20000", "HALF": "0.5", "NONE": "", "FEW": "0"}}


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({"privileged": "${{ args.MAYBE }}"}, "container.privileged: 'maybe' is not true or false"),
        ({"init": "${{ args.NONE }}"}, "container.init: '' is not true or false"),
        (
            {"healthcheck": {"retries": "${{ args.MAYBE }}"}},
            "container.healthcheck.retries: 'maybe' is not a whole number",
        ),
        (
            {"healthcheck": {"retries": "${{ args.HALF }}"}},
            "container.healthcheck.retries: '0.5' is not a whole number",
        ),
        (
            {"healthcheck": {"retries": "${{ args.MANY }}"}},
            "container.healthcheck.retries: '20000' must be at most 10000",
        ),
        ({"healthcheck": {"retries": "${{ args.FEW }}"}}, "container.healthcheck.retries: '0' must be at least 1"),
        ({"ulimits": {"nofile": {"soft": 1, "hard": "${{ args.MAYBE }}"}}}, "container.ulimits: "),
        ({"pull_policy": "${{ args.MAYBE }}"}, "container.pull_policy: 'maybe' is not one of the values it can have"),
        ({"working_dir": "${{ args.MAYBE }}"}, "container.working_dir: 'maybe' must be an absolute path"),
        ({"pids_limit": "${{ args.MAYBE }}"}, "container.pids_limit: 'maybe' is not a number of processes"),
        (
            {"volumes": ["/x", {"type": "bind", "source": "/a", "target": "/b", "read_only": "${{ args.MAYBE }}"}]},
            "container.volumes[1].read_only: 'maybe' is not true or false",
        ),
    ],
)
def test_place_and_words(written: dict[str, Any], said: str) -> None:
    """The place is that of the field, whatever it lies in, and nothing of the decoder's language is shown."""
    with pytest.raises(TemplateError) as refused:
        built(given=GIVEN, **written)
    assert str(refused.value).startswith(said)
    assert "Expected" not in str(refused.value)
    assert "`" not in str(refused.value)
