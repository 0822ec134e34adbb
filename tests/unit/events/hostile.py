"""Texts that want to be ids and are none."""

HOSTILE_IDS = (
    "",
    " ",
    "x" * 65,
    "x" * 300,
    "a.b",
    "*",
    ">",
    "a*",
    "../x",
    "/etc",
    "a\0",
    "\0",
    "a\r\nb",
    "a\n",
    "\na",
    "a b",
    "\ufb01",  # the ligature fi
    "\u0430",  # Cyrillic a
    "e\u0301",  # e and a combining accent
    "\u202ea",  # right to left
    "\uff21",  # full-width A
    "\u0660",  # Arabic digit
    "$JS",
    "a:b",
    "a%2eb",
    "é",
    "\ud800",
)
