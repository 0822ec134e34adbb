"""The GPUs that CDI specifications on this host name. Does I/O; what cannot be used is told, and left out."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from gamepipeline_engine.containers.docker.gpus import KIND, mappings

FOLDERS = ("/etc/cdi", "/var/run/cdi")
MAX_FILES = 100
"""Entries of one folder that are looked at."""

MAX_BYTES = 1024 * 1024
_ENDINGS = frozenset({".json", ".yaml"})


class Found(NamedTuple):
    """Device names of the kind ``nvidia.com/gpu``, and a sentence for each file that could not be used."""

    names: tuple[str, ...]
    warnings: tuple[str, ...]


def read_specs(folders: Iterable[str | Path]) -> Found:
    """What the files of these folders name. A folder that is not there names nothing."""
    names: list[str] = []
    warnings: list[str] = []
    for path in itertools.chain.from_iterable(map(_files, folders)):
        try:
            names += _names(_document(path))
        except (OSError, ValueError, yaml.YAMLError, RecursionError) as exc:
            why = getattr(exc, "strerror", None) or str(exc).partition("\n")[0][:200]
            warnings.append(f"the CDI specification {path} is not used: {why}")
    return Found(tuple(dict.fromkeys(names)), tuple(warnings))


def _files(folder: str | Path) -> list[Path]:
    try:
        entries = list(itertools.islice(Path(folder).iterdir(), MAX_FILES))
        return sorted(one for one in entries if one.suffix in _ENDINGS and one.is_file())
    except OSError:
        return []


def _document(path: Path) -> Any:
    with path.open("rb") as file:
        raw = file.read(MAX_BYTES + 1)
    if len(raw) > MAX_BYTES:
        raise ValueError("it is larger than 1 MiB")
    return json.loads(raw) if path.suffix == ".json" else yaml.safe_load(raw)


def _names(document: Any) -> list[str]:
    if not isinstance(document, Mapping) or "cdiVersion" not in document:
        raise ValueError("it is no mapping with a cdiVersion")
    if document.get("kind") != KIND:
        return []
    # Index names may be written without quotes in YAML: then they are numbers.
    written = [one.get("name") for one in mappings(document.get("devices"))]
    return [str(name) for name in written if isinstance(name, str) or type(name) is int]
