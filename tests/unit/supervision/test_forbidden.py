"""What the node's policy is against is rejected before it begins, with every place and what would allow it."""

from typing import Any

import pytest

from gamepipeline_engine.config import parse_config
from gamepipeline_engine.policy.hints import together
from gamepipeline_events import Event, PipelineRejected, RejectedError, StepFailed
from gamepipeline_events.problems import format_path, parse_path
from tests.support.engine_on_fakes import EngineOnFakes, names
from tests.support.simulated import simulate

IMAGE = "busybox:stable"


def pipeline(*containers: dict[str, Any], **more: Any) -> dict[str, Any]:
    """One step for each container, ``s1`` on."""
    steps = [
        {"name": f"s{place}", "container": {"image": IMAGE, **one}} for place, one in enumerate(containers, start=1)
    ]
    return {"name": "x", "steps": steps, **more}


def played(document: dict[str, Any], config: str = "", **variables: str) -> list[Event]:
    """The history of a run on the fakes."""

    async def main() -> list[Event]:
        bench = EngineOnFakes(config=parse_config(config), variables=variables)
        async with bench.serving():
            await bench.run(document)
        return await bench.events()

    return simulate(main())


def rejections(events: list[Event]) -> list[RejectedError]:
    """The reasons, where nothing but a rejection came after the submission."""
    assert names(events) == ["PipelineSubmitted", "PipelineRejected"]
    data = events[-1].data
    assert isinstance(data, PipelineRejected)
    return data.errors


def test_every_place_at_once_and_the_lines_that_allow_it() -> None:
    """All steps are judged; with the lines of all hints in the configuration the same pipeline is rejected no more."""
    document = pipeline(
        {"commands": ["echo a"]},
        {"privileged": True},
        {"cap_add": ["SYS_ADMIN"], "ports": ["80:80"], "volumes": ["cache:/c"]},
        {"deploy": {"resources": {"reservations": {"devices": [{"capabilities": ["gpu"]}]}}}},
    )
    errors = rejections(played(document))
    assert {one.code for one in errors} == {"GP401"}
    assert [one.path for one in errors] == [
        "steps[1].container.privileged",
        "steps[2].container.cap_add",
        "steps[2].container.volumes",
        "steps[2].container.ports",
        "steps[3].container.deploy",
    ]
    assert errors[0].message.startswith("step s2: the image docker.io/library/busybox:stable may not run privileged")
    allowed = together(one.hint or "" for one in errors)
    assert "PipelineRejected" not in names(played(document, allowed))


def test_what_a_run_alone_knows_is_judged_when_its_container_is_created() -> None:
    """Fields that need an output are left out at first; the rest of their step is judged."""
    late = {"volumes": ["/${{ steps.s1.outputs.dir }}:/d"]}
    first = {"commands": ['echo "dir=etc" >> "$GAMEPIPELINE_OUTPUT"']}
    events = played(pipeline(first, late))
    assert "StepCompleted" in names(events, "s1")
    failed = next(one.data for one in events if isinstance(one.data, StepFailed))
    assert (failed.step, failed.cause) == ("s2", "policy_denied")
    assert "/etc" in failed.message
    errors = rejections(played(pipeline(first, {**late, "privileged": True})))
    assert [one.path for one in errors] == ["steps[1].container.privileged"]


@pytest.mark.parametrize("field", ["image", "devices", "environment"])
def test_values_that_are_known_are_put_in(field: str) -> None:
    """Arguments and variables of the node have their values before the start."""
    config = '[policy]\nimages = ["docker.io/library/busybox"]\ngpus = true'
    written: dict[str, dict[str, Any]] = {
        "image": {"image": "${{ envs.IMAGE }}"},
        "devices": {"devices": ["${{ args.DEVICE }}:/dev/x"]},
        "environment": {"gpus": "all", "environment": {"LD_PRELOAD": "${{ envs.IMAGE }}"}},
    }
    document = pipeline(written[field], envs=["IMAGE"], args={"DEVICE": {"default": "/dev/mem"}})
    (error,) = rejections(played(document, config, IMAGE="other:1"))
    assert (error.code, error.path) == ("GP401", f"steps[0].container.{field}")


def test_a_matrix_step_is_named_once_for_each_place() -> None:
    """Its variants stand at one place in the file; what is said of that place twice is said once."""
    document = pipeline({"privileged": True}, {"cap_add": ["SYS_ADMIN"]})
    document["steps"][0]["matrix"] = {"os": ["a", "b"]}
    assert [one.path for one in rejections(played(document))] == [
        "steps[0].container.privileged",
        "steps[1].container.cap_add",
    ]


def test_a_secret_may_not_choose_the_gpus() -> None:
    """Its value is not in the configuration that is judged: it counts as set, not as empty."""
    document = pipeline({"environment": {"NVIDIA_VISIBLE_DEVICES": "${{ secrets.G }}"}}, secrets=["G"])
    (error,) = rejections(played(document, G="all-of-them"))
    assert error.path == "steps[0].container.environment"
    assert "policy.environment" in error.message


def test_paths_are_read_as_they_are_written() -> None:
    """``parse_path`` takes back what ``format_path`` made."""
    for path in ((), ("steps", 0, "container", "ports", 12), ("args", "A")):
        assert parse_path(format_path(path)) == path
