"""Artifacts on the fakes: when they are kept, what is on record when they cannot be, and who brings them."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gamepipeline_engine.artifacts.directory import DirectoryArtifacts
from gamepipeline_engine.artifacts.memory import MemoryArtifacts
from gamepipeline_engine.artifacts.port import StoreFull, StoreUnavailable
from gamepipeline_engine.config import parse_config
from gamepipeline_events import ArtifactsStored, ErrorLog, StepFailed
from gamepipeline_projections.status import PipelineStatus
from tests.support.engine_on_fakes import START, EngineOnFakes, FakeWorld
from tests.support.simulated import simulate

IMAGE = "busybox:stable"


def step(name: str, command: str, **container: Any) -> dict[str, Any]:
    """A step of one line."""
    return {"name": name, "container": {"image": IMAGE, "commands": [command], **container}}


def run(
    *steps: dict[str, Any],
    config: str = "",
    store: MemoryArtifacts | None = None,
    alter: Callable[[EngineOnFakes], None] | None = None,
) -> tuple[PipelineStatus, list[ArtifactsStored], list[str], FakeWorld]:
    """The end, what was stored, and what was said about errors."""

    async def main() -> tuple[PipelineStatus, list[ArtifactsStored], list[str], FakeWorld]:
        world = FakeWorld()
        if store is not None:
            world.artifacts = store
        bench = EngineOnFakes(world, config=parse_config(config))
        if alter is not None:
            alter(bench)
        async with bench.serving():
            await bench.submit({"name": "x", "steps": list(steps)}, "p", {})
            status = await bench.wait("p")
            stored = [one.data for one in await bench.events("p") if isinstance(one.data, ArtifactsStored)]
            errors = [one.data.message for one in await bench.log_events("p") if isinstance(one.data, ErrorLog)]
            failed = [one.data.message for one in await bench.events("p") if isinstance(one.data, StepFailed)]
            return status, stored, errors + failed, world

    return simulate(main())


@pytest.mark.parametrize(
    ("when", "command", "kept"),
    [
        (None, "echo x > a", True),
        ("on_success", "echo x > a; exit 3", False),
        ("on_failure", "echo x > a", False),
        ("on_failure", "echo x > a; exit 3", True),
        ("always", "echo x > a", True),
        ("always", "echo x > a; exit 3", True),
    ],
)
def test_when(when: str | None, command: str, *, kept: bool) -> None:
    """After success, after failure, or in every case; on record before the end of the step."""
    artifacts = {"paths": ["a"], **({"when": when} if when else {})}
    status, stored, _, world = run(step("s", command, artifacts=artifacts))
    assert [one.key for one in stored] == (["p/s.1"] if kept else [])
    assert list(world.artifacts.kept) == (["p/s.1"] if kept else [])
    assert status.status == ("failed" if "exit 3" in command else "completed")


@pytest.mark.parametrize(("when", "kept"), [("on_success", []), ("on_failure", ["p/s.1"])])
def test_a_step_that_was_stopped_has_failed(when: str, kept: list[str]) -> None:
    """Whatever its exit code: what it has written so far is kept with that of a failure."""
    slow = step("s", "trap 'exit 0' TERM; echo x > a; sleep 60 & wait", artifacts={"paths": ["a"], "when": when})
    status, stored, _, _ = run({**slow, "timeout": "1s"})
    assert (status.status, [one.key for one in stored]) == ("failed", kept)


def test_each_attempt_has_its_own() -> None:
    """The last one's are those of the step."""
    retry = {"limit": 1, "backoff": "1s"}
    line = 'echo "$GAMEPIPELINE_ATTEMPT" > a; test "$GAMEPIPELINE_ATTEMPT" = 2'
    make = {**step("make", line, artifacts={"paths": ["a"], "when": "always"}), "retry": retry}
    _, stored, _, world = run(make, step("spoil", "echo spoilt > a"), bring())
    assert [one.key for one in stored] == ["p/make.1", "p/make.2"]
    assert b"2\n" in world.artifacts.kept["p/make.2"][0]


def test_what_is_on_record() -> None:
    """The archive with its hash and its end, the files with theirs."""
    _, (stored,), _, world = run(step("s", "echo x > a.txt", artifacts={"paths": ["*.txt"], "expire": "7d"}))
    content, expires_at = world.artifacts.kept["p/s.1"]
    assert (stored.size, stored.store, stored.node) == (len(content), "nats", "bench")
    assert [(one.name, one.size) for one in stored.files] == [("a.txt", 2)]
    assert timedelta(days=7) <= expires_at - START < timedelta(days=7, minutes=1)


@pytest.mark.parametrize(
    ("config", "paths", "why"),
    [
        ("[limits]\nartifacts = {max = '1k'}", ["big"], "more than 1024 bytes"),
        ("[limits]\nartifacts = {files = 1}", ["a", "b"], "more than 1 files"),
        ("", ["nothing"], "no file of the workspace"),
    ],
)
def test_what_cannot_be_kept(config: str, paths: list[str], why: str) -> None:
    """The step has ended as it has; on record and in its log is why nothing was kept."""
    line = f"echo {'x' * 2000} > big; echo a > a; echo b > b"
    status, (stored,), errors, world = run(step("s", line, artifacts={"paths": paths}), config=config)
    assert status.status == "completed"
    assert (stored.key, stored.sha256, stored.files) == (None, None, [])
    assert why in (stored.problem or "")
    assert any(why in one for one in errors)
    assert world.artifacts.kept == {}


class Full(MemoryArtifacts):
    """There is no room."""

    async def put(self, *_: object) -> None:
        """See the port."""
        raise StoreFull("the object store is full")


class Away(MemoryArtifacts):
    """Does not answer for a while."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    async def put(self, key: str, content: Any, expires_at: Any) -> None:
        """See the port."""
        self.calls += 1
        if self.calls < 4:
            content.read(100)
            raise StoreUnavailable("no answer")
        await super().put(key, content, expires_at)


def test_a_full_store_fails_nothing() -> None:
    """As what is too large."""
    status, (stored,), _, _ = run(step("s", "echo x > a", artifacts={"paths": ["a"]}), store=Full())
    assert status.status == "completed"
    assert "full" in (stored.problem or "")


def test_a_store_that_is_away_is_waited_for() -> None:
    """The whole archive is put again, and the log says once that it waits."""
    store = Away()
    _, (stored,), errors, _ = run(step("s", "echo x > a", artifacts={"paths": ["a"]}), store=store)
    assert stored.size == len(store.kept["p/s.1"][0])
    assert [one for one in errors if "wait" in one] == ["the artifacts wait: no answer"]


def test_a_store_that_stays_away_is_given_up_on() -> None:
    """After ten minutes; a directory that is wrong would hold the step for ever."""

    class Gone(MemoryArtifacts):
        async def put(self, *_: object) -> None:
            """See the port."""
            raise StoreUnavailable("Permission denied")

    status, (stored,), _, _ = run(step("s", "echo x > a", artifacts={"paths": ["a"]}), store=Gone())
    assert status.status == "completed"
    assert stored.problem == "the artifacts are not kept: the store did not answer for 600 s: Permission denied"


def bring(source: str = "make") -> dict[str, Any]:
    """A step that shows the file."""
    return step("use", "cat a", artifacts_from=[source])


def test_what_is_gone_fails_the_step_that_wants_it() -> None:
    """As an error of the system, by its own budget, with the reason."""

    class Forgets(MemoryArtifacts):
        async def put(self, *_: object) -> None:
            """See the port; a store that loses what it is given."""

    make = step("make", "echo x > a", artifacts={"paths": ["a"]})
    status, _, errors, _ = run(make, bring(), store=Forgets())
    assert status.status == "failed"
    assert "the artifacts of 'make' are not there any more" in errors


def test_what_was_changed_is_not_brought() -> None:
    """An archive that is not the one on record never reaches the workspace."""

    class Changes(MemoryArtifacts):
        async def put(self, key: str, content: Any, expires_at: Any) -> None:
            """See the port; as somebody would who writes into the store."""
            await super().put(key, io.BytesIO(content.read().replace(b"right", b"wrong")), expires_at)

    make = step("make", "echo right > a", artifacts={"paths": ["a"]})
    status, _, errors, world = run(make, bring(), store=Changes())
    assert status.status == "failed"
    assert any("it is not what was stored" in one for one in errors)
    assert not any(b"wrong" in one for volume in world.daemon.volumes.values() for one in volume.files.values())


def test_a_step_that_kept_nothing() -> None:
    """The next one starts all the same; its log says that there was nothing to bring."""
    make = step("make", "echo x > a", artifacts={"paths": ["a"], "when": "on_failure"})
    status, stored, errors, _ = run(make, bring())
    assert (status.status, stored) == ("completed", [])
    assert errors == ["the step 'make' has kept no artifacts"]


def test_a_directory_of_the_node(tmp_path: Path) -> None:
    """With artifact_store they are there and not in the object store; another node says where they are."""

    def use(bench: EngineOnFakes) -> None:
        object.__setattr__(bench.host, "artifact_directory", DirectoryArtifacts(tmp_path))

    make = step("make", "echo x > a", artifacts={"paths": ["a"]})
    status, (stored,), _, world = run(make, bring(), alter=use)
    assert (status.status, stored.store, stored.node) == ("completed", "node", "bench")
    assert (tmp_path / "p" / "make.1.tar").stat().st_size == stored.size
    assert world.artifacts.kept == {}
