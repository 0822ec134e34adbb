"""A program that runs in fake time: a list of moments at which it acts. No task, no waiting.

Whoever looks at the daemon first lets every process catch up with the clock; between two looks
nothing happens. So the same script gives the same result at any speed of the clock.
"""

from __future__ import annotations

import shlex
from collections.abc import Generator, Mapping
from datetime import datetime, timedelta
from typing import Any

from gamepipeline_engine.containers.fake.script import FakeScript
from gamepipeline_engine.containers.fake.shell import (
    COMMANDS,
    MISSING,
    Ended,
    Host,
    NotScripted,
    Program,
    Shell,
    parse,
)

_SHELLS = {"sh", "/bin/sh", "ash", "/bin/busybox"}
_KILLED, _TERMINATED = 137, 143


class Process:
    """One run of a container's program. ``exit_code`` is None while it runs."""

    def __init__(self, steps: Generator[float, None, None], began: datetime, shell: Shell | None = None) -> None:
        self.time = began
        self.wake: datetime | None = began
        self.exit_code: int | None = None
        self.oom = False
        self.ignores_term = False
        self.term_exit: int | None = None
        self._steps = steps
        self._shell = shell
        self._term_pending = False

    def step(self) -> None:
        """Act once, at the moment ``wake``."""
        assert self.wake is not None  # noqa: S101 - the caller has looked
        self.time = self.wake
        if self._term_pending:
            self._handle_term()
            return
        try:
            pause = next(self._steps)
        except Ended as end:
            self.end(end.code)
        except StopIteration:
            self.end(0)
        else:
            try:
                self.wake = self.time + timedelta(seconds=pause)
            except OverflowError:
                self.wake = None

    def end(self, code: int, time: datetime | None = None) -> None:
        """The program is over."""
        self.time = time or self.time
        self.wake = None
        self.exit_code = code
        self._steps.close()

    def kill(self, time: datetime) -> None:
        """SIGKILL."""
        self.end(_KILLED, time)

    def terminate(self, time: datetime) -> None:
        """SIGTERM: a shell runs its trap once the command in front of it has ended."""
        shell = self._shell
        if self.ignores_term or (shell is not None and shell.ignores_term):
            return
        handled = self.term_exit is not None or (shell is not None and shell.on_term is not None)
        if not handled:
            self.end(_TERMINATED, time)
            return
        self._term_pending = True
        if self.term_exit is not None or (shell is not None and shell.in_wait):
            self.wake = time

    def delay(self, by: timedelta) -> None:
        """It was frozen for so long."""
        self.time += by
        if self.wake is not None:
            self.wake += by

    def _handle_term(self) -> None:
        shell = self._shell
        if self.term_exit is None and shell is not None and shell.on_term is not None:
            self.end(shell.on_term())
        else:
            self.end(self.term_exit or 0)


def command_of(body: Mapping[str, Any]) -> list[str]:
    """The words of the command a container is to run; the fake's images start a shell by default."""
    words: list[str] = []
    for key in ("Entrypoint", "Cmd"):
        value = body.get(key) or []
        words += [value] if isinstance(value, str) else [str(one) for one in value]
    return words or ["sh"]


def program_of(command: list[str]) -> Program | None:
    """The shell program of a command; None when its file does not exist. Raises NotScripted."""
    name, *arguments = command
    if name in _SHELLS:
        if not arguments:
            return parse("true")
        options, script = arguments[:-1], arguments[-1]
        if not options or "c" not in options[-1]:
            raise NotScripted(f"the fake cannot run {command!r}")
        return parse(script)
    if name.rpartition("/")[2] in COMMANDS and name.rpartition("/")[0] in {"", "/bin"}:
        return parse(shlex.join([name.rpartition("/")[2], *arguments]))
    if name.startswith((MISSING, f"/{MISSING}")):
        return None
    raise NotScripted(f"the fake cannot run {command!r}; script the step instead")


def stops_on_error(command: list[str]) -> bool:
    """Whether this is ``sh -e``."""
    return any(word.startswith("-") and "e" in word for word in command[1:-1])


def scripted(script: FakeScript, host: Host, began: datetime) -> Process:
    """A process that does what the data says."""

    def steps() -> Generator[float, None, None]:
        spent = 0.0
        for path, content in script.files.items():
            host.store(path, content, append=False)
        for output in script.output:
            if output.after:
                spent += output.after
                yield output.after
            host.write(output.stream, output.data)
        if script.run_for is None:
            yield 10.0**9
        elif script.run_for > spent:
            yield script.run_for - spent
        raise Ended(_KILLED if script.oom else script.exit_code)

    process = Process(steps(), began)
    process.oom = script.oom
    process.ignores_term = script.ignores_term
    process.term_exit = script.term_exit
    return process


def shelled(program: Program, env: dict[str, str], host: Host, began: datetime, *, strict: bool, init: bool) -> Process:
    """A process of the fake shell. Without an init it is PID 1, which ignores what it does not trap."""
    shell = Shell(program, env, host, stops_on_error=strict)
    shell.ignores_term = shell.is_pid1 = not init
    return Process(shell.run(), began, shell)
