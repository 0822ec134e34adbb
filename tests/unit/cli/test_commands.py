"""Pure parts of the commands: plans, ids, findings of doctor, what goes together."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import click
import pytest

from gamepipeline_engine.assembly import ContainerDefaults
from gamepipeline_engine.cli.acting.stop import check
from gamepipeline_engine.cli.app import run
from gamepipeline_engine.cli.doctor.checks import judge_docker, registries, state_writable
from gamepipeline_engine.cli.doctor.command import text
from gamepipeline_engine.cli.exits import CliError, Exit
from gamepipeline_engine.cli.naming import next_free
from gamepipeline_engine.cli.offline.file import Job, refuse_secrets
from gamepipeline_engine.cli.offline.preview import Preview, preview
from gamepipeline_engine.cli.output import clean, columns, width
from gamepipeline_engine.cli.own import masked
from gamepipeline_engine.cli.reading.logs import is_over
from gamepipeline_engine.cli.running.engine import with_options
from gamepipeline_engine.cli.running.options import RunOptions, pack_workspace
from gamepipeline_engine.config import Config
from gamepipeline_engine.failpoints import POINTS
from gamepipeline_engine.redaction import KnownSecrets
from gamepipeline_engine.variables import NodeVariables
from gamepipeline_events.spec.check import check as check_document
from gamepipeline_projections import PipelineState, fold
from tests.unit.cli.histories import FAILING, SERVING

HEALTHY = {
    "Name": "node",
    "ID": "D",
    "ServerVersion": "28.0.0",
    "LoggingDriver": "local",
    "LiveRestoreEnabled": True,
    "CgroupVersion": "2",
}


def container(**more: Any) -> dict[str, Any]:
    """A container part."""
    return {"image": "busybox:stable", **more}


def job(document: dict[str, Any], **values: str) -> Job:
    """A checked document."""
    return Job(document, check_document(document).require(), dict(values), dict(values))


def shown(document: dict[str, Any], envs: dict[str, str] | None = None, **values: str) -> Preview:
    """Its preview."""
    return preview(job(document, **values), envs or {}, frozenset(), ContainerDefaults())


def test_a_plan_orders_steps_in_levels() -> None:
    """Steps of one level wait for none of their own level; a cleanup step comes after all before it."""
    steps = [
        {"name": "a", "container": container()},
        {"name": "b", "needs": ["a"], "container": container()},
        {"name": "c", "needs": ["a"], "container": container()},
        {"name": "d", "needs": ["b", "c"], "container": container()},
        {"name": "z", "when": "always", "container": container()},
    ]
    assert shown({"name": "x", "steps": steps}).levels == [["a"], ["b", "c"], ["d"], ["z"]]


def test_a_plan_shows_no_secret() -> None:
    """A secret's value is not even looked up; a variable without a value shows as its name."""
    environment = {"S": "${{ secrets.KEY }}", "E": "${{ envs.ROOT }}", "M": "${{ envs.GONE }}"}
    document = {
        "name": "x",
        "envs": ["ROOT", "GONE"],
        "secrets": ["KEY"],
        "steps": [{"name": "a", "container": container(environment=environment)}],
    }
    found = shown(document, {"ROOT": "/data"})
    assert found.steps[0].container is not None
    assert {"S=***", "E=/data", "M=<envs.GONE>"} <= set(found.steps[0].container["Env"])
    assert found.missing == ["GONE"]


def test_a_plan_says_what_only_a_run_can_tell() -> None:
    """Outputs stand by name; where Docker needs their value, the step says so instead of failing the plan."""
    steps = [
        {"name": "a", "container": container()},
        {"name": "b", "container": container(environment={"V": "${{ steps.a.outputs.v }}"})},
        {"name": "c", "container": container(cpus="${{ steps.a.outputs.cpus }}")},
    ]
    found = {one.id: one for one in shown({"name": "x", "steps": steps}).steps}
    assert found["b"].container is not None
    assert "V=<steps.a.outputs.v>" in found["b"].container["Env"]
    assert found["c"].container is None
    assert "container.cpus" in str(found["c"].problem)


def test_the_next_free_id_is_counted_up_and_stays_legal() -> None:
    """<id>-2, <id>-3, and never longer than 64 characters."""
    assert next_free("a", set()) == "a"
    assert next_free("a", {"a", "a-2"}) == "a-3"
    long = "x" * 64
    assert next_free(long, {long}) == "x" * 62 + "-2"


@pytest.mark.parametrize(
    ("change", "status", "check_name"),
    [
        ({}, "ok", "docker"),
        ({"LoggingDriver": "json-file"}, "warn", "docker log driver"),
        ({"LiveRestoreEnabled": False}, "warn", "docker live-restore"),
        ({"CgroupVersion": "1"}, "warn", "cgroups"),
    ],
)
def test_doctor_judges_the_daemon(change: dict[str, Any], status: str, check_name: str) -> None:
    """Each weakness is a warning with a fix; a healthy daemon has none."""
    found = {one.check: one for one in judge_docker({**HEALTHY, **change}, "1.47")}
    assert found[check_name].status == status
    assert (found[check_name].fix is None) == (status == "ok")
    assert sum(one.status != "ok" for one in found.values()) == (status != "ok")


def test_doctor_refuses_a_daemon_that_is_too_old() -> None:
    """An API that lacks what we use is a failure, not a warning."""
    found = {one.check: one.status for one in judge_docker(HEALTHY, "1.40")}
    assert found["docker version"] == "fail"


def test_doctor_says_what_to_do_below_its_table(tmp_path: Path) -> None:
    """Fixes are sentences of their own."""
    blocker = tmp_path / "file"
    blocker.write_text("")
    finding = state_writable(blocker / "below")
    lines = text([finding]).splitlines()
    assert finding.status == "fail"
    assert lines[0].split() == ["CHECK", "STATUS", "DETAIL"]
    assert lines[-1].startswith("state folder: make it writable")


async def test_doctor_looks_for_logins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that cannot be had is a warning with the key to mend; a configuration without any is fine."""
    monkeypatch.setenv("GAMEPIPELINE_CONFIG", str(tmp_path / "node.toml"))
    (tmp_path / "node.toml").write_text("")
    assert await registries() == []
    (tmp_path / "node.toml").write_text(
        f"""
        [registries."a.example"]
        username = "games"
        password_file = "{tmp_path}/node.toml"
        [registries."docker.io"]
        username = "games"
        password_env = "NOT_SET_ANYWHERE"
        """
    )
    fine, missing = await registries()
    assert (fine.check, fine.status) == ("registry a.example", "ok")
    assert (missing.check, missing.status) == ("registry docker.io", "warn")
    assert "the variable NOT_SET_ANYWHERE with the password for docker.io is not set" in missing.detail
    assert '[registries."docker.io"]' in (missing.fix or "")


def test_doctor_lists_failpoints(capsys: pytest.CaptureFixture[str]) -> None:
    """One a line, its name first."""
    assert run(["doctor", "--failpoints"]) == Exit.OK
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(POINTS)


def test_schema_is_a_json_schema(capsys: pytest.CaptureFixture[str]) -> None:
    """It names the dialect it is written in."""
    assert run(["schema"]) == Exit.OK
    assert "json-schema.org" in json.loads(capsys.readouterr().out)["$schema"]


def test_stop_is_for_services_of_finished_pipelines() -> None:
    """A pipeline that runs is a conflict, an unknown step is not found, another step is no service."""
    running, ended = fold(FAILING[:9]), fold(FAILING)
    for state, step, code in (
        (running, None, Exit.USAGE),
        (ended, "nope", Exit.NOT_FOUND),
        (ended, "fetch", Exit.USAGE),
    ):
        with pytest.raises(CliError) as caught:
            check(state, step)
        assert caught.value.code == code
    check(ended, "game")
    check(fold(SERVING), None)


def test_a_log_is_over_when_nothing_can_write_any_more() -> None:
    """A finished pipeline whose service lives goes on; a settled step does not."""
    assert not is_over(fold(FAILING[:5]), None)
    assert is_over(fold(FAILING[:6]), "fetch")
    assert not is_over(fold(SERVING), None)
    assert not is_over(fold(SERVING), "game")
    assert is_over(fold(FAILING), "verify")


def run_options(**change: Any) -> RunOptions:
    """Options as if nothing was said."""
    defaults: dict[str, Any] = {
        "args": {},
        "envs": {},
        "env_files": (),
        "given_id": None,
        "workspace": None,
        "detach": False,
        "trust": False,
        "resume": None,
        "output": "table",
    }
    return RunOptions(**{**defaults, **change})


@pytest.mark.parametrize(
    ("change", "file"),
    [
        ({}, None),
        ({"resume": "x"}, "f.yaml"),
        ({"resume": "x", "args": {"A": "1"}}, None),
        ({"detach": True, "envs": {"A": "1"}}, "f.yaml"),
        ({"detach": True, "trust": True}, "f.yaml"),
        ({"detach": True, "workspace": "/"}, "f.yaml"),
    ],
)
def test_options_of_run_that_do_not_go_together(change: dict[str, Any], file: str | None) -> None:
    """They are refused before anything is started."""
    with pytest.raises(click.UsageError):
        run_options(**change).check(file)


def test_a_workspace_is_packed_with_its_modes_and_without_its_owner(tmp_path: Path) -> None:
    """Folders, files and links; an executable stays one; nobody's user id travels."""
    (tmp_path / "sub").mkdir()
    tool = tmp_path / "sub" / "tool"
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    (tmp_path / "link").symlink_to("sub/tool")
    with tarfile.open(fileobj=io.BytesIO(pack_workspace(str(tmp_path)))) as archive:
        found = {member.name: member for member in archive.getmembers()}
    assert set(found) == {"sub", "sub/tool", "link"}
    assert found["sub/tool"].mode & 0o111
    assert {member.uid for member in found.values()} == {0}


def test_the_command_line_overrides_the_configuration_of_a_node() -> None:
    """What is not said stays; an illegal name is wrong usage."""
    config = with_options(Config().named("host"), "gpu-1", ("a", "b"), 2)
    assert (config.node.name, config.node.pools, config.node.capacity) == ("gpu-1", ("a", "b"), 2)
    assert with_options(Config().named("host"), None, (), None).node.name == "host"
    with pytest.raises(click.UsageError):
        with_options(Config(), "a b", (), None)


def test_columns_count_what_a_terminal_shows() -> None:
    """Wide characters take two places; lines have no spaces at their end."""
    assert columns(("A", "B"), [("日本", "x"), ("é", "")]) == "A     B\n日本  x\né\n"
    assert (width("日本"), width("é"), width("e\u0301")) == (4, 1, 1)


def test_clean_keeps_text_and_takes_control() -> None:
    """Letters of any language stay; what moves the cursor or reorders the line goes."""
    assert clean("日本 é\tx\ny") == "日本 é x y"
    assert clean("\x1b[0m\x00\u202e\u2028") == "\ufffd[0m\ufffd\ufffd\ufffd"


def test_an_argument_that_tells_a_secret_ends_the_call(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is stored, with the name and the way out and without the value; a short secret is warned of."""
    monkeypatch.setattr("gamepipeline_engine.cli.known.KNOWN", KnownSecrets())
    node = NodeVariables([{"S3": "hunter22", "PIN": "123"}])
    document = {
        "name": "x",
        "args": ["A", "B"],
        "secrets": ["S3", "PIN"],
        "steps": [{"name": "a", "container": container()}],
    }
    refuse_secrets(job(document, A="1", B="123"), node)
    assert capsys.readouterr().err == (
        "warning: the secret PIN has fewer than 4 bytes: it is not masked where it is printed\n"
    )
    with pytest.raises(click.exceptions.Exit) as ended:
        refuse_secrets(job(document, A="x hunter22", B=""), node)
    said = capsys.readouterr().err
    assert ended.value.exit_code == 2
    assert "error[GP304]: the value of 'A' contains a secret" in said
    assert "secrets.NAME" in said
    assert "hunter22" not in said


def test_a_command_does_not_carry_a_secret_of_its_pipeline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A reason is masked before it is sent, with what the caller has in the environment."""
    monkeypatch.setattr("gamepipeline_engine.cli.own.KNOWN", KnownSecrets())
    monkeypatch.setenv("S3", "hunter22")
    monkeypatch.setenv("OTHER", "hunter33")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    document = {"name": "x", "secrets": ["S3"], "steps": [{"name": "a", "container": container()}]}
    reason = "hunter22 and hunter33"
    assert masked(reason, PipelineState(id="p1", document=document)) == "*** and hunter33"
    assert masked(reason, PipelineState(id="p2")) == "*** and hunter33"
