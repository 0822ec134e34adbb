"""Variables of the node: where the values behind ``envs`` and ``secrets`` come from.

Values never show in a repr, a log or an error; only names do.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path

import dotenv
import msgspec

from gamepipeline_engine.config import ConfigError, VariablesConfig
from gamepipeline_engine.redaction import Redactor
from gamepipeline_events.ids import is_name
from gamepipeline_events.problems import Problem

MAX_VALUE = 1024 * 1024


class Resolved(msgspec.Struct, frozen=True, kw_only=True):
    """Values of what a pipeline lists. ``missing`` has no value here, ``refused`` may not be asked for.

    ``secrets`` also holds those listed as envs that this node calls secret; they are not in ``envs``.
    """

    envs: dict[str, str] = {}
    secrets: dict[str, str] = {}
    missing: list[str] = []
    refused: list[str] = []

    def __repr__(self) -> str:
        return (
            f"Resolved(envs={sorted(self.envs)}, secrets={sorted(self.secrets)}, "
            f"missing={self.missing}, refused={self.refused})"
        )


class NodeVariables:
    """All variables a node has to offer. What an earlier source says is not overridden by a later one."""

    def __init__(
        self, sources: Iterable[Mapping[str, str]], *, expose: Iterable[str] = ("*",), secret: Iterable[str] = ()
    ) -> None:
        self._values: dict[str, str] = {}
        for source in sources:
            self._values = {**source, **self._values}
        self._expose = tuple(expose)
        self._secret = tuple(secret)

    def __repr__(self) -> str:
        return f"NodeVariables({len(self._values)} variables)"

    def resolve(self, envs: Iterable[str], secrets: Iterable[str]) -> Resolved:
        """The values behind the names a pipeline lists; nothing else of the node is in the answer."""
        found = Resolved(envs={}, secrets={}, missing=[], refused=[])
        listed = [(name, self.is_secret(name)) for name in envs] + [(name, True) for name in secrets]
        for name, secret in dict.fromkeys(listed):
            if not matches(name, self._expose):
                found.refused.append(name)
            elif name not in self._values:
                found.missing.append(name)
            else:
                (found.secrets if secret else found.envs)[name] = self._values[name]
        return _once(found)

    def is_secret(self, name: str) -> bool:
        """Whether this node treats ``name`` as a secret wherever it is listed."""
        return matches(name, self._secret)


def _once(found: Resolved) -> Resolved:
    """A name listed under both is a secret; a name is reported once."""
    return Resolved(
        envs={name: value for name, value in found.envs.items() if name not in found.secrets},
        secrets=found.secrets,
        missing=list(dict.fromkeys(found.missing)),
        refused=list(dict.fromkeys(found.refused)),
    )


def secret_arguments(values: Resolved, args: Mapping[str, str]) -> tuple[Problem, ...]:
    """A problem for each argument that tells a secret of its pipeline: arguments are public, they are on record.

    Secrets of other pipelines are no reason: a refusal would confirm a guess.
    """
    redactor = Redactor(values.secrets.values())
    hint = "arguments are public: list the variable under 'secrets' and write ${{ secrets.NAME }}"
    return tuple(
        Problem(code="GP304", message=f"the value of '{name}' contains a secret", path=("args", name), hint=hint)
        for name, value in args.items()
        if redactor.redact_text(value) != value
    )


def matches(name: str, patterns: Iterable[str]) -> bool:
    """Whether ``name`` fits one of the patterns; ``*`` is any text. Upper and lower case differ."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def node_variables(config: VariablesConfig, environment: Mapping[str, str]) -> NodeVariables:
    """Of an engine: its env file, its directory, then what its environment shares. Reads files.

    Raises ConfigError for a file or folder that is configured and cannot be read.
    """
    sources = _configured(config)
    sources.append({name: text for name, text in environment.items() if matches(name, config.environment)})
    return NodeVariables(sources, expose=config.expose, secret=config.secret)


def run_variables(
    config: VariablesConfig,
    environment: Mapping[str, str],
    *,
    given: Mapping[str, str] | None = None,
    env_files: Iterable[str | Path] = (),
    unreadable: Callable[[ConfigError], None] | None = None,
) -> NodeVariables:
    """Of ``run``: ``--env``, ``--env-file`` (the last one wins), the node's files, then the caller's environment.

    All of that environment: what the pipeline file does not list does not get into a container.

    Raises ConfigError for what cannot be read; ``unreadable`` is told instead where that is one of the node's.
    """
    sources: list[Mapping[str, str]] = [given or {}]
    sources += [read_env_file(path) for path in reversed(list(env_files))]
    sources += _configured(config, unreadable)
    sources.append(environment)
    return NodeVariables(sources, expose=config.expose, secret=config.secret)


def _configured(
    config: VariablesConfig, unreadable: Callable[[ConfigError], None] | None = None
) -> list[Mapping[str, str]]:
    """The node's own file and folder, as far as they are configured."""
    found: list[Mapping[str, str]] = []
    for place, read in ((config.env_file, read_env_file), (config.directory, read_directory)):
        if not place:
            continue
        try:
            found.append(read(place))
        except ConfigError as exc:
            if unreadable is None:
                raise
            unreadable(exc)
    return found


def read_env_file(path: str | Path) -> dict[str, str]:
    """The variables of a file of ``NAME=value`` lines. A name without ``=`` has no value and is left out."""
    text = _read(Path(path))
    parsed = dotenv.dotenv_values(stream=io.StringIO(text), interpolate=False)
    return {name: value for name, value in parsed.items() if value is not None}


def read_directory(path: str | Path) -> dict[str, str]:
    """One variable per file: the name is the file's, the value its text without the newline at its end."""
    folder = Path(path)
    try:
        names = sorted(entry.name for entry in folder.iterdir() if is_name(entry.name) and entry.is_file())
    except OSError as exc:
        raise ConfigError(str(folder), f"cannot be read: {exc.strerror}") from exc
    return {name: _without_newline(_read(folder / name)) for name in names}


def _without_newline(text: str) -> str:
    return text.removesuffix("\n").removesuffix("\r")


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_VALUE:
            raise ConfigError(str(path), "is larger than 1 MiB: no file of variables")
        return path.read_bytes().decode()
    except UnicodeDecodeError:
        # Its text would carry bytes of the file, so it is not kept as the cause.
        raise ConfigError(str(path), "is not UTF-8") from None
    except OSError as exc:
        raise ConfigError(str(path), f"cannot be read: {exc.strerror}") from exc
