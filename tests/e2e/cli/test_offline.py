"""Commands that need neither Docker nor NATS, and input that no command takes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.e2e.cli.conftest import COMMAND, Cli

ALONE = {"DOCKER_HOST": "unix:///nowhere", "NATS_URL": "nats://127.0.0.1:1"}

BROKEN = """
name: Broken
steps:
  - name: a
    needs: [nobody]
    container: {image: IMAGE, comands: [x]}
  - name: a
    container: {image: 5}
  - name: b
    needs: [c]
    container: {image: IMAGE, commands: ["echo ${{ args.NOPE }}"]}
  - name: c
    needs: [b]
    container: {image: IMAGE, build: .}
"""

CODES = {"GP103", "GP104", "GP201", "GP202", "GP203", "GP301", "GP402"}

BAD_FILES = {
    "empty": "",
    "no mapping": "- a",
    "not utf-8": "name: \udcff",
    "tag": "name: !!python/object:os.system x",
    "alias bomb": "a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n" + "d: [" + "*b," * 3000 + "*b]",
    "deep": "name: " + "[" * 3000,
    "duplicate key": "name: a\nname: b\nsteps: [{name: a, container: {image: IMAGE}}]",
    "bare no": "name: x\nsteps: [{name: a, container: {image: IMAGE, init: no}}]",
    "id with a dot": "name: x\nid: a.b\nsteps: [{name: a, container: {image: IMAGE}}]",
    "no steps": "name: x\nsteps: []",
    "self": "name: x\nsteps: [{name: a, needs: [a], container: {image: IMAGE}}]",
    "negative timeout": "name: x\ntimeout: -1\nsteps: [{name: a, container: {image: IMAGE}}]",
    "endless timeout": "name: x\ntimeout: 1e12\nsteps: [{name: a, container: {image: IMAGE}}]",
    "nan": "name: x\ntimeout: .nan\nsteps: [{name: a, container: {image: IMAGE}}]",
    "retries": "name: x\nsteps: [{name: a, retry: {limit: 1000000000}, container: {image: IMAGE}}]",
    "memory": "name: x\nsteps: [{name: a, container: {image: IMAGE, mem_limit: -5}}]",
    "image": "name: x\nsteps: [{name: a, container: {image: 'docker.io/../x'}}]",
    "expression in expression": "name: x\nsteps: [{name: a, container: {image: IMAGE, user: '${{ ${{x}} }}'}}]",
    "class": "name: x\nsteps: [{name: a, container: {image: IMAGE, user: '${{ args.__class__ }}'}}]",
}


def test_validate_reports_every_problem_with_its_place(cli: Cli) -> None:
    """FILE:LINE:COL: error[GPnnn] for each, all at once, exit code 2."""
    file = cli.file(BROKEN)
    done = cli("validate", file, env=ALONE)
    assert (done.code, done.out) == (2, "")
    lines = [line for line in done.err.splitlines() if not line.startswith("    hint: ")]
    assert all(line.startswith(f"{file}:") and ": error[GP" in line for line in lines)
    assert {line.partition("error[")[2][:5] for line in lines} == CODES
    assert all(int(line.removeprefix(f"{file}:").split(":")[0]) > 1 for line in lines)


def test_validate_as_json(cli: Cli) -> None:
    """The same problems as objects, on stdout."""
    done = cli("validate", cli.file(BROKEN), "-o", "json", env=ALONE)
    assert (done.code, done.err) == (2, "")
    assert set(done.json) == {"valid", "errors", "warnings", "steps"}
    assert done.json["steps"] == []
    assert {problem["code"] for problem in done.json["errors"]} == CODES
    assert all(
        set(problem) == {"code", "message", "hint", "file", "line", "column", "path"} for problem in done.json["errors"]
    )


def test_validate_of_a_good_file(cli: Cli) -> None:
    """Exit code 0, from a file and from stdin."""
    text = "name: x\nsteps: [{name: a, container: {image: 'busybox:stable'}}]"
    assert cli("validate", cli.file(text), env=ALONE).out.endswith("valid, 1 step\n")
    assert cli("validate", "-", "-o", "json", env=ALONE, stdin=text).json == {
        "valid": True,
        "errors": [],
        "warnings": [],
        "steps": [{"id": "a", "name": "a", "matrix": {}}],
    }


def test_a_matrix_is_shown(cli: Cli) -> None:
    """What validate lists is what is run; plan shows each with its values in place."""
    text = (
        "name: x\nsteps: [{name: a, matrix: {os: [linux, mac], include: [{os: mac, n: 2}, {n: 1, os: phone}]}, "
        "container: {image: 'busybox:${{ matrix.os }}'}}]"
    )
    file = cli.file(text)
    assert cli("validate", file, env=ALONE).out.splitlines() == [
        f"{file}: valid, 3 steps",
        "STEP       NAME          MATRIX",
        "a-linux    a (linux)     os=linux",
        "a-mac      a (mac)       os=mac, n=2",
        "a-1-phone  a (1, phone)  n=1, os=phone",
    ]
    assert cli("validate", file, "-o", "json", env=ALONE).json["steps"][2] == {
        "id": "a-1-phone",
        "name": "a (1, phone)",
        "matrix": {"n": "1", "os": "phone"},
    }
    planned = cli("plan", file, "-o", "json", env=ALONE).json["steps"]
    assert [(step["id"], step["container"]["Image"]) for step in planned] == [
        ("a-linux", "busybox:linux"),
        ("a-mac", "busybox:mac"),
        ("a-1-phone", "busybox:phone"),
    ]


@pytest.mark.parametrize("name", BAD_FILES)
@pytest.mark.parametrize("command", ["validate", "run"])
def test_bad_files_are_refused_before_anything_is_started(cli: Cli, name: str, command: str) -> None:
    """Exit code 2, the file and a code on stderr; not even the own server was started."""
    path = Path(cli.file(""))
    path.write_bytes(BAD_FILES[name].replace("IMAGE", "busybox:stable").encode("utf-8", "surrogateescape"))
    done = cli(command, str(path), env={"DOCKER_HOST": "unix:///nowhere"})
    assert (done.code, done.out) == (2, "")
    assert str(path) in done.err
    assert "error[GP" in done.err
    assert not cli.state.exists()


def test_a_file_that_is_not_there(cli: Cli) -> None:
    """It is wrong input like any other."""
    done = cli("run", str(cli.folder / "nope.yaml"))
    assert done.code == 2
    assert "cannot be read" in done.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["--arg", "NOPE=1", "--arg", "MODE=a"],
        ["--arg", "MODE=z"],
        [],
        ["--arg", "MODE"],
        ["--arg", "MODE=a", "--arg", "MODE=b"],
        ["--arg", "MODE=a", "--id", "a.b"],
        ["--arg", "MODE=a", "--env", "X"],
        ["--arg", "MODE=a", "--env-file", "/nowhere"],
        ["--arg", "MODE=a", "--detach", "--trust"],
    ],
)
def test_bad_arguments_are_refused_before_anything_is_started(cli: Cli, arguments: list[str]) -> None:
    """Undeclared, not allowed, missing, malformed: exit code 2."""
    text = "name: x\nargs: {MODE: {required: true, enum: [a, b]}}\nsteps: [{name: a, container: {image: IMAGE}}]"
    done = cli("run", cli.file(text), *arguments)
    assert (done.code, done.out) == (2, "")
    assert not cli.state.exists()


def test_plan_shows_order_and_containers(cli: Cli) -> None:
    """Levels and the Docker configuration of each step; secrets as ***, whatever the environment holds."""
    text = """
name: Plans
args: {PORT: {default: 8080}}
secrets: [KEY]
steps:
  - name: a
    container: {image: IMAGE, environment: {K: "${{ secrets.KEY }}"}, commands: ["echo ${{ args.PORT }}"]}
  - name: b
    container: {image: IMAGE, ports: ["${{ args.PORT }}:80"]}
"""
    env = {**ALONE, "KEY": "hunter2-hunter2"}
    found = cli("plan", cli.file(text), "--arg", "PORT=9090", "-o", "json", env=env)
    assert found.json["levels"] == [["a"], ["b"]]
    steps = {step["id"]: step["container"] for step in found.json["steps"]}
    assert "K=***" in steps["a"]["Env"]
    assert steps["b"]["HostConfig"]["PortBindings"]["80/tcp"][0]["HostPort"] == "9090"
    text_form = cli("plan", cli.file(text), env=env)
    assert text_form.code == 0
    assert "hunter2" not in found.out + found.err + text_form.out + text_form.err


def test_schema_describes_the_file(cli: Cli) -> None:
    """A JSON document, without any server."""
    done = cli("schema", env=ALONE)
    assert done.code == 0
    assert "steps" in json.dumps(done.json)


def test_version(cli: Cli) -> None:
    """One line."""
    assert cli("--version", env=ALONE).out.split()[0] == "gamepipeline"


def test_plan_says_what_the_configuration_refuses(cli: Cli) -> None:
    """A warning with the lines that would allow it: the node that runs it may be another one."""
    done = cli(
        "plan", cli.file("name: x\nsteps: [{name: a, container: {image: IMAGE, volumes: ['/srv:/d']}}]"), env=ALONE
    )
    assert done.code == 0
    assert "refuses a: the host path /srv" in done.err
    assert "host_paths = [" in done.err


def test_plan_without_the_file_of_the_node(cli: Cli, tmp_path: Path) -> None:
    """A warning that names it, and the value shown as unknown; with ``--env`` it is there."""
    config = tmp_path / "node.toml"
    config.write_text(f'[variables]\nenv_file = "{tmp_path}/none.env"\n')
    file = cli.file(
        "name: x\nenvs: [GP_ROOT]\nsteps: [{name: a, container: {image: IMAGE, working_dir: '/${{ envs.GP_ROOT }}'}}]"
    )
    env = {**ALONE, "GAMEPIPELINE_CONFIG": str(config)}
    done = cli("plan", file, env=env)
    assert done.code == 0
    assert f"warning: {tmp_path}/none.env: cannot be read" in done.err
    assert "<envs.GP_ROOT>" in done.out
    assert "<envs.GP_ROOT>" not in cli("plan", file, "--env", "GP_ROOT=r", env=env).out


def test_a_disk_that_is_full_behind_stdout(cli: Cli) -> None:
    """One line, exit code 3."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*COMMAND, "schema"], env=cli.env, stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 3
    assert done.stderr.startswith(b"error: ")
    assert done.stderr.count(b"\n") == 1


def test_bytes_that_are_no_text(cli: Cli) -> None:
    """A reason that is no UTF-8 is wrong usage; a file name that is none is shown escaped."""
    assert cli("cancel", "x", "--reason", "\udcff").code == 2
    done = cli("validate", "\udcff.yaml")
    assert done.code == 2
    assert "\\udcff.yaml" in done.err


def test_a_terminal_without_the_letters(cli: Cli) -> None:
    """What an encoding lacks is escaped, the command goes on."""
    text = "name: x\nsteps: [{name: a, container: {image: IMAGE, labels: {n: caf\u00e9}}}]"
    done = cli("plan", cli.file(text), "-o", "json", env={**ALONE, "PYTHONIOENCODING": "ascii"})
    assert done.code == 0
