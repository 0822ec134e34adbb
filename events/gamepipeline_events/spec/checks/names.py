"""Declared names, and the expressions that use them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gamepipeline_events.problems import Path
from gamepipeline_events.spec.checks.order import Order
from gamepipeline_events.spec.checks.report import Report, quoted
from gamepipeline_events.spec.checks.shape import Use
from gamepipeline_events.spec.expressions import has_expression

SECRETS_IN = frozenset({"environment", "commands"})
"""Fields of a container where a secret stays one: it becomes a variable of the container."""

ARGUMENTS = frozenset({"command", "entrypoint"})
"""Fields that may hold one, but where it can be seen by whoever sees the processes of the node."""

_WHAT = {"args": "argument", "envs": "variable", "secrets": "secret"}


class Names:
    """What a pipeline declares."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.declared = {root: _listed(document.get(root)) for root in _WHAT}

    def knows(self, name: str) -> bool:
        """Whether ``name`` is a variable of the node, secret or not."""
        return name in self.declared["envs"] or name in self.declared["secrets"]


def _listed(value: Any) -> set[str]:
    return {name for name in value or () if name is not None}


def check_duplicates(document: dict[str, Any], report: Report) -> None:
    """A name stands once in each of envs, args and secrets."""
    for root in _WHAT:
        names = document.get(root)
        seen: set[str] = set()
        for index, name in enumerate(names if isinstance(names, list) else ()):
            if name in seen:
                report.error("GP102", f"'{name}' stands in '{root}' twice", (root, index))
            elif name is not None:
                seen.add(name)


def check_uses(uses: list[Use], names: Names, order: Order, report: Report) -> None:
    """Every expression means something that is there, and may be known where it stands."""
    before = order.before()
    matrices = _Matrices(order, report)
    for use in uses:
        reference = use.reference
        if reference.root in _WHAT:
            _declared(use, names, report)
        elif reference.root == "matrix":
            matrices.check(use, report)
        elif reference.root == "steps":
            _output(use, order, before, report)


def _declared(use: Use, names: Names, report: Report) -> None:
    root, name, at = use.reference.root, use.reference.name, use.reference.position
    if name not in names.declared[root]:
        other = next((each for each in _WHAT if name in names.declared[each]), None)
        hint = (
            f"it is declared under '{other}': write ${{{{ {other}.{name} }}}}"
            if other
            else (report.guess(name, names.declared[root]) or f"add {name} to '{root}'")
        )
        message = f"the {_WHAT[root]} '{name}' is not declared"
        report.error("GP301", message, use.path, hint, at)
    if root == "secrets":
        _secret_place(use, report)


def _secret_place(use: Use, report: Report) -> None:
    field = use.path[3] if len(use.path) > 3 else ""
    if field not in SECRETS_IN | ARGUMENTS:
        report.error(
            "GP304",
            f"a secret is not allowed in '{field}', which everyone can see",
            use.path,
            "pass it in 'environment' or use it in 'commands'",
            use.reference.position,
        )
    elif field in ARGUMENTS:
        report.warn(
            "GP304",
            f"a secret in '{field}' can be seen in the list of processes",
            use.path,
            "pass it in 'environment' or use it in 'commands'",
            use.reference.position,
        )


class _Matrices:
    """What the matrix of each step gives to all of the steps it makes, and to some of them."""

    def __init__(self, order: Order, report: Report) -> None:
        self._order = order
        self._wrong = {path[1] for path in report.failed if path[:1] == ("steps",) and path[2:3] == ("matrix",)}
        self._known: dict[int, tuple[set[str], set[str]]] = {}

    def check(self, use: Use, report: Report) -> None:
        """A value that an expression names is there, in whichever step the matrix makes."""
        place, name = int(use.path[1]), use.reference.name
        if place in self._wrong:
            return
        everywhere, somewhere = self._of(place)
        if name in somewhere and name not in everywhere:
            lacking = next(one.id for one in self._order.variants[place] if name not in one.values)
            hint: str | None = f"put '- {name}: …' first in 'include': that gives a value to all"
            report.error("GP301", f"'{name}' has no value in '{lacking}'", use.path, hint, use.reference.position)
        elif name not in somewhere:
            hint = report.guess(name, somewhere) if somewhere else "give the step a 'matrix'"
            report.error("GP301", f"no matrix declares '{name}'", use.path, hint, use.reference.position)

    def _of(self, place: int) -> tuple[set[str], set[str]]:
        if place not in self._known:
            names = [set(one.values) for one in self._order.variants[place]]
            self._known[place] = (set.intersection(*names), set.union(*names))
        return self._known[place]


def _output(use: Use, order: Order, before: Callable[[str, str], bool], report: Report) -> None:
    reference = use.reference
    step, own = str(reference.step), order.ids[int(use.path[1])]
    home = order.homes.get(step)
    if home is None:
        message = f"there is no step {quoted(step)}"
        hint = report.guess(step, order.homes)
        report.error("GP301", message, use.path, hint, reference.position)
    elif len(order.steps_of(step)) > 1:
        message = f"'{step}' is one step for each combination of its matrix: each has outputs of its own"
        hint = f"write steps.{order.steps_of(step)[0]}.outputs.{reference.name}"
        report.error("GP301", message, use.path, hint, reference.position)
    elif order.sequence and not before(step, own):
        message = f"the outputs of '{step}' are not known before '{own}' starts"
        hint = f"add '{step}' to the needs of '{own}'" if home != own else None
        report.error("GP304", message, use.path, hint, reference.position)


def check_bare(name: str, path: Path, names: Names, report: Report) -> None:
    """A variable without a value is the node's, which has to be declared."""
    if not names.knows(name):
        known = names.declared["envs"] | names.declared["secrets"]
        hint = report.guess(name, known) or f"add {name} to 'envs' or 'secrets', or give it a value"
        report.error("GP301", f"the variable {quoted(name)} is not declared", path, hint)


def check_secret_files(container: dict[str, Any], path: Path, names: Names, report: Report) -> None:
    """The secrets a container wants as files are declared as secrets."""
    for index, entry in enumerate(container.get("secrets", ())):
        name = entry.get("name") if isinstance(entry, dict) else entry
        if name is None or has_expression(name) or name in names.declared["secrets"]:
            continue
        hint = report.guess(name, names.declared["secrets"]) or f"add {name} to 'secrets'"
        message = f"the secret {quoted(name)} is not declared"
        report.error("GP301", message, (*path, "secrets", index), hint)
