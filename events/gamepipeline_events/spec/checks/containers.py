"""What only the whole container, or the whole step, can tell.

Keys that exclude each other, the environment, labels, and how large all that may be.
"""

from __future__ import annotations

import posixpath
from typing import Any

from gamepipeline_events.problems import Path
from gamepipeline_events.spec import forms
from gamepipeline_events.spec.checks.devices import check_devices
from gamepipeline_events.spec.checks.mounts import check_mounts
from gamepipeline_events.spec.checks.names import Names, check_bare, check_secret_files
from gamepipeline_events.spec.checks.ports import check_ports
from gamepipeline_events.spec.checks.report import KEY, Report, quoted
from gamepipeline_events.spec.checks.resources import check_resources
from gamepipeline_events.spec.checks.unsupported import check_unsupported
from gamepipeline_events.spec.expressions import OPEN, has_expression
from gamepipeline_events.spec.script import ScriptError, build_script

MAX_SCRIPT = 120 * 1024
MAX_VARIABLE = 32 * 1024
MAX_ENVIRONMENT = 256 * 1024
MAX_ARGUMENT = 120 * 1024
OUR_LABELS = "io.gamepipeline."
_SHELLS = frozenset({"sh", "ash", "bash", "dash", "ksh", "zsh"})
_READY_WAYS = ("http", "tcp", "log", "exec", "healthcheck", "running")


def check_step(step: dict[str, Any], path: Path, names: Names, report: Report) -> None:
    """All of one step, beyond the shape of its parts."""
    service = step.get("type") == "service"
    container = step.get("container", {})
    place = (*path, "container")
    if service:
        _ready(step, path, report)
    else:
        _services_only(step, container, path, report)
    check_container(container, place, report, service=service)
    for name, at in _bare_variables(container, place):
        check_bare(name, at, names, report)
    check_secret_files(container, place, names, report)


def check_container(container: dict[str, Any], path: Path, report: Report, *, service: bool) -> None:
    """A container without looking at declared names; values that hold expressions are passed over."""
    _commands(container, path, report)
    _environment(container, path, report)
    _labels(container, path, report)
    check_ports(container, path, report)
    check_devices(container, path, report)
    check_unsupported(container, path, report)
    check_resources(container, path, report)
    check_mounts(container, path, report, workspace=not service)


def _services_only(step: dict[str, Any], container: dict[str, Any], path: Path, report: Report) -> None:
    hint = "write 'type: service', or remove it"
    for key in ("ready", "lifetime"):
        if key in step:
            report.error("GP108", f"'{key}' is for services only", (*path, key), hint)
    if container.get("restart", "no") != "no":
        message = "'restart' is for services only"
        report.error("GP108", message, (*path, "container", "restart"), "use 'retry' on the step")


def _ready(step: dict[str, Any], path: Path, report: Report) -> None:
    ready = step.get("ready", {})
    ways = [way for way in _READY_WAYS if ready.get(way) not in (None, False)]
    if len(ways) > 1:
        message = f"a service has one way to show that it is ready, not {len(ways)}: {', '.join(ways)}"
        report.error("GP108", message, (*path, "ready"))


def _commands(container: dict[str, Any], path: Path, report: Report) -> None:
    for key in ("command", "entrypoint"):
        if key in container:
            if "commands" in container:
                message = f"'commands' and '{key}' exclude each other"
                report.error("GP108", message, (*path, key), "keep one of them")
            _words(container[key], (*path, key), report)
    commands = container.get("commands")
    if commands is None or None in commands:
        return
    try:
        script = build_script(commands)
    except ScriptError as exc:
        for refusal in exc.refusals:
            place = (*path, "commands", refusal.index)
            report.error("GP304", refusal.why, place, refusal.hint, refusal.position)
        return
    length = len(script.text.encode())
    if length > MAX_SCRIPT:
        message = f"the script has {length} bytes; at most {MAX_SCRIPT} are allowed"
        report.error("GP106", message, (*path, "commands"), "put it into a file of the image")


def _words(value: Any, path: Path, report: Report) -> None:
    """``command`` or ``entrypoint``.

    An empty entrypoint clears the image's; an empty command would mean nothing.
    """
    if not value and path[-1] == "command":
        report.error("GP105", "'command' is empty", path, "leave it out to run the image's own")
        return
    try:
        words = forms.words(value) if isinstance(value, str) else [w for w in value if w is not None]
    except ValueError as exc:
        report.error("GP105", f"'{path[-1]}' {exc}", path)
        return
    _spliced(words, path, report)
    for word in words:
        if len(word.encode()) > MAX_ARGUMENT:
            message = f"an argument of '{path[-1]}' is longer than {MAX_ARGUMENT} bytes"
            report.error("GP106", message, path)


def _spliced(words: list[str], path: Path, report: Report) -> None:
    """Warn of a value that becomes text of a shell script: there it may become a command."""
    program = posixpath.basename(words[0]) if words else ""
    if program in _SHELLS and any(has_expression(word) for word in words[1:]):
        message = f"the value of an expression becomes a part of the script {program} runs"
        hint = "write 'commands', where a value is always data"
        report.warn("GP304", message, path, hint)


def _environment(container: dict[str, Any], path: Path, report: Report) -> None:
    total = 0
    for key, text, at in _entries(container.get("environment"), (*path, "environment"), report):
        size = len(key.encode()) + len((text or "").encode()) + 1
        total += size
        if size > MAX_VARIABLE:
            message = f"the variable {quoted(key)} has {size} bytes; at most {MAX_VARIABLE} are allowed"
            report.error("GP106", message, at)
        if key.startswith("LD_"):
            message = f"{quoted(key)} changes how every program in the container is loaded"
            report.warn("GP105", message, at, None, KEY)
    if total > MAX_ENVIRONMENT:
        message = f"the environment has {total} bytes; at most {MAX_ENVIRONMENT} are allowed"
        report.error("GP106", message, (*path, "environment"))


def _labels(container: dict[str, Any], path: Path, report: Report) -> None:
    for key, text, at in _entries(container.get("labels"), (*path, "labels"), report):
        if key.startswith(OUR_LABELS):
            message = f"labels that begin with {OUR_LABELS} are the engine's own"
            report.error("GP105", message, at, None, KEY)
        if len(key) + len((text or "").encode()) > MAX_VARIABLE:
            report.error("GP106", f"a label is longer than {MAX_VARIABLE} bytes", at)


def _entries(value: Any, path: Path, report: Report) -> list[tuple[str, str | None, Path]]:
    """Key, text and place of each entry of a map or a list of ``KEY=value``, without the wrong ones."""
    found: list[tuple[str, str | None, Path]] = []
    seen: set[str] = set()
    if isinstance(value, dict):
        pairs = [(key, inner, (*path, key)) for key, inner in forms.variables(value).items()]
    else:
        pairs = [
            (key, inner, (*path, index))
            for index, item in enumerate(value or ())
            if item is not None
            for key, inner in forms.variables([item]).items()
        ]
    for key, text, at in pairs:
        if OPEN in key:
            report.error("GP304", "an expression cannot be part of a key", at, None, KEY)
        elif not key or "=" in key or any(char.isspace() for char in key):
            message = f"{quoted(key)} is no name: it is empty or holds '=' or a space"
            report.error("GP105", message, at, None, KEY)
        elif key in seen:
            report.error("GP102", f"{quoted(key)} stands here twice", at)
        else:
            seen.add(key)
            found.append((key, text, at))
    return found


def _bare_variables(container: dict[str, Any], path: Path) -> list[tuple[str, Path]]:
    quiet = Report()
    entries = _entries(container.get("environment"), (*path, "environment"), quiet)
    return [(key, at) for key, text, at in entries if text is None]
