"""`--columns` names a column for a role, or a list of columns for the labels."""

from __future__ import annotations

import pytest

from ftkit.cli.options import role_columns
from ftkit.errors import UserError


def test_columns_are_named_by_role() -> None:
    assert role_columns(None) == {}
    assert role_columns(["text=body, label=[toxic, rude]", "id=number"]) == {
        "text": "body",
        "label": ("toxic", "rude"),
        "id": "number",
    }


@pytest.mark.parametrize("given", ["text", "text=", "=body", "text=a,text=b"])
def test_columns_that_are_not_said_right(given: str) -> None:
    with pytest.raises(UserError, match="--columns: "):
        role_columns([given])
