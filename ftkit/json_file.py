"""Reads JSON files that may come from anybody."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def read_json(path: str | Path) -> Any:
    """Returns the value of a JSON file.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no JSON in UTF-8, lies too deep in itself, or has a number of thousands of digits.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except RecursionError:
        raise ValueError("values lie too deep in one another") from None


def read_json_object(path: str | Path) -> dict[str, Any]:
    """Returns the keys and values of a JSON file.

    Raises:
        OSError, ValueError: as `read_json`; or it holds something else.
    """
    value = read_json(path)
    if not isinstance(value, dict):
        raise ValueError("it holds no keys and values")
    return value
