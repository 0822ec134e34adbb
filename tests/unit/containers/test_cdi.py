"""GPUs of a node by its CDI specifications."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gamepipeline_engine.containers.docker.cdi import MAX_BYTES, read_specs
from gamepipeline_engine.containers.docker.gpus import gpus_of_specs, one_name_each

SPEC = """\
cdiVersion: 0.5.0
kind: nvidia.com/gpu
devices:
  - name: 0
    containerEdits: {deviceNodes: [{path: /dev/nvidia0}]}
  - name: "1"
  - name: GPU-3f0b
  - name: all
  - name: [a]
  - nothing
"""


def test_names_of_yaml_and_json(tmp_path: Path) -> None:
    """Of the kind that is a GPU, in both forms; other kinds and other files name nothing."""
    (tmp_path / "nvidia.yaml").write_text(SPEC)
    more = {"cdiVersion": "0.5.0", "kind": "nvidia.com/gpu", "devices": [{"name": "2"}, {"name": "1"}]}
    (tmp_path / "more.json").write_text(json.dumps(more))
    (tmp_path / "net.json").write_text(json.dumps({**more, "kind": "vendor.com/net", "devices": [{"name": "9"}]}))
    (tmp_path / "readme.txt").write_text(SPEC)
    (tmp_path / "folder.yaml").mkdir()
    found = read_specs([tmp_path, tmp_path / "absent"])
    assert found.warnings == ()
    assert set(found.names) == {"0", "1", "2", "GPU-3f0b", "all"}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", b"{"),
        ("a.json", b'"text"'),
        ("a.json", b'{"kind": "nvidia.com/gpu", "devices": [{"name": "0"}]}'),
        ("a.json", b"\xff\xfe\xff"),
        ("a.json", b"[" * 100_000),
        ("a.yaml", b"a: [\n"),
        ("a.yaml", b"\xff\xff"),
        ("a.yaml", b"- " * 20_000),
        ("a.yaml", b"!!python/object:os.system {}"),
        ("a.yaml", SPEC.encode() + b"#" * MAX_BYTES),
        ("a.yaml", b""),
    ],
)
def test_what_cannot_be_used_is_told(tmp_path: Path, name: str, content: bytes) -> None:
    """One bad file neither stops the engine nor hides what the others say."""
    (tmp_path / name).write_bytes(content)
    (tmp_path / "good.yaml").write_text(SPEC)
    found = read_specs([tmp_path])
    assert "0" in found.names
    [warning] = found.warnings
    assert str(tmp_path / name) in warning


def test_each_gpu_once() -> None:
    """By its index where it has one; a GPU in parts is its parts; odd names are left out."""
    assert list(one_name_each(["0", "GPU-a", "1", "GPU-b", "all", "0"])) == ["0", "1"]
    assert list(one_name_each(["GPU-a", "GPU-b", "all"])) == ["GPU-a", "GPU-b"]
    assert list(one_name_each(["0", "0:0", "0:1", "1"])) == ["0:0", "0:1", "1"]
    assert list(one_name_each(["", "a b", "../x", "x" * 200, "all"])) == []


def test_cdi_names_only_where_docker_understands_them() -> None:
    """An older daemon knows the same GPUs by index or UUID."""
    assert gpus_of_specs(["0", "GPU-a"], {"CDISpecDirs": ["/etc/cdi"]}) == ("nvidia.com/gpu=0",)
    assert gpus_of_specs(["0", "GPU-a"], {"CDISpecDirs": []}) == ("0",)
    assert gpus_of_specs(["all"], {}) is None
