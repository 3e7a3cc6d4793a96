"""`--columns` names a column for a role, or a list of columns for the labels."""

from __future__ import annotations

import contextvars
import shlex

import pytest

from ftkit.cli.options import role_columns
from ftkit.console import as_options, name_by_options
from ftkit.data.readers.table import Table
from ftkit.errors import UserError


def test_columns_are_named_by_role() -> None:
    assert role_columns(None) == {}
    assert role_columns(["text=body, label=[toxic, rude]", "id=number"]) == {
        "text": "body",
        "label": ("toxic", "rude"),
        "id": "number",
    }


def test_names_that_commas_and_spaces_belong_to_are_written_as_in_yaml() -> None:
    assert role_columns(['{text: " body, or title", label: [toxic, 0]}', "id=number"]) == {
        "text": " body, or title",
        "label": ("toxic", "0"),
        "id": "number",
    }


@pytest.mark.parametrize("name", ["body", " body", "body, title", "my body", "it's", "$HOME", "0"])
def test_what_names_a_column_is_read_as_it_is_told(name: str) -> None:
    error = Table("rows.csv", (name,), []).missing_column(name[:-1] + "-", role="text")

    def told() -> str:
        name_by_options({"data.columns": "--columns"})
        return as_options(str(error))

    option = shlex.split(contextvars.copy_context().run(told).partition("Fix: name it: ")[2])
    assert option[0] == "--columns"
    assert role_columns(option[1:]) == {"text": name if name != "0" else "COLUMN"}


@pytest.mark.parametrize(
    "given", ["{text: {a: b}}", "{text: }", "{text", "{text: []}", "text", "text=", "=body", "text=a,text=b"]
)
def test_columns_that_are_not_said_right(given: str) -> None:
    with pytest.raises(UserError, match="--columns: "):
        role_columns([given])
