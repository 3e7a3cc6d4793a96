"""What `predict` and `evaluate` advise can be typed: their options, not the keys of a config that they do not read."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plain import NAMES, saved

Command = Callable[..., tuple[int, str, str]]
ROWS = "text;label\nmy card;card\nrain today;weather\n"


@pytest.fixture(scope="module")
def classifier(checkpoint: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved("SequenceClassification", checkpoint("bert"), tmp_path_factory.mktemp("options") / "model", NAMES)


@pytest.mark.parametrize(("verb", "option"), [("predict", "--input"), ("evaluate", "--data")])
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("semicolons.csv", ROWS.encode()),
        ("tabs.csv", ROWS.replace(";", "\t").encode()),
        (
            "latin.csv",
            ROWS.replace(";", ",").replace("card;", "caf\u00e9;").replace("rain", "\u00e9t\u00e9").encode("latin-1"),
        ),
        ("utf16.csv", ROWS.replace(";", ",").encode("utf-16")),
    ],
)
def test_the_option_that_is_advised_works(
    verb: str, option: str, name: str, content: bytes, classifier: Path, tmp_path: Path, command: Command
) -> None:
    (tmp_path / name).write_bytes(content)
    code, _, told = command(verb, classifier, option, tmp_path / name)
    assert code == 2
    assert "data." not in told
    advised = re.search(r"(--(?:delimiter|encoding)) (\"[^\"]+\"|[\w-]+)", told)
    assert advised is not None, told
    code, _, told = command(verb, classifier, option, tmp_path / name, advised[1], shlex.split(advised[2])[0])
    assert code == 0, told


@pytest.mark.parametrize(("verb", "option"), [("predict", "--input"), ("evaluate", "--data")])
def test_a_file_without_a_header(verb: str, option: str, classifier: Path, tmp_path: Path, command: Command) -> None:
    (tmp_path / "rows.csv").write_text("I lost my card today,card\nrain again,weather\n")
    code, _, told = command(verb, classifier, option, tmp_path / "rows.csv")
    assert (code, "data." in told) == (2, False)
    advised = "--header false, and name columns by position, from 0: --columns text=0,label=1"
    assert advised in told
    arguments = ["--header", "false", "--columns", "text=0,label=1"]
    code, out, told = command(verb, classifier, option, tmp_path / "rows.csv", *arguments)
    assert code == 0, told
    assert len(out.splitlines()) == 2 or '"samples": 2' in out


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--header", "no"], "--header: expected true or false, got 'no'"),
        (["--columns", "text=body"], "there is no column 'body' (--columns text=COLUMN)"),
        (["--columns", "txt=text"], "--columns: no role 'txt'"),
        (["--encoding", "utf-7x"], "--encoding: Python knows no text encoding 'utf-7x'"),
        (["--delimiter", ";;"], "--delimiter: expected one character, such as ';', got ';;'"),
        (["--delimiter", '"'], "--delimiter: '\"' cannot separate cells"),
    ],
)
@pytest.mark.parametrize(("verb", "option"), [("predict", "--input"), ("evaluate", "--data")])
def test_what_is_wrong_is_named_by_its_option(
    verb: str, option: str, arguments: list[str], part: str, classifier: Path, tmp_path: Path, command: Command
) -> None:
    (tmp_path / "rows.csv").write_text(ROWS.replace(";", ","))
    code, _, told = command(verb, classifier, option, tmp_path / "rows.csv", *arguments)
    assert (code, "data." in told) == (2, False)
    assert part in told


def test_rows_are_named_as_in_a_config(classifier: Path, tmp_path: Path, command: Command) -> None:
    (tmp_path / "test.csv").write_text(ROWS.replace(";", ","))
    code, _, told = command("evaluate", classifier, "--data", tmp_path)
    assert code == 2
    hub = f"{{hub: {tmp_path}, split: test}}"
    assert "write {hub: FOLDER, split: train}" in told
    code, out, told = command("evaluate", classifier, "--data", hub)
    assert code == 0, told
    assert '"samples": 2' in out
    code, _, told = command("evaluate", classifier, "--data", "{hubb: x}")
    assert code == 2
    assert "{hub: OWNER/NAME, split: test}" in told


def test_commands_that_read_a_config_name_its_keys(command: Command, tmp_path: Path, checkpoint: Any) -> None:
    (tmp_path / "rows.csv").write_text(ROWS)
    (tmp_path / "run.yaml").write_text(
        f"task: text-classification\nmodel: {{checkpoint: {checkpoint('bert')}}}\n"
        f"data: {{train: {tmp_path / 'rows.csv'}}}\noutput_dir: {tmp_path / 'run'}\n"
    )
    code, _, told = command("check", tmp_path / "run.yaml")
    assert code == 2
    assert 'data.delimiter: ";"' in told
