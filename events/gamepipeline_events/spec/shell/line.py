"""Where in a command line a reader is: words, keywords, and the here-documents that are due. Pure."""

from __future__ import annotations

import msgspec

_OPENERS = frozenset("if then else elif do while until ! { } done fi".split())  # noqa: SIM905 - reads as one


class HereDocument(msgspec.Struct):
    """A here-document whose body begins at the next line; ``literal``: its delimiter is quoted."""

    delimiter: str
    literal: bool
    strip_tabs: bool


class Line:
    """Where in a command the reader is: enough to know ``case`` when it sees it."""

    def __init__(self) -> None:
        self.word: list[str | int] = []
        self.at_command = True
        self.open: list[str] = []  # "(", and of a case: "subject", "in", "pattern", "body"
        self.documents: list[HereDocument] = []
        self._loop = ""  # after "for": "name", then "do"

    def end_word(self) -> None:
        """A word is over, if there was one."""
        if not self.word:
            return
        word = "".join(str(item) for item in self.word)
        self.word = []
        top = self.open[-1] if self.open else ""
        if top == "subject":
            self.open[-1] = "in"
        elif top == "in":
            self.open[-1] = "pattern"
        elif top == "pattern":
            if word == "esac":
                self.open.pop()
                self.at_command = True
        elif self._loop:
            self._loop, self.at_command = ("do", False) if self._loop == "name" else ("", word == "do")
        elif self.at_command:
            self._first_word(word, top)

    def _first_word(self, word: str, top: str) -> None:
        if word == "case":
            self.open.append("subject")
        elif word == "esac" and top == "body":
            self.open.pop()
            return
        elif word == "for":
            self._loop = "name"
        self.at_command = word in _OPENERS

    def separator(self) -> None:
        """A new command begins."""
        if not self.open or self.open[-1] not in ("subject", "in", "pattern"):
            self.at_command = True
            self._loop = ""

    def redirected(self) -> None:
        """A redirection: what follows is no keyword."""
        self.at_command = False

    def operator(self, item: str) -> None:
        """One of ``; ;; & | ( )``."""
        top = self.open[-1] if self.open else ""
        if top == "pattern":
            if item == ")":
                self.open[-1] = "body"
                self.at_command = True
            return
        if item == ";;" and top == "body":
            self.open[-1] = "pattern"
        elif item == "(":
            self.open.append("(")
        elif item == ")" and top == "(":
            self.open.pop()
        self.separator()
