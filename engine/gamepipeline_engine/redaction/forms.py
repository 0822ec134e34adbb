"""The forms in which a secret shows up in output."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

MIN_LENGTH = 4
"""A secret of fewer bytes is not masked: it would take half of every text with it."""

MIN_PART = 8
"""Parts and inner pieces of encodings are masked from this length on, for the same reason."""

BASE64_COLUMNS = (64, 76)
"""Where ``openssl`` and ``base64`` break their lines."""


def forms(secret: str) -> set[bytes]:
    """Every text to look for; empty when the secret is too short."""
    raw = _bytes(secret)
    if len(raw) < MIN_LENGTH:
        return set()
    found = {raw, secret.encode("utf-8", "surrogatepass")} | {
        form for form in _written(secret) if len(form) >= MIN_LENGTH
    }
    found |= {part for part in (*_parts(raw), *_base64(raw)) if len(part) >= MIN_PART}
    return found


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape") if _escaped(text) else text.encode("utf-8", "surrogatepass")


def _escaped(text: str) -> bool:
    """Whether the lone surrogates of ``text`` stand for bytes of an environment that is not UTF-8."""
    return all("\udc80" <= char <= "\udcff" for char in text if "\ud800" <= char <= "\udfff")


def _parts(raw: bytes) -> Iterator[bytes]:
    """Lines, for output that comes line by line or indented, and as a message quotes one."""
    for line in raw.splitlines():
        text = line.decode("utf-8", "surrogateescape")
        yield line.strip()
        yield from _quoted(text.strip(), line.strip())


def _written(secret: str) -> Iterator[bytes]:
    """As programs write a value into other texts. Few are shorter than the secret: those of one line."""
    raw = _bytes(secret)
    yield raw.strip()
    for quotes in (True, False):
        yield _bytes(html.escape(secret, quote=quotes))
    yield b" ".join(raw.split())  # as a message of one line repeats it
    yield raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    yield raw.hex().encode()
    yield raw.hex().upper().encode()
    for safe in ("", "/"):
        quoted = quote(raw, safe=safe)
        yield quoted.encode()
        yield _lower_escapes(quoted).encode()
    yield quote_plus(raw).encode()
    yield from _quoted(secret, raw)
    yield raw.replace(b"'", b"'\\''")
    yield raw.replace(b"'", b"'\"'\"'")


def _quoted(secret: str, raw: bytes) -> Iterator[bytes]:
    """As JSON and Python quote it. Whether Python escapes a quote depends on what is around."""
    for ascii_only in (True, False):
        escaped = json.dumps(secret, ensure_ascii=ascii_only)[1:-1]
        yield _bytes(escaped)
        yield _bytes(escaped.replace("/", "\\/"))
        yield _bytes(_as_go(escaped))
        yield _bytes(json.dumps(escaped, ensure_ascii=ascii_only)[1:-1])
    for shown in (repr, ascii):
        yield _bytes(shown(secret)[1:-1])
        yield _bytes(shown("'\"" + secret)[4:-1])
    yield repr(raw)[2:-1].encode()
    yield repr(b"'\"" + raw)[5:-1].encode()


def _as_go(escaped: str) -> str:
    """JSON that may stand in HTML: what Go writes unless it is told not to, so Docker and most tools around it."""
    return escaped.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _lower_escapes(quoted: str) -> str:
    """``%2F`` → ``%2f``, and nothing else."""
    first, *rest = quoted.split("%")
    return "%".join([first, *(part[:2].lower() + part[2:] for part in rest)])


def _base64(raw: bytes) -> Iterator[bytes]:
    """Whole, and as the inside of something larger: there the secret begins at one of three places."""
    for whole in (raw, raw + b"\n"):
        encoded = base64.b64encode(whole)
        yield from _both_alphabets(encoded)
        yield from _both_alphabets(encoded.rstrip(b"="))
        for columns in BASE64_COLUMNS:
            for at in range(0, len(encoded), columns):
                yield from _both_alphabets(encoded[at : at + columns].rstrip(b"="))
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + raw)
        first = -(-before * 8 // 6)  # the first character that the secret alone decides
        last = (before + len(raw)) * 8 // 6
        yield from _both_alphabets(encoded[first:last])


def _both_alphabets(encoded: bytes) -> tuple[bytes, bytes]:
    return encoded, encoded.translate(bytes.maketrans(b"+/", b"-_"))
