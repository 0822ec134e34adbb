"""Rules of single fields that the golden files do not show: one line each."""

from typing import Any

import pytest

from gamepipeline_events import check
from tests.unit.spec.making import container, pipeline, step


def said(document: object) -> list[str]:
    """Code, message of each problem."""
    return [f"{problem.code} {problem.message}" for problem in check(document).problems]


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"shm_size": 0}, "GP105 'shm_size' (0) must be more than zero"),
        ({"shm_size": "lots"}, "GP104 'shm_size' ('lots') is not a size"),
        ({"cpus": "many"}, "GP104 'cpus' ('many') is not a number of CPUs"),
        ({"cpus": "nan"}, "GP105 'cpus' ('nan') is not between"),
        ({"cpus": 0}, "GP105 'cpus' (0) is not between"),
        ({"pids_limit": "x"}, "GP104 'pids_limit' ('x') is not a number of processes"),
        ({"working_dir": "/a/../b"}, "GP105 'working_dir' ('/a/../b') must not hold '..'"),
        ({"working_dir": "/" + "a" * 5000}, "longer than 4096 characters"),
        ({"user": "a b"}, "GP105 'user' ('a b') is not user, uid"),
        ({"user": -1}, "GP105 'user' (-1) is not user, uid"),
        ({"image": "a" * 600}, "GP105 'image'"),
        ({"image": "a" * 300}, "its name is longer than 255 characters"),
        ({"dns": "one.one"}, "GP105 'dns' ('one.one') is not an IP address"),
        ({"extra_hosts": ["alone"]}, "has not the form name:address"),
        ({"devices": ["dri"]}, "is not a device"),
        ({"cap_add": ["SYS-ADMIN"]}, "is not a capability"),
        ({"security_opt": ["unconfined"]}, "has not the form name:value"),
        ({"platform": "linux"}, "has not the form os/architecture"),
        ({"cpuset": "a"}, "is not a list of CPUs"),
        ({"hostname": "a_b"}, "is not a host name"),
        ({"hostname": "a" * 65}, "is not a host name"),
        ({"container_name": "/a"}, "is not a container name"),
        ({"mem_limit": "10m", "memswap_limit": "9m"}, "counts memory and swap together"),
        ({"healthcheck": {"test": ["curl"]}}, "begins with CMD, CMD-SHELL or NONE"),
        ({"healthcheck": {"test": []}}, "begins with CMD, CMD-SHELL or NONE"),
        ({"ports": ["80:"]}, "GP105 the port '80:' has not the form"),
        ({"ports": [{"published": 80}]}, "GP107 item 1 of 'ports' has no 'target'"),
        ({"ports": [{"target": 80, "published": "x"}]}, "'x' is neither a port"),
        ({"expose": ["x"]}, "GP105 the port 'x': 'x' is neither a port"),
        ({"volumes": [{"type": "bind"}]}, "GP107 item 1 of 'volumes' has no 'target'"),
        ({"volumes": [{"type": "npipe", "target": "/a"}]}, "is 'npipe', not bind or tmpfs or volume"),
        ({"volumes": [1]}, "GP104 item 1 of 'volumes' must be text or a mapping, not a number"),
        ({"tmpfs": [1]}, "GP104 item 1 of 'tmpfs' must be text, not a number"),
        ({"devices": [{"source": "/a", "permissions": "x"}]}, "is not a combination of r, w and m"),
        ({"gpus": "some"}, "GP105 'gpus' is 'some', not all"),
        ({"gpus": [{"count": -2}]}, "is not between 1 and 1024"),
        ({"init": 3}, "GP104 'init' must be true or false, not a number"),
        ({"labels": {"a": True, "": 1}}, "GP105 '' is no name"),
        ({"labels": {"a": [True]}}, "GP104 'a' must be text or a number or true or false, not a list"),
        ({"environment": ["A=${{ args.X }}", "${{ args.X }}=1"]}, "GP304 an expression cannot be part of a key"),
        ({"environment": [None]}, "GP104 item 1 of 'environment' must be text, not null"),
        ({"commands": ["ls", True]}, "GP104 item 2 of 'commands' must be text, not true or false"),
        ({"secrets": [{"file": "/x"}]}, "GP107 item 1 of 'secrets' has no 'name'"),
        ({"artifacts": {}, "restart": "sometimes"}, "GP105 'restart' ('sometimes') is not one of no"),
        ({"image": None}, "GP107 'container' has no 'image'"),
    ],
)  # fmt: skip
def test_container(fields: dict[str, Any], problem: str) -> None:
    """One thing wrong in a container."""
    found = said(pipeline(step(container=container(**fields)), args=["X"]))
    assert problem in found[0]


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"id": True}, "GP104 'id' must be text, not true or false"),
        ({"needs": [1]}, "GP104 item 1 of 'needs' must be text, not a number"),
        ({"container": {}}, "GP107 step 1 has no 'container'"),
        ({"type": "service", "ready": {"tcp": {}}}, ""),
        ({"type": "service", "ready": {"log": "x" * 513}}, "is longer than 512 characters"),
        ({"type": "service", "ready": {"log": "${{ args.X }}"}}, "GP304 'log': expressions are filled in below"),
        ({"type": "service", "ready": {"log": "${{"}}, "GP303 '${{' without '}}'"),
        ({"retry": {"limit": True}}, "GP104 'limit' must be a whole number, not true or false"),
    ],
)
def test_step(fields: dict[str, Any], problem: str) -> None:
    """One thing wrong on a step."""
    found = said(pipeline(step(**fields), args=["X"]))
    assert problem in found[0] if problem else found == []


def test_free_texts() -> None:
    """A name may hold what looks like half an expression; with a whole one it is warned about."""
    assert said(pipeline(step("${{ is text"), description="${{ so")) == []
    assert said(pipeline(step("${{ args.X }}"))) == ["GP304 'name': expressions are filled in below 'container' only"]
    assert said(pipeline(description="$${{ x }}")) == []


def test_x_keys_among_names() -> None:
    """Where keys are names of ours an x- key is left out; where they are anyone's it is a key."""
    document = pipeline(step(container=container(labels={"x-a": "1"})), args={"x-a": 1, "A": None})
    resolved = check(document).require()
    assert [parameter.name for parameter in resolved.parameters] == ["A"]
    assert resolved.steps[0].container["labels"] == {"x-a": "1"}


def test_nulls_in_maps() -> None:
    """Null is no entry where a value is needed."""
    resolved = check(pipeline(step(container=container(ulimits={"nofile": None, "core": 0})))).require()
    assert resolved.steps[0].container["ulimits"] == {"core": 0}


def test_problems_of_duplicates_do_not_hide_others() -> None:
    """A document may be wrong in its ids, its needs and a circle at once."""
    found = said(
        pipeline(
            step("a", needs=["b"]),
            step("b", needs=["a", "z"]),
            step("a", needs=["b"]),
            step("c", needs=["c", None]),
        )
    )
    assert sorted(line.split()[0] for line in found) == ["GP104", "GP201", "GP202", "GP203", "GP203"]


def test_long_circles_are_cut() -> None:
    """A circle of many steps is named by its beginning and its end."""
    steps = [step(f"s{i}", needs=[f"s{(i + 1) % 30}"]) for i in range(30)]
    (line,) = said(pipeline(*steps))
    assert line.endswith("s0 → s1 → s2 → s3 → s4 → s5 → s6 → s7 → s8 → s9 → … → s29 → s0")


def test_secrets_may_be_used_where_nobody_sees() -> None:
    """In environment and commands a secret is fine."""
    uses = container(environment={"A": "${{ secrets.S }}"}, commands=["${{ secrets.S }}"])
    assert said(pipeline(step(container=uses), secrets=["S"])) == []


def test_shell_scripts_in_a_command_are_warned_about() -> None:
    """A value in the text of sh -c may become a command."""
    warned = container(command=["-c", "x"], entrypoint="/bin/sh -c 'echo ${{ args.A }}'")
    assert said(pipeline(step(container=warned), args=["A"])) == [
        "GP304 the value of an expression becomes a part of the script sh runs"
    ]
    fine = container(command=["echo", "${{ args.A }}"])
    assert said(pipeline(step(container=fine), args=["A"])) == []
