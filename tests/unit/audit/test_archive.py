"""An export says what was stored, to the byte; whatever is done to it afterwards is found, and where."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from gamepipeline_projections.audit.archive import (
    ArchiveExists,
    ArchiveReport,
    ArchiveWriter,
    Layout,
    Manifest,
    ManifestMissing,
    StreamPart,
    verify_archive,
)
from gamepipeline_projections.audit.archive import reader as reading
from gamepipeline_projections.audit.archive.lines import decode_line
from gamepipeline_projections.audit.archive.manifest import Part, encode_manifest
from gamepipeline_projections.reading import Recorded
from tests.unit.audit.cases import edit, forge, lived
from tests.unit.audit.test_sweep import named, woven

REALM = "01JDREA1M00000000000000000"


def stored() -> list[Recorded]:
    """Three pipelines in one stream."""
    return woven([named(lived(name), f"p{at}") for at, name in enumerate(("01_sequence", "34_rejected", "22_outputs"))])


def export(path: Path, records: list[Recorded], logs: list[Recorded] | None = None, *, force: bool = False) -> Manifest:
    """An export of everything at ``path``."""
    last = records[-1].sequence if records else 0
    with ArchiveWriter(Layout.at(path), logs=logs is not None, force=force) as writer:
        for record in records:
            writer.event(record)
        for record in logs or ():
            writer.log(record)
        stream = StreamPart(REALM, None, min(1, last), last, len(records))
        return writer.finish(stream=stream, tool="test", created="2026-11-24T00:00:00.000000Z")


def moved(lines: list[bytes], at: int, to: int) -> list[bytes]:
    """One line is at another place."""
    left = lines[:at] + lines[at + 1 :]
    return [*left[:to], lines[at], *left[to:]]


def said(report: ArchiveReport) -> list[str]:
    """Findings as lines."""
    return [str(one) for one in report.findings]


@pytest.mark.parametrize("name", ["export", "export.ndjson", "new/folder"])
def test_a_sound_export(name: str, tmp_path: Path) -> None:
    """It can be named by its folder or any of its files; nothing else is left beside it."""
    case = lived("01_sequence")
    path = tmp_path / name
    manifest = export(path, case.records, case.logs)
    folder = path if path.is_dir() else tmp_path
    assert sorted(one.name for one in folder.iterdir()) == sorted(
        [*(part.name for part in manifest.files), "export.manifest.json" if folder == tmp_path else "manifest.json"]
    )
    for named_by in [path, *folder.iterdir()]:
        report = verify_archive(named_by)
        assert said(report) == []
        assert (report.pipelines, report.events, report.log_records) == (1, len(case.records), len(case.logs))
    assert all(one.stat().st_mode & 0o077 == 0 for one in folder.iterdir()), "arguments are nobody else's business"


def test_payloads_are_exactly_those_stored(tmp_path: Path) -> None:
    """Also bytes that are no JSON, and no text: they are findings, and they are kept."""
    hostile = [b"", b"\xff\xfe", b"[" * 5000, b'{"a":"\\u0000"}\n', "é\u2028".encode()]
    records = [Recorded(at, f"gamepipeline.events.p{at}.StepStarted", one) for at, one in enumerate(hostile, start=1)]
    export(tmp_path / "e", records)
    lines = (tmp_path / "e" / "events.ndjson").read_bytes().splitlines(keepends=True)
    assert [decode_line(one)[0].payload for one in lines] == hostile
    report = verify_archive(tmp_path / "e")
    assert {one.rule for one in report.findings} == {"payload_decodes"}
    assert said(report)[1].startswith("events.ndjson, line 2: pipeline p2 (stream sequence 2): payload_decodes: ")


def test_an_empty_stream(tmp_path: Path) -> None:
    """Nothing is exported, and nothing is wrong with it."""
    export(tmp_path / "e", [], [])
    assert said(verify_archive(tmp_path / "e")) == []


def test_nothing_is_replaced_unasked(tmp_path: Path) -> None:
    """An export that is there stays; with ``force`` the new one is there, and whole."""
    export(tmp_path / "e", stored())
    before = {one.name: one.read_bytes() for one in (tmp_path / "e").iterdir()}
    with pytest.raises(ArchiveExists):
        export(tmp_path / "e", lived("01_sequence").records)
    assert {one.name: one.read_bytes() for one in (tmp_path / "e").iterdir()} == before
    export(tmp_path / "e", lived("01_sequence").records, force=True)
    assert verify_archive(tmp_path / "e").pipelines == 1
    (tmp_path / "file").write_text("")
    with pytest.raises(ArchiveExists):
        export(tmp_path / "file", stored(), force=True)


def test_what_appears_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    """Two exports to one place: the second to finish finds the first."""
    with ArchiveWriter(Layout.at(tmp_path / "e")) as writer:
        export(tmp_path / "e", stored())
        with pytest.raises(ArchiveExists):
            writer.finish(stream=StreamPart(REALM, None, 0, 0, 0), tool="test", created="")
    assert verify_archive(tmp_path / "e").pipelines == 3
    assert len(list((tmp_path / "e").iterdir())) == 3


def test_an_export_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    """No manifest, no file, no part of one."""

    def broken() -> None:
        with ArchiveWriter(Layout.at(tmp_path / "e")) as writer:
            writer.event(stored()[0])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        broken()
    assert list((tmp_path / "e").iterdir()) == []
    with pytest.raises(ManifestMissing):
        verify_archive(tmp_path / "e")


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an export with logs. Who damages it mends it."""
    case = lived("01_sequence")
    path = tmp_path_factory.mktemp("sound")
    export(path, case.records, case.logs)
    return path


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_damaged_byte_is_found(sound: Path, data: st.DataObject) -> None:
    """In any file, at any place; in a file of lines the line is named, or the line behind it."""
    path = data.draw(st.sampled_from(sorted(sound.iterdir())), label="file")
    content = path.read_bytes()
    at = data.draw(st.integers(0, len(content) - 1), label="byte")
    byte = data.draw(st.integers(0, 255).filter(lambda one: one != content[at]), label="new value")
    path.write_bytes(content[:at] + bytes([byte]) + content[at + 1 :])
    found = said(verify_archive(sound))
    path.write_bytes(content)
    assert found
    if path.name != "manifest.json":
        line = content[:at].count(b"\n") + 1
        assert any(one.startswith((f"{path.name}, line {line}: ", f"{path.name}, line {line + 1}: ")) for one in found)


def test_a_head_that_counts_wrong_is_named(sound: Path) -> None:
    """How many events a pipeline has is part of its head."""
    path = sound / "heads.ndjson"
    content = path.read_bytes()
    path.write_bytes(re.sub(rb'"events":(\d+)', rb'"events":1\1', content, count=1))
    assert any(one.startswith("heads.ndjson, line 1: ") for one in said(verify_archive(sound)))


@pytest.mark.parametrize("name", ["events.ndjson", "logs.ndjson"])
@pytest.mark.parametrize("place", [0, 5, -1])
@pytest.mark.parametrize(
    "change",
    [
        lambda lines, at: lines[:at] + lines[at + 1 :],
        lambda lines, at: [*lines[:at], lines[at], *lines[at:]],
        lambda lines, at: [*lines[:at], b"\n", *lines[at:]],
        lambda lines, at: moved(lines, at, (at + 3) % len(lines)),
    ],
    ids=["missing", "twice", "empty", "moved"],
)
def test_lines_that_are_missing_added_or_moved(
    name: str, place: int, change: Callable[[list[bytes], int], list[bytes]], tmp_path: Path
) -> None:
    """The first place where the file is not what it was is named; at the end, the file."""
    case = lived("01_sequence")
    export(tmp_path / "e", case.records, case.logs)
    path = tmp_path / "e" / name
    lines = path.read_bytes().splitlines(keepends=True)
    at = place % len(lines)
    changed = change(lines, at)
    assert changed != lines
    path.write_bytes(b"".join(changed))
    found = [one for one in said(verify_archive(tmp_path / "e")) if one.startswith(name)]
    first = next(
        line for line, (one, two) in enumerate(zip([*changed, b""], [*lines, b""], strict=False), 1) if one != two
    )
    assert any(one.startswith((f"{name}, line {first}: ", f"{name}, line {first + 1}: ")) for one in found) or (
        first == len(changed) + 1 and found[0].startswith(f"{name}: export_whole: number of lines is {len(changed)}, ")
    )


def test_a_lie_with_every_hash_made_anew_meets_the_rules(tmp_path: Path) -> None:
    """Who exports a forged history has an export that is whole; what it says is still judged, line by line."""
    export(tmp_path / "e", forge(lived("01_sequence"), edit("StepCompleted", "unpack", attempt=2)).records)
    report = verify_archive(tmp_path / "e")
    assert report.findings
    assert all(one.startswith("events.ndjson, line ") and ": pipeline p1, event " in one for one in said(report))
    assert "export_whole" not in {one.rule for one in report.findings}


def test_a_stream_that_had_gaps(tmp_path: Path) -> None:
    """What was missing from the stream when it was exported is a finding."""
    records = stored()
    export(tmp_path / "e", [*records[:-1], replace(records[-1], sequence=99)])
    assert "nothing_missing" in {one.rule for one in verify_archive(tmp_path / "e").findings}


def test_what_is_read_again_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pipelines that are judged late are read in as many passes as it takes."""
    monkeypatch.setattr("gamepipeline_projections.audit.sweep.KEPT_ENDED", 0)
    monkeypatch.setattr("gamepipeline_projections.audit.archive.offline.AT_ONCE", 1)
    records = stored()
    late = [replace(one, sequence=one.sequence + len(records)) for one in records]
    export(tmp_path / "e", [*records, *late])
    found = verify_archive(tmp_path / "e").findings
    assert {(one.pipeline_id, one.rule) for one in found} >= {(f"p{at}", "numbers_dense") for at in range(3)}


def rewritten(folder: Path, change: Callable[[Manifest], Manifest]) -> None:
    """Another manifest, with the checksum that belongs to it."""
    path = folder / "manifest.json"
    path.write_bytes(encode_manifest(change(msgspec.json.decode(path.read_bytes(), type=Manifest))))


def parts(change: Callable[[Part], Part]) -> Callable[[Manifest], Manifest]:
    """Each file's entry changed."""
    return lambda manifest: replace(manifest, files=tuple(change(one) for one in manifest.files))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (parts(lambda one: replace(one, name=f"../{one.name}")), "names the file '../events.ndjson'"),
        (parts(lambda one: replace(one, name=f"/etc/{one.name}")), "names the file '/etc/events.ndjson'"),
        (parts(lambda one: replace(one, name=".events")), "names the file '.events'"),
        (parts(lambda one: replace(one, name="events.ndjson\0")), "names the file 'events.ndjson\\x00'"),
        (parts(lambda one: replace(one, name="manifest.json")), "does not name one file of events"),
        (parts(lambda one: replace(one, kind="events")), "does not name one file of events"),
        (lambda one: replace(one, files=()), "does not name one file of events"),
        (lambda one: replace(one, files=one.files * 3), "does not name one file of events"),
        (lambda one: replace(one, version=2), "version 2"),
        (lambda one: replace(one, pipelines=7), "pipelines: 3 found, 7 expected"),
        (parts(lambda one: replace(one, name="away.ndjson") if one.kind == "heads" else one), "away.ndjson: "),
    ],
    ids=map(str, range(11)),
)
def test_a_manifest_that_lies(change: Callable[[Manifest], Manifest], words: str, tmp_path: Path) -> None:
    """No file outside of the export is opened; what is wrong is said."""
    export(tmp_path / "e", stored())
    rewritten(tmp_path / "e", change)
    assert any(words in one for one in said(verify_archive(tmp_path / "e")))


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"\xff", b"[" * 100_000, b'{"format":' * 50_000, b" " * 2_000_000, b"null"],
    ids=map(str, range(7)),
)
def test_a_manifest_that_is_none(content: bytes, tmp_path: Path) -> None:
    """One finding, whatever it is."""
    export(tmp_path / "e", stored())
    (tmp_path / "e" / "manifest.json").write_bytes(content)
    (found,) = said(verify_archive(tmp_path / "e"))
    assert found.startswith("manifest.json: export_whole: ")


@pytest.mark.parametrize("name", ["manifest.json", "events.ndjson", "heads.ndjson"])
@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_a_file_that_is_none(name: str, kind: str, tmp_path: Path) -> None:
    """Neither a link nor a pipe is followed, and nobody waits for one."""
    export(tmp_path / "e", stored())
    path = tmp_path / "e" / name
    path.rename(tmp_path / "aside")
    if kind == "link":
        path.symlink_to(tmp_path / "aside")
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()
    assert any(one.startswith(f"{name}: export_whole: ") for one in said(verify_archive(tmp_path / "e")))


def test_lines_without_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line is read so far and no further."""
    monkeypatch.setattr(reading, "LONGEST", 100_000)
    export(tmp_path / "e", stored())
    with (tmp_path / "e" / "events.ndjson").open("ab") as file:
        file.write(b"[" * 1_000_000)
    lines = len(stored())
    assert f"events.ndjson, line {lines + 1}: export_whole: is longer than 100000 bytes" in said(
        verify_archive(tmp_path / "e")
    )


@pytest.mark.parametrize(
    "line", [b"[" * 50_000 + b"\n", b"{}\n", b"\xff\n", b"null\n", b'{"sequence":1e999}\n'], ids=map(str, range(5))
)
def test_lines_that_are_no_records(line: bytes, tmp_path: Path) -> None:
    """Each is named; the others are judged all the same."""
    export(tmp_path / "e", stored())
    for name in ("events.ndjson", "heads.ndjson"):
        path = tmp_path / "e" / name
        path.write_bytes(line + path.read_bytes())
    found = verify_archive(tmp_path / "e")
    assert found.pipelines == 3
    assert [one.split(": export_whole: ")[0] for one in said(found) if "is damaged" in one] == [
        "events.ndjson, line 1",
        "heads.ndjson, line 1",
    ]


def test_problems_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file in which every line is wrong does not fill the memory: the rest is counted."""
    monkeypatch.setattr(reading, "MOST_PROBLEMS", 3)
    export(tmp_path / "e", stored())
    (tmp_path / "e" / "events.ndjson").write_bytes(b"{}\n" * 50)
    found = verify_archive(tmp_path / "e")
    assert sum(one.place.startswith("events.ndjson") for one in found.findings) == 3
    assert found.more > 40
