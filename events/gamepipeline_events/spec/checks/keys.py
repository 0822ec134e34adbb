"""Keys nobody knows: which kind of mistake that is, and what was probably meant."""

from __future__ import annotations

from gamepipeline_events.problems import Path
from gamepipeline_events.spec import compose, model
from gamepipeline_events.spec.checks.kinds import fields_of
from gamepipeline_events.spec.checks.report import Report, quoted

_UNSUPPORTED: dict[type, frozenset[str]] = {
    compose.Container: compose.UNSUPPORTED,
    compose.Deploy: compose.UNSUPPORTED_DEPLOY,
    compose.Resources: compose.UNSUPPORTED_DEPLOY,
    compose.Reservations: compose.UNSUPPORTED_DEPLOY,
    compose.VolumeMount: frozenset({"image"}),
    compose.BindOptions: frozenset({"recursive"}),
    compose.SecretFile: frozenset({"source", "target", "uid", "gid", "mode"}),
}
_HOMES: dict[type, str] = {
    model.Step: "on the step",
    compose.Container: "below 'container'",
    model.GamePipeline: "at the top of the file",
    model.Ready: "below 'ready'",
    model.Retry: "below 'retry'",
}


def unknown_key(key: str, owner: type, path: Path, report: Report) -> None:
    """Report ``key`` in a mapping that is an ``owner``."""
    place = (*path, key)
    if owner is model.GamePipeline and key == "status":
        message = "'status' is ignored: the events say what the status is"
        report.warn("GP103", message, place)
    elif key in _UNSUPPORTED.get(owner, ()):
        message = f"the compose field '{key}' is not supported"
        report.error("GP402", message, place, compose.INSTEAD.get(key))
    else:
        hint = report.guess(key, fields_of(owner)) or _elsewhere(key, owner)
        report.error("GP103", f"unknown key {quoted(key)}", place, hint)


def _elsewhere(key: str, owner: type) -> str | None:
    """Where a key that is unknown here belongs."""
    if owner in _HOMES:
        for cls, where in _HOMES.items():
            if key in fields_of(cls):
                return f"'{key}' stands {where}"
    return None
