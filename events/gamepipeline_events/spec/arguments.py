"""Run-time arguments: what a pipeline declares, and the values given for it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gamepipeline_events.problems import Problem
from gamepipeline_events.spec import forms
from gamepipeline_events.spec.checks.measure import is_strange
from gamepipeline_events.spec.checks.report import Report, quoted
from gamepipeline_events.spec.checks.resolve import parameters
from gamepipeline_events.spec.patterns import MAX_TEXT, Pattern
from gamepipeline_events.spec.resolved import Parameter, ResolvedPipeline

MAX_VALUE = 32 * 1024


def bind_arguments(
    pipeline: ResolvedPipeline, given: Mapping[str, object]
) -> tuple[dict[str, str], tuple[Problem, ...]]:
    """A value for each declared argument that has one, and every problem with what was given.

    Values become text: a number as JSON writes it, ``true`` or ``false``; null counts as not given.
    An argument that is neither required nor given and has no default is the empty string.
    """
    report = Report()
    declared = {parameter.name: parameter for parameter in pipeline.parameters}
    for name in given:
        if name not in declared:
            hint = report.guess(str(name), declared) or "the pipeline does not list it under 'args'"
            report.error("GP301", f"the argument {quoted(name)} is not declared", ("args", str(name)), hint)
    values: dict[str, str] = {}
    for name, parameter in declared.items():
        value = _value(parameter, given.get(name), report)
        if value is not None:
            values[name] = value
    return values, tuple(report.problems)


def _value(parameter: Parameter, given: object, report: Report) -> str | None:
    path = ("args", parameter.name)
    if given is None:
        if parameter.default is not None:
            return parameter.default
        if parameter.required:
            message = f"the argument '{parameter.name}' has no value"
            report.error("GP302", message, path, f"give it with --arg {parameter.name}=…")
            return None
        return ""
    value = _text(given)
    if value is None:
        message = f"'{parameter.name}' must be text, a number, true or false, not {quoted(given)}"
        report.error("GP104", message, path)
    elif why := refusal(parameter, value):
        report.error("GP105", f"'{parameter.name}' is {quoted(value)}: {why}", path)
        value = None
    return value


def _text(given: object) -> str | None:
    """A scalar as text, None for anything that has none."""
    if isinstance(given, str | bool | int | float) and not is_strange(given):
        return forms.scalar(given)
    return None


def refusal(parameter: Parameter, value: str) -> str:
    """Why ``value`` is not one the parameter allows; empty when it is."""
    if len(value) > MAX_VALUE:
        return f"it is longer than {MAX_VALUE} characters"
    if parameter.enum and value not in parameter.enum:
        return f"it is not one of {', '.join(parameter.enum)}"[:500]
    if parameter.pattern is not None:
        if len(value) > MAX_TEXT:
            return f"it is longer than {MAX_TEXT} characters, too long to be matched"
        if not Pattern(parameter.pattern).matches(value):
            return f"it does not match {parameter.pattern}"
    return ""


def check_parameters(document: dict[str, Any], report: Report) -> None:
    """Defaults are among the values their own parameter allows."""
    args = document.get("args")
    if not isinstance(args, dict):
        return
    for parameter in parameters(args):
        path = ("args", parameter.name, "default")
        why = "" if parameter.default is None else refusal(parameter, parameter.default)
        if why:
            report.error("GP105", f"the default is {quoted(parameter.default)}: {why}", path)
