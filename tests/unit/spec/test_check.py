"""What a document without problems becomes, and what check does with hostile ones."""

import math
import time
from typing import Any

import pytest

from gamepipeline_events import Checked, GamePipeline, Invalid, check
from gamepipeline_events.spec.checks.report import MAX_PROBLEMS
from gamepipeline_events.spec.compose import Container
from gamepipeline_events.spec.model import Ready, Retry, Step, TcpProbe
from gamepipeline_events.spec.resolved import Parameter, Readiness, RetryPolicy
from tests.unit.spec.making import container, pipeline, step


def codes(document: object) -> list[str]:
    """Codes and places of the problems."""
    return [
        f"{problem.severity[0]} {problem.code} {'.'.join(map(str, problem.path))}"
        for problem in check(document).problems
    ]


def needs(*steps: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    """Who waits for whom."""
    return {each.id: each.needs for each in check(pipeline(*steps)).require().steps}


def test_defaults() -> None:
    """A pipeline of one step has every default filled in."""
    resolved = check(pipeline()).require()
    assert (resolved.id, resolved.model, resolved.description) == (None, None, None)
    assert (resolved.envs, resolved.secrets, resolved.parameters) == ((), (), ())
    assert (resolved.pool, resolved.timeout, resolved.max_parallel) == ("default", 86400.0, 4)
    assert (resolved.fail_fast, resolved.on_node_lost) == (False, "fail")
    (only,) = resolved.steps
    assert (only.id, only.name, only.place, only.kind, only.needs) == ("a", "a", 1, "container", ())
    assert (only.when, only.ignore_failure, only.timeout) == ("on_success", False, None)
    assert (only.ready, only.lifetime) == (None, "detached")
    assert only.retry == RetryPolicy()
    assert only.container == {"image": "busybox"}


def test_everything_given() -> None:
    """What is written is what the engine gets, in seconds and ids."""
    resolved = check(
        pipeline(
            step(
                "serve it",
                type="service",
                failure="ignore",
                timeout="10m",
                lifetime="pipeline",
                retry={
                    "limit": 2,
                    "backoff": "500ms",
                    "factor": 3,
                    "max_backoff": 10,
                    "on_exit": [75],
                    "on": ["oom_killed"],
                },
                ready={
                    "http": {"port": 80, "path": "/up", "status": 204},
                    "timeout": "2m",
                    "interval": 2,
                    "retries": 5,
                },
            ),
            id="run-1",
            model=7,
            description="d",
            envs=["E"],
            secrets=["S"],
            args={"A": {"default": 1, "description": "d", "enum": [1, 2], "pattern": "[0-9]"}, "B": None},
            pool="gpu",
            timeout="1h",
            max_parallel=2,
            fail_fast=True,
            on_node_lost="wait",
        )
    ).require()
    assert (resolved.id, resolved.model, resolved.description) == ("run-1", 7, "d")
    assert (resolved.envs, resolved.secrets, resolved.pool) == (("E",), ("S",), "gpu")
    assert resolved.parameters == (
        Parameter(name="A", default="1", required=False, description="d", enum=("1", "2"), pattern="[0-9]"),
        Parameter(name="B"),
    )
    (only,) = resolved.steps
    assert (only.id, only.kind, only.ignore_failure, only.timeout) == ("step-1", "service", True, 600.0)
    assert only.lifetime == "pipeline"
    assert only.retry == RetryPolicy(
        limit=2, backoff=0.5, factor=3.0, max_backoff=10.0, on_exit=(75,), on=("oom_killed",)
    )
    assert only.ready == Readiness(kind="http", port=80, path="/up", status=204, timeout=120.0, interval=2.0, retries=5)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (None, Readiness()),
        ({"running": "5s"}, Readiness(running_for=5.0)),
        ({"tcp": {"port": 1}}, Readiness(kind="tcp", port=1)),
        ({"log": "up"}, Readiness(kind="log", pattern="up")),
        ({"exec": ["true", "x"]}, Readiness(kind="exec", command=("true", "x"))),
        ({"healthcheck": True}, Readiness(kind="healthcheck")),
        ({"healthcheck": False}, Readiness()),
        ({"http": {"port": 8080}}, Readiness(kind="http", port=8080)),
    ],
)
def test_readiness(written: object, meant: Readiness) -> None:
    """Each way a service shows that it is ready."""
    assert check(pipeline(step(type="service", ready=written))).require().steps[0].ready == meant


def test_sequence() -> None:
    """Without any needs each step waits for the one before it."""
    assert needs(step("a"), step("b"), step("c")) == {"a": (), "b": ("a",), "c": ("b",)}


def test_graph() -> None:
    """If any step has needs, one without them starts at once; ids and names both count."""
    assert needs(step("a"), step("b", needs=["A step"]), step("A step", id="c"), step("d", depends_on=["a", "a"])) == {
        "a": (),
        "b": ("c",),
        "c": (),
        "d": ("a",),
    }


def test_empty_needs_are_needs() -> None:
    """An empty list says that a step waits for nothing, so the file is no sequence."""
    assert needs(step("a", needs=[]), step("b")) == {"a": (), "b": ()}


def test_always_and_on_failure_wait_for_all_before() -> None:
    """Without needs of their own they wait for every step before them, in a graph too."""
    assert needs(step("a", needs=[]), step("b"), step("c", when="always"), step("d")) == {
        "a": (),
        "b": (),
        "c": ("a", "b"),
        "d": (),
    }
    assert needs(step("a"), step("b", when="on_failure", needs=["a"]))["b"] == ("a",)
    assert needs(step("a", when="always"))["a"] == ()


def test_a_sequence_goes_on_behind_them() -> None:
    """An ordinary step waits for the ordinary one before it and the always steps between, not for on_failure ones."""
    assert needs(step("a"), step("b", when="always"), step("c", when="on_failure"), step("d")) == {
        "a": (),
        "b": ("a",),
        "c": ("a", "b"),
        "d": ("a", "b"),
    }


def test_ids() -> None:
    """The id is the name when that is one, else the place."""
    steps = check(pipeline(step("a-1"), step("two words"), step("x", id="y"), step("_x"))).require().steps
    assert [each.id for each in steps] == ["a-1", "step-2", "y", "step-4"]


@pytest.mark.parametrize(
    "fields",
    [
        {"commands": ["echo ${{ args.A }}"]},
        {"command": "sh 'a b'", "entrypoint": []},
        {"command": ["${{ args.A }}"], "entrypoint": ""},
        {"environment": {"A": 1920, "B": 1.1, "C": True, "D": "x", "E": None, "a.b-c": ""}},
        {"environment": ["A=1", "E", "B="]},
        {"platform": "linux/arm64/v8", "pull_policy": "${{ args.A }}"},
        {"image": "${{ args.A }}", "working_dir": "${{ args.A }}/x", "user": 1000},
        {"user": "root:0", "group_add": [44, "video"], "hostname": "a-b.c", "container_name": "a_b.c"},
        {"extra_hosts": ["a:1.2.3.4", "b=::1"], "dns": "1.1.1.1"},
        {"extra_hosts": {"a": "host-gateway"}, "dns": ["::1", "1.1.1.1"]},
        {"volumes": ["/a:/b", "v:/c:ro", "/anonymous", "${{ envs.E }}/x:/d:rw,rslave", "${{ args.A }}:${{ args.A }}"]},
        {"volumes": [{"type": "bind", "source": "/a", "target": "/b", "bind": {"create_host_path": False}}]},
        {"volumes": [{"type": "tmpfs", "target": "/b", "tmpfs": {"size": "1m", "mode": "1777"}}]},
        {"volumes": [{"type": "volume", "target": "/b"}, "/x:/workspace/x"]},
        {"tmpfs": "/run:size=1m", "shm_size": "64m"},
        {"tmpfs": ["/a", "/b"], "cpuset": "0-3,5"},
        {"ports": [80, "80", "8080:80", "127.0.0.1::81/udp", "[::1]:82:82", "0:83", ":84", "${{ args.A }}:85"]},
        {"ports": [{"target": 80}, {"target": "${{ args.A }}", "published": "${{ args.A }}", "host_ip": "::1"}]},
        {"expose": [80, "81/udp", "${{ args.A }}"]},
        {"devices": ["/dev/dri", "/dev/a:/dev/b:rw", "nvidia.com/gpu=0", {"source": "/dev/x", "permissions": "r"}]},
        {"gpus": "all", "runtime": "nvidia"},
        {"gpus": [{"count": 1}, {"device_ids": ["0"]}, {"count": "all", "capabilities": ["gpu"]}]},
        {"deploy": {"resources": {"limits": {"cpus": "0.5", "memory": "1g", "pids": 10}}}},
        {"deploy": {"resources": {"reservations": {"devices": [{"driver": "nvidia", "capabilities": ["gpu"]}]}}}},
        {"cpus": 1, "mem_limit": "512m", "memswap_limit": -1, "pids_limit": "${{ args.A }}"},
        {"mem_limit": "512m", "memswap_limit": "1g", "cpus": "${{ args.A }}"},
        {"mem_limit": "${{ args.A }}", "memswap_limit": "1g"},
        {"ulimits": {"nofile": 1024, "core": {"soft": 0, "hard": -1}}, "sysctls": {"net.core.somaxconn": 1024}},
        {"sysctls": ["a=b"], "read_only": True, "init": False, "privileged": True},
        {"cap_add": ["SYS_ADMIN", "ALL"], "cap_drop": ["net_raw"], "ipc": "host", "pid": "host"},
        {"security_opt": ["seccomp=unconfined", "apparmor:x", "no-new-privileges"], "network_mode": "none"},
        {"healthcheck": {"test": "curl x", "interval": "5s", "retries": 3, "start_period": 0}},
        {"healthcheck": {"test": ["CMD", "x"], "disable": False}, "stop_signal": "SIGINT"},
        {"stop_signal": "15", "stop_grace_period": 0, "restart": "no", "labels": {"a": 1, "b": None}},
        {"labels": ["a=1"], "secrets": ["S", {"name": "S", "file": "/run/x"}], "artifacts": {"paths": ["a/*"]}},
        {"x-mine": {"any": ["thing"]}, "environment": {}, "ports": None, "labels": None},
    ],
)  # fmt: skip
def test_container_forms(fields: dict[str, Any]) -> None:
    """Every form of every field that compose has, as far as a step has it, is taken as it is written."""
    document = pipeline(step(container=container(**fields)), args=["A"], envs=["E"], secrets=["S"])
    assert codes(document) == []
    kept = check(document).require().steps[0].container
    assert kept == container(**{k: v for k, v in fields.items() if k != "x-mine" and v not in (None, {})})


def test_services_may_have_what_steps_may_not() -> None:
    """restart, ready and lifetime are for services, and a service has no workspace in the way."""
    service = step(
        type="service",
        lifetime="detached",
        ready={"running": 0},
        container=container(restart="on-failure:3", volumes=["/a:/workspace"]),
    )
    assert codes(pipeline(service)) == []


def test_type_may_be_empty() -> None:
    """An empty type means container."""
    assert check(pipeline(step(type=""))).require().steps[0].kind == "container"


def test_outputs_of_earlier_steps() -> None:
    """An output may be used by whoever waits for its step, however indirectly."""
    uses = container(environment={"X": "${{ steps.a.outputs.x }}"})
    assert codes(pipeline(step("a"), step("b"), step("c", container=uses))) == []
    apart = pipeline(step("a"), step("b", needs=[]), step("c", container=uses))
    assert codes(apart) == ["e GP304 steps.2.container.environment.X"]
    own = pipeline(step("a", container=uses))
    assert codes(own) == ["e GP304 steps.0.container.environment.X"]


def test_warnings_do_not_stop() -> None:
    """A document with warnings only has a pipeline."""
    checked = check(pipeline(status="running"))
    assert checked.require().name == "x"
    assert [problem.code for problem in checked.warnings] == ["GP103"]
    assert checked.errors == ()


def test_errors_are_raised_together() -> None:
    """Asking for the pipeline raises Invalid with all errors and no warning."""
    with pytest.raises(Invalid) as caught:
        check({"status": 1, "steps": []}).require()
    assert sorted(error.code for error in caught.value.errors) == ["GP105", "GP107"]


def test_a_pipeline_built_in_python() -> None:
    """GamePipeline is checked as its document, which leaves defaults out."""
    built = GamePipeline(
        name="x",
        args=["A"],
        steps=[
            Step(
                name="a",
                type="service",
                retry=Retry(limit=1),
                ready=Ready(tcp=TcpProbe(port=80)),
                container=Container(image="busybox", environment={"A": None}, volumes=("/x",)),  # type: ignore[arg-type]
            )
        ],
        envs=["A"],
    )
    assert built.document() == {
        "name": "x",
        "envs": ["A"],
        "args": ["A"],
        "steps": [
            {
                "name": "a",
                "type": "service",
                "retry": {"limit": 1},
                "ready": {"tcp": {"port": 80}},
                "container": {"image": "busybox", "environment": {"A": None}, "volumes": ["/x"]},
            }
        ],
    }
    assert check(built).require() == check(built.document()).require()
    assert codes(built.replace(name=object())) == ["e GP104 "]


def test_limits_of_the_whole() -> None:
    """Steps, depth, bytes, values and the script are bounded."""
    assert codes(pipeline(*[step(f"s{i}") for i in range(1000)])) == []
    assert codes(pipeline(*[step(f"s{i}") for i in range(1001)])) == ["e GP106 steps"]
    assert codes(pipeline(description="x" * 600_000)) == ["e GP106 "]
    assert codes(pipeline(**{"x-many": [0] * 100_001})) == ["e GP106 "]
    script = step(container=container(commands=["x" * 70_000, "y" * 60_000]))
    assert codes(pipeline(script)) == ["e GP106 steps.0.container.commands"]
    argument = step(container=container(command=["x" * 130_000]))
    assert codes(pipeline(argument)) == ["e GP106 steps.0.container.command"]


def test_environment_is_bounded() -> None:
    """32 KiB a variable, 256 KiB together; labels 32 KiB each."""
    big = step(container=container(environment={"A": "x" * 32_768}, labels={"l": "x" * 32_768}))
    assert codes(pipeline(big)) == [
        "e GP106 steps.0.container.environment.A",
        "e GP106 steps.0.container.labels.l",
    ]
    many = step(container=container(environment={f"A{i}": "x" * 30_000 for i in range(9)}))
    assert codes(pipeline(many)) == ["e GP106 steps.0.container.environment"]


def nested(depth: int) -> Any:
    """Lists in lists."""
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def circular() -> list[Any]:
    """A list that holds itself."""
    value: list[Any] = []
    value.append(value)
    return value


HOSTILE: dict[str, object] = {
    "null": None,
    "number": 1,
    "text": "x",
    "empty list": [],
    "list": [1],
    "true": True,
    "NaN": math.nan,
    "object": object(),
    "bytes": b"x",
    "number as key": {1: 2},
    "half a character as key": {"\ud800": 1},
    "NUL": {"a\0": "\0"},
    "tuple as key": {(): {}},
    "deep": nested(51),
    "deeper than the stack": nested(5000),
    "circular": circular(),
    "half a character": {"name": "\ud800", "steps": {}},
    "5000 digits": {"name": 10**5000},
    "set": {"name": {"a": {1}}, "steps": [object()]},
    "infinite": pipeline(timeout=math.inf),
    "400 digits": pipeline(timeout=10**400),
    "keys everywhere": pipeline(
        steps=[
            {
                "name": "a",
                3: 4,
                "container": {"image": "b", "environment": {5: 6, "\udfff": 7}, "labels": [None, 1]},
            }
        ]
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("wrap", [False, True])
def test_never_raises(name: str, wrap: bool) -> None:
    """Nothing Python can hold makes check raise; what is not right has a problem that can be printed."""
    document = HOSTILE[name]
    checked = check(pipeline(**{"x-a": document}) if wrap else document)
    assert isinstance(checked, Checked)
    for problem in checked.problems:
        str(problem).encode()
        assert len(problem.message) < 2000


def test_problems_are_bounded() -> None:
    """Past a thousand problems the rest is not looked for."""
    checked = check(pipeline(**{f"k{i}": 1 for i in range(40_000)}))
    assert len(checked.problems) == MAX_PROBLEMS + 1
    assert checked.problems[-1].message == "more than 1000 problems"
    assert checked.pipeline is None


def test_a_thousand_steps_are_quick() -> None:
    """The largest pipeline is checked well under a second, also as a graph with many edges."""
    steps = [
        step(
            f"s{i}",
            when="always",
            container=container(commands=["echo ${{ pipeline.id }}", "ls"], environment={"A": "1"}),
        )
        for i in range(1000)
    ]
    steps[0]["when"] = "on_success"
    for each in steps[1:]:
        each["container"]["environment"]["B"] = "${{ steps.s0.outputs.x }}"
    started = time.process_time()
    assert codes(pipeline(*steps)) == []
    assert time.process_time() - started < 5
