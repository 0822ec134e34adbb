"""A start-platform template in the field names of a cloud-gaming platform, and the full form of our own example.

Both load as they are, `plan` shows what Docker would get, and the example configuration of a node
allows it. Where they run: tests/integration/assembly/test_start_platform.py.
"""

from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from click.testing import CliRunner, Result

from gamepipeline_engine.cli.offline.plan import command
from gamepipeline_projections.pipelinefile import load_file

TEMPLATE = Path(__file__).parent / "start-platform.yaml"
EXAMPLES = Path(__file__).parents[3] / "examples"
FULL = EXAMPLES / "start-platform-gpu.yaml"

VARIABLES = {
    "PLATFORM_ROOT": "/srv/games",
    "PLATFORM_PASSWD": "hunter2-hunter2",
    "PLATFORM_TURN_HOST": "turn.example",
    "PLATFORM_TURN_PORT": "3478",
    "PLATFORM_TURN_PASSWORD": "turn-turn-turn",
    "ASSET_URL": "http://assets.example",
    "ASSET_ACCESS_KEY": "access-access",
    "ASSET_SECRET_KEY": "secret-secret",
}
ARGUMENTS = {
    "PLATFORM": "arcade",
    "INSTANCE": "7",
    "IMAGE": "registry.example/games/desktop:1",
    "PORT": "8080",
    "HOSTNAME": "arcade-7",
}


def planned(folder: Path, file: Path, args: dict[str, str], *, policy: bool = True, form: str = "json") -> Result:
    """`gamepipeline plan` on a node with the example configuration, or with an empty one."""
    env_file = folder / "node.env"
    env_file.write_text("".join(f"{name}={value}\n" for name, value in VARIABLES.items()))
    text = (EXAMPLES / "node.toml").read_text().replace("/etc/gamepipeline/node.env", str(env_file))
    config = folder / "node.toml"
    config.write_text(text if policy else f'[variables]\nenv_file = "{env_file}"\n')
    words = [str(file), *(f"--arg={name}={value}" for name, value in args.items()), "-o", form]
    return CliRunner().invoke(command, words, env={"GAMEPIPELINE_CONFIG": str(config)}, catch_exceptions=False)


def bodies(result: Result) -> dict[str, dict[str, Any]]:
    """Step id → the body of its container."""
    assert result.exit_code == 0, result.output
    return {step["id"]: step["container"] for step in msgspec.json.decode(result.stdout)["steps"]}


def as_written(value: Any) -> Any:
    """Every scalar as the text that stands in the file."""
    match value:
        case dict():
            return {key: as_written(inner) for key, inner in value.items()}
        case list():
            return [as_written(inner) for inner in value]
        case _:
            return str(value).lower() if isinstance(value, bool) else str(value)


def test_it_loads_unchanged() -> None:
    """The one thing that is said: the stored status is not looked at. Every value is as it was written."""
    loaded = load_file(TEMPLATE)
    assert [(problem.code, problem.severity, problem.path) for problem in loaded.problems] == [
        ("GP103", "warning", ("status",))
    ]
    texts = yaml.load(TEMPLATE.read_text(), yaml.BaseLoader)  # noqa: S506 - it makes nothing but texts
    assert as_written(loaded.document) == texts
    assert loaded.pipeline is not None
    assert [(step.id, step.kind) for step in loaded.pipeline.steps] == [
        ("step-1", "container"),
        ("unpack", "container"),
        ("game", "service"),
    ]


def test_plan_shows_what_docker_gets(tmp_path: Path) -> None:
    """Every field of the service, in Docker's words; passwords as ***."""
    result = planned(tmp_path, TEMPLATE, ARGUMENTS)
    game = bodies(result)["game"]
    host = game["HostConfig"]
    assert (game["Image"], game["Hostname"]) == (ARGUMENTS["IMAGE"], "arcade-7")
    assert game["NetworkingConfig"]["EndpointsConfig"]["gp-platform-start-0007"]["Aliases"] == [
        "game",
        "arcade-7",
        "arcade-7-game",
    ]
    assert host["Privileged"] is True
    assert host["DeviceRequests"] == [{"Driver": "", "Capabilities": [["gpu"]], "Count": 1}]
    assert host["SecurityOpt"] == ["seccomp=unconfined", "apparmor=unconfined"]
    assert host["CapAdd"] == ["SYS_RAWIO", "SYS_NICE"]
    assert host["Tmpfs"] == {"/dev/shm": "rw", "/run": "rw,exec,size=64m"}
    assert [one["PathOnHost"] for one in host["Devices"]] == ["/dev/dri", "/dev/uinput", "/dev/fuse"]
    assert host["Mounts"] == [
        {"Type": "bind", "Source": "/dev/input", "Target": "/dev/input"},
        {"Type": "bind", "Source": "/run/udev/data", "Target": "/run/udev/data", "ReadOnly": True},
        {"Type": "bind", "Source": "/srv/games/instances/7/home", "Target": "/home/player"},
    ]
    assert len(host["PortBindings"]) == 1 + 7 + 3
    assert host["PortBindings"]["47999/udp"] == [{"HostIp": "", "HostPort": "47999"}]
    assert {"DISPLAY_WIDTH=1920", "DISPLAY_SCALE=1.10", "ENABLE_DEBUG=true", "TURN_HOST=turn.example"} <= set(
        game["Env"]
    )
    assert {"PASSWD=***", "TURN_PASSWORD=***"} <= set(game["Env"])
    text = planned(tmp_path, TEMPLATE, ARGUMENTS, form="table").output
    for secret in ("hunter2", "turn-turn", "access-access", "secret-secret"):
        assert secret not in result.output + text


def test_plan_shows_scripts_without_values(tmp_path: Path) -> None:
    """Expressions in `commands` are references to variables, quoted as their place needs it."""
    found = bodies(planned(tmp_path, TEMPLATE, ARGUMENTS))
    (script,) = found["unpack"]["Cmd"]
    assert script == (
        'mkdir -p /data/platform/instances/"${GAMEPIPELINE_ARG_INSTANCE}"\n'
        'tar -xzf /data/platform/archives/"${GAMEPIPELINE_ARG_PLATFORM}".tar.gz'
        ' -C "/data/platform/instances/${GAMEPIPELINE_ARG_INSTANCE}"'
    )
    assert "GAMEPIPELINE_ENV_ASSET_SECRET_KEY=***" in found["step-1"]["Env"]


@pytest.mark.parametrize(("file", "args"), [(TEMPLATE, ARGUMENTS), (FULL, {})], ids=["template", "example"])
def test_the_example_node_allows_it(file: Path, args: dict[str, str], tmp_path: Path) -> None:
    """With examples/node.toml nothing is refused; with an empty configuration all that is dangerous is."""
    allowed = planned(tmp_path, file, args)
    assert "refuses" not in allowed.stderr
    refused = planned(tmp_path, file, args, policy=False).stderr
    for rule in ("privileged", "host_paths", "gpus"):
        assert f"(policy.{rule})" in refused


def test_the_example_in_its_full_form(tmp_path: Path) -> None:
    """It has what a cloud-gaming node needs: privileged mode, graphics, input devices, one GPU, host volumes."""
    host = bodies(planned(tmp_path, FULL, {}))["game"]["HostConfig"]
    assert host["Privileged"] is True
    assert "/dev/dri" in [one["PathOnHost"] for one in host["Devices"]]
    assert host["DeviceRequests"][0]["Count"] == 1
    assert {"/dev/input", "/srv/games/instances/1"} <= {mount["Source"] for mount in host["Mounts"]}
