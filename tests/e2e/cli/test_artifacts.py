"""Artifacts on the real Docker engine and NATS: a hostile tree, fetching, and an engine that is killed meanwhile."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from tests.e2e.cli.conftest import Cli

pytestmark = pytest.mark.docker

HOSTILE = """
name: Hostile
id: hostile-TAG
steps:
  - name: make
    container:
      image: IMAGE
      commands:
        - mkdir -p out/deep empty && echo good > out/deep/good.txt && chmod 755 out/deep/good.txt
        - ln -s /etc/passwd out/link.txt && ln -s / out/root && ln -s ../../etc out/up
        - mkfifo out/pipe && mknod out/device c 1 5
        - ln out/deep/good.txt out/twice.txt
        - ln -s out/deep shortcut
        - dd if=/dev/zero of=out/large.bin bs=1M count=40 2>/dev/null
      artifacts: {paths: [out, empty, "shortcut/*"], expire: 1h}
  - name: wreck
    container:
      image: IMAGE
      commands: ["rm -rf out", "mkdir out", "ln -s /etc out/deep"]
  - name: restore
    container:
      image: IMAGE
      user: "1000"
      artifacts_from: [make]
      commands: ["find -L out -type f | sort", "echo more >> out/large.bin", "cat out/deep/good.txt"]
"""


@pytest.fixture(scope="module")
def hostile(shared: Cli) -> Cli:
    """The command line after the run."""
    done = shared("run", shared.file(HOSTILE, "hostile.yaml"), "-o", "json")
    assert done.code == 0, done.err
    return shared


def test_only_files_are_kept(hostile: Cli) -> None:
    """Links, pipes and devices are not; of two names of one file the first is."""
    rows = hostile("artifacts", "ls", hostile.id("hostile"), "-o", "json").json
    assert [(row["step"], row["name"], row["size"], row["executable"]) for row in rows] == [
        ("make", "out/deep/good.txt", 5, True),
        ("make", "out/large.bin", 40 * 2**20, False),
    ]
    assert rows[0]["sha256"] == hashlib.sha256(b"good\n").hexdigest()
    text = hostile("artifacts", "ls", hostile.id("hostile")).out
    assert text.splitlines()[0].split() == ["STEP", "NAME", "SIZE", "EXPIRES", "SHA256"]
    assert hashlib.sha256(b"good\n").hexdigest() in text


def test_they_are_fetched(hostile: Cli, tmp_path: Path) -> None:
    """Into a folder for each step, which appears whole; a second time it is not overwritten."""
    arguments = ("artifacts", "get", hostile.id("hostile"), "-d", str(tmp_path / "to"))
    done = hostile(*arguments)
    assert (done.code, done.out) == (0, ""), done.err
    files = {str(one.relative_to(tmp_path / "to")): one for one in (tmp_path / "to").rglob("*") if one.is_file()}
    assert sorted(files) == ["make/out/deep/good.txt", "make/out/large.bin"]
    assert files["make/out/deep/good.txt"].read_text() == "good\n"
    assert os.access(files["make/out/deep/good.txt"], os.X_OK)
    again = hostile(*arguments)
    assert again.code == 2
    assert "is there already" in again.err
    assert [one.name for one in (tmp_path / "to").iterdir()] == ["make"]


def test_a_later_step_has_them(hostile: Cli) -> None:
    """For any user to write, whatever has become of the workspace meanwhile; links of the workspace lead nowhere."""
    assert hostile("logs", hostile.id("hostile"), "--step", "restore").out.splitlines()[-1] == "good"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["ls", "nobody"], 7, "no pipeline nobody"),
        (["get", "nobody"], 7, "no pipeline nobody"),
        (["get", "ID", "--step", "wreck"], 7, "has kept no artifacts"),
    ],
)
def test_what_is_not_there(hostile: Cli, arguments: list[str], code: int, words: str) -> None:
    """Exit code 7, and what is missing."""
    done = hostile("artifacts", *(hostile.id("hostile") if one == "ID" else one for one in arguments))
    assert (done.code, done.out) == (code, "")
    assert words in done.err


def test_a_directory_of_the_node(shared: Cli, tmp_path: Path) -> None:
    """With artifact_store the archives are there, and can be fetched with that configuration only."""
    config = tmp_path / "node.toml"
    config.write_text(f'[node]\nartifact_store = "{tmp_path}/store"\n')
    own = {"GAMEPIPELINE_CONFIG": str(config)}
    pipeline = shared.id("on-the-node")
    done = shared("run", shared.file(KILLED.replace("POINT", "on-the-node"), "node.yaml"), env=own)
    assert done.code == 0, done.err
    assert (tmp_path / "store" / pipeline / "make.1.tar").is_file()
    assert shared("artifacts", "ls", pipeline, "-o", "json").json[0]["store"] == "node"
    refused = shared("artifacts", "get", pipeline, "-d", str(tmp_path / "to"))
    assert refused.code == 3
    assert "is in a directory of the node" in refused.err
    assert shared("artifacts", "get", pipeline, "-d", str(tmp_path / "to"), env=own).code == 0
    assert (tmp_path / "to" / "make" / "a.txt").read_text() == "x\n"


KILLED = """
name: Killed
id: POINT-TAG
steps:
  - name: make
    container:
      image: IMAGE
      commands: ["echo x > a.txt"]
      artifacts: {paths: [a.txt]}
  - name: use
    container: {image: IMAGE, artifacts_from: [make], commands: ["cat a.txt"]}
"""


@pytest.mark.parametrize("point", ["before_artifacts", "after_artifacts"])
def test_killed_in_the_middle(shared: Cli, tmp_path: Path, point: str) -> None:
    """Whoever goes on keeps them again: they are on record once, whole, and before that nobody sees them."""
    name = point.replace("_", "-")
    pipeline = shared.id(name)
    file = shared.file(KILLED.replace("POINT", name), f"{name}.yaml")
    killed = shared("run", file, env={"GAMEPIPELINE_FAILPOINT": f"{point}:1"})
    assert killed.code == -9
    assert shared("artifacts", "ls", pipeline, "-o", "json").json == []
    resumed = shared("run", "--resume", pipeline)
    assert resumed.code == 0, resumed.err
    stored = shared("events", pipeline, "--type", "ArtifactsStored").out.splitlines()
    assert [json.loads(one)["data"]["key"] for one in stored] == [f"{pipeline}/make.1"]
    assert shared("logs", pipeline, "--step", "use").out == "x\n"
    assert shared("artifacts", "get", pipeline, "-d", str(tmp_path)).code == 0
    assert (tmp_path / "make" / "a.txt").read_text() == "x\n"
    assert shared("audit", "verify", pipeline).code == 0
