"""``audit export`` and ``audit verify FILE`` as processes: out of a real stream, and checked without one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.integration.audit.store import Case, lived, named, store_in, without_server


@pytest.fixture
def case() -> Case:
    """Three steps that ran."""
    return lived("01_sequence")


@pytest.fixture
def other() -> Case:
    """A pipeline that was rejected."""
    return named(lived("34_rejected"), "other")


async def test_what_is_exported_can_be_checked_anywhere(case: Case, other: Case, tmp_path: Path) -> None:
    """All pipelines with logs, and one alone; payloads are those stored, byte for byte; a changed one is found."""
    place, single = tmp_path / "all", tmp_path / "other.ndjson"
    async with store_in(tmp_path / "home") as store:
        await store.keep(case.records)
        await store.keep(case.logs)
        await store.keep(other.records)
        code, out, err = await store.call("export", "--all", "--logs", "-o", str(place))
        assert (code, out, err) == (0, f"{place}/manifest.json\n", "")
        assert (await store.call("export", "oth", "-o", str(single)))[:2] == (0, f"{tmp_path}/other.manifest.json\n")
        code, _, err = await store.call("export", "--all", "-o", str(place))
        assert (code, err.startswith(f"error: {place}/manifest.json exists; ")) == (2, True)
        assert (await store.call("export", "--all", "-o", str(place), "--logs", "--force"))[0] == 0
        assert (await store.call("export", "nobody"))[0] == 7
        assert (await store.call("export"))[0] == (await store.call("export", "p1", "--all"))[0] == 2
        manifest = json.loads((place / "manifest.json").read_bytes())
        assert manifest["stream"]["realm"] == store.realm
    lines = [json.loads(line) for line in (place / "events.ndjson").read_bytes().splitlines()]
    assert [line["payload"].encode() for line in lines] == [one.payload for one in (*case.records, *other.records)]
    total = len(case.records) + len(other.records)
    code, out, _ = await without_server("verify", str(place))
    assert (code, out) == (0, f"pipelines: 2, events: {total}, log records: {len(case.logs)}, findings: 0\n")
    assert (await without_server("verify", str(single)))[0] == 0
    events = place / "events.ndjson"
    events.write_bytes(events.read_bytes().replace(rb"\"exit_code\":0", rb"\"exit_code\":1", 1))
    code, out, _ = await without_server("verify", str(place), "-o", "json")
    found = json.loads(out)["findings"]
    assert code == 8
    assert {one["place"] for one in found} >= {"events.ndjson, line 5", "events.ndjson"}


async def test_what_is_no_export(tmp_path: Path) -> None:
    """One line that says so: a place without a manifest is a mistake, a manifest that is none a mismatch."""
    code, _, err = await without_server("verify", str(tmp_path))
    assert (code, "there is no manifest" in err) == (2, True)
    assert (await without_server("verify", str(tmp_path / "nowhere.ndjson")))[0] == 2
    (tmp_path / "manifest.json").write_text("{}")
    code, out, _ = await without_server("verify", str(tmp_path))
    assert (code, out.startswith("manifest.json: export_whole: is no manifest: ")) == (8, True)
