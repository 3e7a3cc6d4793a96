"""Parses JSON strictly: what the json module would change or let pass is refused."""

from __future__ import annotations

import json
import math
from typing import Any


class RefusedJson(ValueError):
    """JSON that Python's parser accepts, but that would damage data."""


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        keys = [key for key, _ in pairs]
        repeated = next(key for key in keys if keys.count(key) > 1)
        raise RefusedJson(f"the key {repeated!r} appears twice in one object; only one value could be kept")
    return values


def _refuse_constant(name: str) -> float:
    raise RefusedJson(f"{name} is not JSON; write null for a missing number")


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise RefusedJson(f"the number {digits} is too large")
    return number


_TOO_LONG = "a number of more than 4,300 digits; if it is text, put it in quotes"
_DECODER = json.JSONDecoder(object_pairs_hook=_unique_keys, parse_constant=_refuse_constant, parse_float=_finite)


def decode_value(document: str, start: int) -> tuple[Any, int]:
    """Parses the JSON value that begins at `document[start]`.

    Returns:
        The value and the position after it.

    Raises:
        json.JSONDecodeError: not JSON.
        RefusedJson: NaN or an infinity, a repeated key, half of a surrogate pair, or too deep to parse.
    """
    try:
        value, end = _DECODER.raw_decode(document, start)
    except json.JSONDecodeError:
        raise
    except RecursionError:
        raise RefusedJson("the value is nested too deeply") from None
    except ValueError as error:  # such as a whole number of more than 4300 digits
        raise error if isinstance(error, RefusedJson) else RefusedJson(_TOO_LONG) from None
    if "\\u" in document[start:end]:
        _refuse_half_characters(value)
    return value, end


def _refuse_half_characters(value: Any) -> None:
    r"""Refuses `\ud83d` without its other half: no tokenizer and no UTF-8 file can take it."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        half = error.object[error.start]
        raise RefusedJson(f"\\u{ord(half):04x} is half of a character (a lone surrogate)") from None
