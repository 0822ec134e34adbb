"""How each expression of a shell script is quoted: a reader of POSIX shell syntax. Pure.

It follows the grammar only as far as quoting goes: quotes, escapes, comments, ``$(…)``, backticks,
``${…}``, here-documents, and ``case`` because of its unbalanced parentheses. Shells do not agree on
everything (``$'…'``, quotes inside ``"${x#…}"``, arithmetic): where they do not, the reader does not
guess but refuses, and says what to write instead.
"""

from __future__ import annotations

from typing import Literal

from gamepipeline_events.spec.shell.line import HereDocument, Line

Quoting = Literal["unquoted", "double", "single", "comment"]
Items = list["str | int"]
"""A script: single characters, and the numbers of the expressions between them."""

MAX_NESTING = 40

ASSIGN = "put the value into a variable first, x=${{ … }}, and use that"
_BLANKS = " \t"
_NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
_SPECIAL = frozenset("@*#?$!-")


class Unclear(Exception):
    """From here on shells would read the script differently, or it is too deep to follow."""


class Reader:
    """Reads ``items`` once. Fills ``quoting`` and ``refused`` (number of an expression → why, fix)."""

    def __init__(
        self,
        items: Items,
        quoting: dict[int, Quoting],
        refused: dict[int, tuple[str, str]],
        depth: int = 0,
    ) -> None:
        self.items = items
        self.at = 0
        self.quoting = quoting
        self.refused = refused
        self.depth = depth
        self.refusing: tuple[str, str] | None = None

    # --- the stream -----------------------------------------------------------------------

    def peek(self, ahead: int = 0) -> str | int:
        """The item at the cursor, ``""`` behind the end."""
        place = self.at + ahead
        return self.items[place] if place < len(self.items) else ""

    def take(self) -> str | int:
        """The item at the cursor, which moves on."""
        item = self.peek()
        self.at += item != ""
        return item

    def decide(self, number: int, quoting: Quoting) -> None:
        """Record how an expression is quoted."""
        if self.refusing is not None:
            self.refused[number] = self.refusing
        else:
            self.quoting[number] = quoting

    def refuse(self, number: int, why: str, fix: str) -> None:
        """Record that an expression cannot stand where it does."""
        self.refused[number] = self.refusing or (why, fix)

    def deeper(self) -> None:
        """Count a nesting; raises Unclear when there are too many."""
        self.depth += 1
        if self.depth > MAX_NESTING:
            raise Unclear("it is nested too deeply")

    # --- quoted parts ---------------------------------------------------------------------

    def escape(self) -> None:
        """Behind a backslash: one item that means itself."""
        item = self.take()
        if isinstance(item, int):
            fix = "remove the backslash; the text '${{' itself is written $${{"
            self.refuse(item, "a backslash stands before the expression", fix)

    def single(self) -> None:
        """Behind ``'``, up to and with the next one."""
        while (item := self.take()) not in ("'", ""):
            if isinstance(item, int):
                self.decide(item, "single")

    def dollar_single(self) -> None:
        """Behind ``$'``: some shells know escapes in it, some do not."""
        escapes = False
        while (item := self.take()) not in ("'", ""):
            escapes = escapes or item == "\\"
            if isinstance(item, int):
                self.refuse(item, "shells do not agree on what $'…' means", "write '…' or \"…\"")
        if escapes:
            raise Unclear("it stands behind a $'…' with a backslash, which shells read differently")

    def double(self) -> None:
        """Behind ``"``, up to and with the closing one."""
        while (item := self.take()) not in ('"', ""):
            self.in_double(item)

    def in_double(self, item: str | int, *, document: bool = False) -> None:
        """One item, taken already, of a text in double quotes or of a here-document."""
        if isinstance(item, int):
            self.decide(item, "double")
        elif item == "\\":
            self.escape()
        elif item == "`":
            self.backticks(quoted=not document)
        elif item == "$":
            self.dollar(quoted=True, document=document)

    def backticks(self, *, quoted: bool) -> None:
        """Behind a backtick: the commands in it, read after their own backslashes are taken off."""
        inner: Items = []
        escapable = ("`", "\\", "$", '"') if quoted else ("`", "\\", "$")
        while (item := self.take()) not in ("`", ""):
            if item == "\\" and isinstance(self.peek(), int):
                self.escape()
                continue
            if item == "\\" and self.peek() in escapable:
                item = self.take()
            inner.append(item)
        reader = type(self)(inner, self.quoting, self.refused, self.depth)
        reader.deeper()
        reader.refusing = self.refusing
        reader.commands("")

    def dollar(self, *, quoted: bool, document: bool = False) -> None:
        """Behind ``$``: what it introduces, if anything."""
        item = self.peek()
        if item == "(" and self.peek(1) == "(":
            self.at += 2
            self.arithmetic()
        elif item == "(":
            self.at += 1
            self.substitution()
        elif item == "{":
            self.at += 1
            self.parameter(quoted=quoted, document=document)
        elif item == "'" and not quoted:
            self.at += 1
            self.dollar_single()

    def substitution(self) -> None:
        """Behind ``$(``, up to and with its ``)``."""
        self.deeper()
        self.commands(")")
        self.depth -= 1

    def arithmetic(self) -> None:
        """Behind ``((``: no expression may stand here, a value would be calculated with, not kept."""
        why = "in arithmetic a value would be calculated, not taken as it is"
        before, self.refusing = self.refusing, self.refusing or (why, ASSIGN)
        self.deeper()
        open_parentheses = 2
        while open_parentheses and (item := self.take()) != "":
            if item in ("'", '"', "\\", "#") and item != "#":
                raise Unclear("it stands behind quotes in arithmetic, which shells read differently")
            open_parentheses += (item == "(") - (item == ")")
            if item in {"`", "$"} or isinstance(item, int):
                self.in_double(item)
        self.depth -= 1
        self.refusing = before

    def parameter(self, *, quoted: bool, document: bool) -> None:
        """Behind ``${``, up to and with its ``}``."""
        self.deeper()
        kind = self.parameter_kind()
        before = self.refusing
        if kind == "other" or (quoted and kind == "pattern"):
            self.refusing = before or ("shells do not agree on an expression in this ${…}", ASSIGN)
        while (item := self.take()) not in ("}", ""):
            if not quoted:
                self.in_word(item)
            elif item == '"' or (item == "'" and kind == "pattern"):
                self.quotes_in_parameter(item, document=document)
            else:
                self.in_double(item, document=document)
        self.refusing = before
        self.depth -= 1

    def parameter_kind(self) -> Literal["default", "pattern", "other"]:
        """Read the name and operator of a ``${…}``; what kind of word follows."""
        if self.peek() in _SPECIAL and self.peek(1) not in _NAME:
            self.at += 1
        else:
            self.at += self.peek() == "#"
            while self.peek() in _NAME:
                self.at += 1
        self.at += self.peek() == ":"
        item = self.peek()
        if item in ("-", "=", "+", "?"):
            self.at += 1
            return "default"
        return "pattern" if item in ("#", "%") else "other"

    def quotes_in_parameter(self, opening: str | int, *, document: bool) -> None:
        """Quotes inside a ``${…}`` that stands in double quotes itself: balanced, but no place for values."""
        if document:
            raise Unclear("it stands behind quotes in the ${…} of a here-document")
        why = 'shells do not agree on quotes inside "${…}"'
        before, self.refusing = self.refusing, self.refusing or (why, ASSIGN)
        self.single() if opening == "'" else self.double()
        self.refusing = before

    def in_word(self, item: str | int) -> None:
        """One item, taken already, of an unquoted word."""
        if isinstance(item, int):
            self.decide(item, "unquoted")
        elif item == "\\":
            self.escape()
        elif item == "'":
            self.single()
        elif item == '"':
            self.double()
        elif item == "`":
            self.backticks(quoted=False)
        elif item == "$":
            self.dollar(quoted=False)

    # --- commands -------------------------------------------------------------------------

    def commands(self, end: str) -> None:
        """Commands up to and with the unbalanced ``end`` (``)``, or the end of the text)."""
        line = Line()
        while (item := self.take()) != "":
            if item == "\\" and self.peek() == "\n":
                self.at += 1
            elif item == "#" and not line.word:
                self.comment()
            elif isinstance(item, str) and item in " \t\n;&|()<>":
                line.end_word()
                if item == ")" and end == ")" and not line.open:
                    break
                self.operator(item, line)
            else:
                line.word.append(item if self.plain(item) else "")
                self.in_word(item)
        if line.documents:
            raise Unclear("it stands behind a here-document without a body")

    @staticmethod
    def plain(item: str | int) -> bool:
        """Whether an item of a word is a character that means itself."""
        return isinstance(item, str) and item not in "\\'\"`$"

    def comment(self) -> None:
        """Behind ``#``, up to the end of the line."""
        while (item := self.peek()) not in ("\n", ""):
            self.at += 1
            if isinstance(item, int):
                self.quoting[item] = "comment"

    def operator(self, item: str, line: Line) -> None:
        """A blank or an operator, taken already."""
        if item == "\n":
            line.separator()
            for document in line.documents:
                self.body(document)
            line.documents.clear()
        elif item == "<" and self.peek() == "<":
            self.at += 1
            if self.peek() == "<":  # a here-string: an ordinary word follows
                self.at += 1
            else:
                line.documents.append(self.delimiter())
            line.redirected()
        elif item in "<>":
            line.redirected()
        elif item == "(" and self.peek() == "(" and line.at_command:
            self.at += 1
            self.arithmetic()
        elif item not in _BLANKS:
            double = item == ";" and self.peek() in (";", "&")
            self.at += double
            line.operator(";;" if double else item)

    def delimiter(self) -> HereDocument:
        """Behind ``<<``: the word that ends the body."""
        strip_tabs = self.peek() == "-"
        self.at += strip_tabs
        while self.peek() in (" ", "\t"):
            self.at += 1
        word, literal = "", False
        while (item := self.peek()) not in ("", *" \t\n;&|()<>"):
            self.at += 1
            if isinstance(item, int) or item in "$`":
                raise Unclear("the delimiter of a here-document must be a plain word")
            if item in "'\"":
                literal = True
                while (inner := self.take()) not in (item, ""):
                    if isinstance(inner, int) or inner == "\\":
                        raise Unclear("the delimiter of a here-document must be a plain word")
                    word += inner
            elif item == "\\":
                literal = True
                word += str(self.take())
            else:
                word += item
        return HereDocument(word, literal, strip_tabs)

    def body(self, document: HereDocument) -> None:
        """The lines of a here-document and the delimiter's own."""
        while self.peek() != "" and not self.ends(document):
            line = self.at
            while (item := self.take()) not in ("\n", ""):
                before = self.at
                if not document.literal:
                    self.in_double(item, document=True)
                    self.crossed(line, before, document)
                elif isinstance(item, int):
                    why = "an expression in a quoted here-document would stay as it is written"
                    fix = f"write <<{document.delimiter} without quotes"
                    self.refuse(item, why, fix)

    def crossed(self, line: int, start: int, document: HereDocument) -> None:
        """Raise Unclear when what was read since ``start`` went over a line that may be the delimiter's.

        Inside a ``$(…)`` some shells end the here-document at such a line and some do not; behind a
        backslash at the end of a line some compare the joined line and some the second half.
        """
        here = self.at
        continued = here == start + 1 and start - 1 - line <= len(document.delimiter)
        for place in range(start, here):
            if self.items[place] == "\n":
                self.at = place + 1
                if continued or self.ends(document):
                    raise Unclear("it stands behind a here-document that shells read differently")
        self.at = here

    def ends(self, document: HereDocument) -> bool:
        """Whether the line at the cursor is the delimiter; then the cursor moves behind it.

        Else it moves behind the tabs that are stripped anyway.
        """
        while document.strip_tabs and self.peek() == "\t":
            self.at += 1
        end = self.at + len(document.delimiter)
        found = (end >= len(self.items) or self.items[end] == "\n") and all(
            self.peek(place) == char for place, char in enumerate(document.delimiter)
        )
        if found:
            self.at = end + 1
        return found
