"""From a TOML document to structs, with errors a person can act on: the key, what is wrong, the likely fix."""

from __future__ import annotations

import difflib
import re
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

from gamepipeline_engine.config_values import Bytes, Seconds
from gamepipeline_engine.policy.model import PortRanges

T = TypeVar("T")


def decode_config(document: dict[str, Any], kind: type[T]) -> T:
    """``document`` as a ``kind``. Raises ValueError naming all unknown keys at once, else the first wrong value."""
    unknown = list(_unknown_keys(document, inspect.type_info(kind), ""))
    if unknown:
        raise ValueError("; ".join(unknown))
    try:
        return msgspec.convert(document, kind, dec_hook=_hook)
    except msgspec.ValidationError as exc:
        raise ValueError(_plain(str(exc))) from exc


_PARSERS = {Seconds: Seconds.parse, Bytes: Bytes.parse}


def _hook(kind: type, value: Any) -> Any:
    if kind in _PARSERS:
        return _PARSERS[kind](value)
    if kind is PortRanges:
        if not isinstance(value, str):
            raise ValueError('is no range of ports: write "1024-65535"')
        return PortRanges.parse(value)
    raise NotImplementedError(kind)


def _plain(message: str) -> str:
    """Turn msgspec's ``text - at `$.node.capacity``` around: the key comes first."""
    matched = re.fullmatch(r"(.*) - at `\$\.?(.*)`", message, re.DOTALL)
    return f"{matched[2]}: {matched[1]}" if matched and matched[2] else message


def _unknown_keys(value: Any, kind: inspect.Type, path: str) -> list[str]:
    found: list[str] = []
    if isinstance(kind, inspect.StructType) and isinstance(value, dict):
        fields = {field.encode_name: field.type for field in kind.fields}
        for key, inner in value.items():
            place = f"{path}.{key}" if path else key
            if key in fields:
                found += _unknown_keys(inner, fields[key], place)
            else:
                found.append(_complaint(key, place, list(fields)))
    elif isinstance(kind, inspect.VarTupleType) and isinstance(value, list):
        for index, inner in enumerate(value):
            found += _unknown_keys(inner, kind.item_type, f"{path}[{index}]")
    return found


def _complaint(key: str, place: str, known: list[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    hint = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(known)}"
    return f"unknown key '{place}': {hint}"
