"""What a report holds by name: a field of plain values names the part of ftkit that checks and shows them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel, BeforeValidator, ValidationError
from pydantic_core import PydanticCustomError

from ftkit.errors import FtkitError, did_you_mean, name_list
from ftkit.own_code import find_own

UNKNOWN_NAME = "unknown_name"
"""The type of the validation error of a name that no table has."""


def load(table: Mapping[str, str], name: str, *, noun: str) -> Any:
    """Returns what a literal table names.

    Example: `{"confusion": "ftkit.report.blocks.confusion:BLOCK"}` and `confusion` give the object `BLOCK`.

    Args:
        table: name -> `module:ATTRIBUTE`.
        noun: what the table holds, for the message.

    Raises:
        FtkitError: the table has no such name.
    """
    if name not in table:
        raise FtkitError(f"the report has no {noun} {name!r}.{did_you_mean(name, table)} There is {name_list(table)}.")
    return find_own(table[name])


def named_by(field: str, table: Mapping[str, str], model_of: Callable[[Any], type[BaseModel]]) -> BeforeValidator:
    """Returns the check of plain values by the model that one of their own fields names.

    Example: `{"block": "scatter", "svg": "<svg ..."}` with the field `block` is checked by the model of `scatter`.

    Args:
        field: the field that holds the name.
        table: name -> `module:ATTRIBUTE`.
        model_of: returns the model of what the table names.
    """

    def check(values: Any) -> Any:
        if not isinstance(values, Mapping) or not isinstance(values.get(field), str):
            return values  # the base's own check says what is expected
        if values[field] not in table:
            raise PydanticCustomError(
                UNKNOWN_NAME, "the {field} {name}", {"field": field, "name": repr(values[field][:80])}
            )
        model = model_of(load(table, values[field], noun=field))
        try:
            return model.model_validate(dict(values))
        except ValidationError as error:
            raise PydanticCustomError("named_values", "{message}", {"message": first_message(error)}) from None

    return BeforeValidator(check)


def first_message(error: ValidationError) -> str:
    """Returns where and what the first problem is: `rows.0.line: Input should be a valid integer`."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}" if where else first["msg"]
