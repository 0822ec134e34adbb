"""A field in any form becomes the same container as the normal form that `docker compose config` prints."""

from pathlib import Path
from typing import Any

import pytest

from gamepipeline_engine.containers.names import SPEC
from gamepipeline_events.spec.check import check
from gamepipeline_projections.pipelinefile import load_text
from tests.support.container_fields import NOT_IN_INSPECT
from tests.support.field_forms import forms
from tests.unit.assembly.making import built

TABLE = Path(__file__).parent / "compose_forms.yaml"


def _rows() -> list[dict[str, Any]]:
    """The table, read as a pipeline file is: with numbers as they are written."""
    lines = (f"    {line}\n" if line else "\n" for line in TABLE.read_text().splitlines())
    loaded = load_text(f"name: table\nx-rows:\n{''.join(lines)}", TABLE.name)
    assert loaded.document is not None
    rows: list[dict[str, Any]] = loaded.document["x-rows"]
    return rows


ROWS = _rows()


def body(container: dict[str, Any]) -> dict[str, Any]:
    """The container, without the label that tells how it was written."""
    made = dict(built("service", given={"envs": {"NODE": "n"}}, **container).body)
    return {**made, "Labels": {key: value for key, value in made["Labels"].items() if key != SPEC}}


def problems(container: dict[str, Any]) -> list[str]:
    """Errors of the check."""
    document = {"name": "x", "envs": ["NODE"], "steps": [{"name": "a", "container": {"image": "busybox", **container}}]}
    return [str(problem) for problem in check(document).errors]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row["written"]))
def test_written_and_normal_form(row: dict[str, Any]) -> None:
    """The check takes both, and they are one container unless the table says why not."""
    assert problems(row["written"]) == []
    assert problems(row["config"]) == []
    assert (body(row["written"]) == body(row["config"])) == ("differs" not in row)


def test_every_field_with_two_forms_has_a_row() -> None:
    """Whoever adds another form of a field says what compose makes of it."""
    kinds: dict[str, set[str]] = {}
    for struct, field, kind in forms():
        if struct == "Container" and (struct, field) not in NOT_IN_INSPECT:
            kinds.setdefault(field, set()).add(kind)
    wanted = {field for field, known in kinds.items() if len(known) > 1}
    assert wanted - {field for row in ROWS for field in row["written"]} == set()
