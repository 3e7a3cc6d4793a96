"""One list of what can be said of a run that is opened: commands, `ftkit.load` and `OpeningOptions` have the same."""

from __future__ import annotations

import dataclasses
import inspect

import pytest
import typer
from typer.testing import CliRunner

import ftkit
from ftkit.cli.opening import OPENING_OPTIONS, opens_a_run
from ftkit.inference.opening_options import OpeningOptions

SEARCH = {"num_beams", "max_new_tokens"}


def test_commands_and_python_take_the_same() -> None:
    fields = {field.name for field in dataclasses.fields(OpeningOptions)}
    assert OPENING_OPTIONS.keys() == fields | SEARCH
    assert set(inspect.signature(ftkit.load).parameters) == {"run", "device", "precision", *SEARCH, *fields}


def test_a_command_gets_parsed_values() -> None:
    found = {}

    @opens_a_run("base", "header", "columns", "no_answer")
    def command(run: str, *, opening: dict) -> None:  # type: ignore[type-arg]
        found.update(opening, run=run)

    app = typer.Typer()
    app.command()(command)
    done = CliRunner().invoke(app, ["x", "--header", "true", "--columns", "text=a,label=[b,c]"])
    assert done.exit_code == 0, done.output
    columns = {"text": "a", "label": ("b", "c")}
    assert found == {"run": "x", "base": None, "header": True, "columns": columns, "no_answer": None}


def test_an_option_that_does_not_exist_is_refused() -> None:
    with pytest.raises(TypeError, match="colums"):
        ftkit.load("runs/x", colums={"text": "body"})
