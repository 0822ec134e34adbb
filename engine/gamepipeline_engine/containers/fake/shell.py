"""The few shell commands of scenario tests, run in fake time with busybox's results.

Known: exit, echo, printf of one plain word, sleep, true, false, ``:``, cat, touch, export, set,
test and ``[`` on strings and files, kill of ``$$``, trap of TERM, ``sleep N & wait``; ``;``,
newlines, ``&&``, ``||``, quotes, ``$NAME``, ``${NAME}``, ``>``, ``>>``, ``>&2``, ``2>&1``.
What is not known is refused beforehand (NotScripted), because a guess would make the fake lie;
a command whose name begins with ``no-such`` stands for one that does not exist.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, MutableMapping
from dataclasses import dataclass, field
from typing import Protocol

from gamepipeline_engine.containers.fake.script import Stream

MISSING = "no-such"
_INFINITE = 10.0**9
_TOKEN = re.compile(
    r"""(?P<space>[ \t]+)|(?P<comment>\#[^\n]*)|(?P<op>&&|\|\||>>|>&2|2>&1|2>/dev/null|[;\n&>])
    |(?P<word>(?:'[^']*'|"(?:\\.|[^"\\])*"|\\.|[^\s;&|<>'"\\()`])+)""",
    re.VERBOSE,
)
_PART = re.compile(r"""'(?P<raw>[^']*)'|"(?P<quoted>(?:\\.|[^"\\])*)"|\\(?P<escaped>.)|(?P<bare>[^'"\\]+)""")
_VARIABLE = re.compile(r"\\(?P<escaped>[$\"\\`])|\$(?:\{(?P<braced>\w+)\}|(?P<plain>\w+|\$|\?))")
_ASSIGN = re.compile(r"[A-Za-z_]\w*=.*", re.DOTALL)


class NotScripted(NotImplementedError):
    """The fake does not know how to run this; script the step, or run the test on Docker."""


class Ended(Exception):
    """The process is over, with this code."""

    def __init__(self, code: int) -> None:
        self.code = code
        super().__init__(code)


class Host(Protocol):
    """What a program can do to the world around it."""

    def write(self, stream: Stream, data: bytes) -> None:
        """Print."""
        ...

    def read(self, path: str) -> bytes | None:
        """A file's content; None when there is none."""
        ...

    def store(self, path: str, data: bytes, *, append: bool) -> None:
        """Write a file."""
        ...


@dataclass
class Simple:
    """One command: its words, as written, and where its output goes."""

    words: list[str] = field(default_factory=list)
    target: tuple[str, bool] | None = None  # file, whether to append
    stream: Stream = "stdout"
    background: bool = False


@dataclass
class Program:
    """A parsed script: commands, each with the operator that stands before it."""

    commands: list[tuple[str, Simple]]


def parse(text: str) -> Program:
    """Read a script. Raises NotScripted for what is not in the subset."""
    commands: list[tuple[str, Simple]] = []
    operator, current, expects = ";", Simple(), ""
    position = 0
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None:
            raise NotScripted(f"the fake shell cannot read {text[position : position + 40]!r}")
        position = found.end()
        token = found.group()
        match found.lastgroup:
            case "word" if expects:
                current.target, expects = (token, expects == ">>"), ""
            case "word":
                current.words.append(token)
            case "op" if token in {">", ">>"}:
                expects = token
            case "op" if token == ">&2":
                current.stream = "stderr"
            case "op" if token not in {"2>&1", "2>/dev/null"}:
                current.background = token == "&"
                if current.words:
                    commands.append((operator, current))
                    current = Simple()
                operator = token if token in {"&&", "||"} else ";"
            case _:
                pass
    if current.words:
        commands.append((operator, current))
    for _, command in commands:
        _require_known(command.words[0])
    return Program(commands)


def _require_known(word: str) -> None:
    plain = word.strip("'\"")
    if plain not in COMMANDS and not plain.startswith(MISSING) and not _ASSIGN.fullmatch(word):
        raise NotScripted(f"the fake shell does not know {plain!r}")


class Shell:
    """One run of a program. ``stops_on_error`` is ``sh -e``."""

    def __init__(self, program: Program, env: MutableMapping[str, str], host: Host, *, stops_on_error: bool) -> None:
        self.env = env
        self.host = host
        self.on_term: Callable[[], int] | None = None
        self.ignores_term = False
        self.in_wait = False
        self.is_pid1 = False
        self._program = program
        self._stops = stops_on_error
        self._last = 0
        self._background = 0.0

    def run(self) -> Generator[float, None, None]:
        """The program's steps; ends by raising Ended."""
        commands = self._program.commands
        for place, (operator, command) in enumerate(commands):
            if (operator == "&&" and self._last != 0) or (operator == "||" and self._last == 0):
                continue
            self._last = yield from self._simple(command)
            guarded = place + 1 < len(commands) and commands[place + 1][0] in {"&&", "||"}
            if self._last != 0 and self._stops and not guarded:
                raise Ended(self._last)
        raise Ended(self._last)

    def _simple(self, command: Simple) -> Generator[float, None, int]:
        words = [piece for word in command.words for piece in self._expand(word)]
        if not words:
            return 0
        if all(_ASSIGN.fullmatch(word) for word in command.words):
            self.env.update(dict(word.split("=", 1) for word in words))
            return 0
        name, *arguments = words
        if name == "sleep":
            return (yield from self._sleep(arguments, background=command.background))
        if name == "wait":
            left, self._background = self._background, 0.0
            self.in_wait = True
            yield left
            self.in_wait = False
            return 0
        if name.startswith(MISSING):
            self.host.write("stderr", f"sh: {name}: not found\n".encode())
            return 127
        code, output = COMMANDS[name](self, arguments)
        self._print(command, output)
        return code

    def _sleep(self, arguments: list[str], *, background: bool) -> Generator[float, None, int]:
        seconds = sum(_INFINITE if one in {"inf", "infinity"} else float(one) for one in arguments)
        if background:
            self._background = seconds
        else:
            yield seconds
        return 0

    def _print(self, command: Simple, output: bytes) -> None:
        if command.target is not None:
            word, append = command.target
            path = "".join(self._expand(word))
            self.host.store(path, output, append=append)
        elif output:
            self.host.write(command.stream, output)

    def _expand(self, word: str) -> list[str]:
        """The word's value; unquoted variables that are empty vanish, others split at spaces."""
        text, quoted = "", False
        pieces: list[str] = []
        for part in _PART.finditer(word):
            if part["raw"] is not None:
                text, quoted = text + part["raw"], True
            elif part["quoted"] is not None:
                text, quoted = text + self._variables(part["quoted"]), True
            elif part["escaped"] is not None:
                text, quoted = text + part["escaped"], True
            else:
                value = self._variables(part["bare"])
                if value == part["bare"]:
                    text += value
                    continue
                first, *more = value.split() or [""]
                text += first
                for one in more:
                    pieces.append(text)
                    text = one
        return [*pieces, text] if text or quoted else pieces

    def _variables(self, text: str) -> str:
        special = {"$": "1", "?": str(self._last)}

        def value(found: re.Match[str]) -> str:
            if found["escaped"]:
                return found["escaped"]
            name = found["braced"] or found["plain"]
            return special.get(name, self.env.get(name, ""))

        return _VARIABLE.sub(value, text)


Result = tuple[int, bytes]


def _echo(_shell: Shell, words: list[str]) -> Result:
    bare = bool(words) and words[0] == "-n"
    text = " ".join(words[1:] if bare else words)
    return 0, (text if bare else text + "\n").encode()


def _printf(_shell: Shell, words: list[str]) -> Result:
    if len(words) != 1 or "%" in words[0]:
        raise NotScripted("the fake shell knows printf of one text without % only")
    return 0, words[0].replace("\\n", "\n").replace("\\t", "\t").encode()


def _exit(_shell: Shell, words: list[str]) -> Result:
    raise Ended(int(words[0]) % 256 if words else 0)


def _kill(shell: Shell, words: list[str]) -> Result:
    numbers = {"-9": 9, "-KILL": 9, "-15": 15, "-TERM": 15, "-INT": 2, "-2": 2}
    option = words[0] if words[0].startswith("-") else "-TERM"
    if not shell.is_pid1:  # the kernel spares the first process of a container
        raise Ended(128 + numbers[option])
    return 0, b""


def _trap(shell: Shell, words: list[str]) -> Result:
    action, *signals = words
    if not set(signals) & {"TERM", "15", "SIGTERM"}:
        return 0, b""
    if not action:
        shell.ignores_term = True
        return 0, b""
    shell.ignores_term = False
    found = re.fullmatch(r"(?:echo (?P<text>[\w ]+);\s*)?exit(?: (?P<code>\d+))?", action)
    if found is None:
        raise NotScripted(f"the fake shell cannot trap with {action!r}")

    def handler() -> int:
        if found["text"]:
            shell.host.write("stdout", found["text"].encode() + b"\n")
        return int(found["code"] or 0)

    shell.on_term = handler
    return 0, b""


def _cat(shell: Shell, words: list[str]) -> Result:
    output, code = b"", 0
    for path in words:
        content = shell.host.read(path)
        if content is None:
            message = f"cat: can't open '{path}': No such file or directory\n"
            shell.host.write("stderr", message.encode())
            code = 1
        output += content or b""
    return code, output


def _touch(shell: Shell, words: list[str]) -> Result:
    for path in words:
        shell.host.store(path, b"", append=True)
    return 0, b""


def _export(shell: Shell, words: list[str]) -> Result:
    shell.env.update(dict(word.split("=", 1) for word in words if "=" in word))
    return 0, b""


def _test(shell: Shell, words: list[str]) -> Result:
    match [word for word in words if word != "]"]:
        case ["-n", text]:
            holds = bool(text)
        case ["-z", text]:
            holds = not text
        case [("-f" | "-e" | "-s") as what, path]:
            content = shell.host.read(path)
            holds = content is not None and (what != "-s" or bool(content))
        case [left, ("=" | "=="), right]:
            holds = left == right
        case [left, "!=", right]:
            holds = left != right
        case [text]:
            holds = bool(text)
        case other:
            raise NotScripted(f"the fake shell cannot test {other!r}")
    return (0 if holds else 1), b""


def _nothing(_shell: Shell, _words: list[str]) -> Result:
    return 0, b""


def _false(_shell: Shell, _words: list[str]) -> Result:
    return 1, b""


COMMANDS: dict[str, Callable[[Shell, list[str]], Result]] = {
    "echo": _echo,
    "printf": _printf,
    "exit": _exit,
    "kill": _kill,
    "trap": _trap,
    "cat": _cat,
    "touch": _touch,
    "export": _export,
    "test": _test,
    "[": _test,
    "true": _nothing,
    ":": _nothing,
    "set": _nothing,
    "wait": _nothing,
    "sleep": _nothing,
    "false": _false,
}
