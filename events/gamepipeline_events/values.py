"""Durations and sizes as people write them in a pipeline file, and what they mean.

Both raise ValueError with a sentence fit for a problem: ``OutOfRange`` when the text is a duration
or a size but no usable one, plain ``ValueError`` when it is none at all.
"""

from __future__ import annotations

import math
import re

MAX_SECONDS = 366 * 86_400.0
"""No timeout or wait is longer than a leap year: what is, is a slip of the pen."""

MAX_BYTES = 2**50

_UNIT_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_NUMBER = r"[0-9]{1,18}(?:\.[0-9]{1,18})?"
_PART = re.compile(rf"({_NUMBER})(us|ms|s|m|h|d)")
_DURATION = re.compile(rf"(?:{_NUMBER}(?:us|ms|s|m|h|d)){{1,12}}")
_PLAIN = re.compile(_NUMBER)
_SIZE = re.compile(rf"({_NUMBER})(?:([kmg]?)b?)", re.IGNORECASE)
_SIZE_FACTOR = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30}
_NEGATIVE = re.compile(rf"-{_NUMBER}[a-z]{{0,2}}", re.IGNORECASE)


class OutOfRange(ValueError):
    """The value is of the right kind but too small, too large or not a number."""


def seconds(value: object) -> float:
    """Seconds of a duration: ``1h30m``, ``250ms``, or a bare number of seconds.

    Raises OutOfRange below zero, above ``MAX_SECONDS`` and for NaN, else ValueError.
    """
    match value:
        case str():
            result = _seconds_of_text(value)
        case int() | float() if not isinstance(value, bool):
            result = _number(value)
        case _:
            raise ValueError("is not a duration: write 90, 90s, 1m30s, 500ms")
    if result > MAX_SECONDS:
        raise OutOfRange("is longer than 366 days")
    return result


def size(value: object) -> int:
    """Bytes of a size: ``512m``, ``1gb``, ``1.5g``, or a bare number of bytes.

    Raises OutOfRange below zero, above ``MAX_BYTES`` and for NaN, else ValueError.
    """
    match value:
        case str():
            result = _bytes_of_text(value)
        case int() | float() if not isinstance(value, bool):
            result = _number(value)
        case _:
            raise ValueError("is not a size: write 512m, 1gb, 1.5g or a number of bytes")
    if result > MAX_BYTES:
        raise OutOfRange("is larger than a pebibyte")
    return int(result)


def _seconds_of_text(text: str) -> float:
    if _PLAIN.fullmatch(text):
        return float(text)
    if not _DURATION.fullmatch(text):
        _refuse_negative(text)
        raise ValueError("is not a duration: write 90s, 1m30s, 500ms; units are us ms s m h d")
    return math.fsum(float(number) * _UNIT_SECONDS[unit] for number, unit in _PART.findall(text))


def _bytes_of_text(text: str) -> float:
    matched = _SIZE.fullmatch(text)
    if matched is None:
        _refuse_negative(text)
        raise ValueError("is not a size: write 512m, 1gb, 1.5g or a number of bytes")
    return float(matched[1]) * _SIZE_FACTOR[matched[2].lower()]


def _number(value: float) -> float:
    """``value`` if it is a number and not negative."""
    try:
        number = float(value)
    except OverflowError:  # an int of more than 300 digits
        number = math.copysign(math.inf, value > 0 or -1)
    if math.isnan(number):
        raise OutOfRange("is not a number")
    if number < 0:
        raise OutOfRange("is negative")
    return number


def _refuse_negative(text: str) -> None:
    if _NEGATIVE.fullmatch(text):
        raise OutOfRange("is negative")
