"""What makes two submissions the same run: one hash over the document and its arguments."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

_canonical = msgspec.json.Encoder(order="sorted")


def canonical(value: Any) -> bytes:
    """JSON with sorted keys and no spaces, UTF-8. Raises what msgspec raises for what is not JSON."""
    return _canonical.encode(value)


def spec_hash(document: Mapping[str, Any], args: Mapping[str, Any]) -> str:
    """Lower-case hex SHA-256 of the canonical JSON of ``{"pipeline": document, "args": args}``."""
    return hashlib.sha256(canonical({"pipeline": document, "args": args})).hexdigest()
