"""What reaches a terminal: nothing that it obeys, and settings by the names that the command has for them."""

from __future__ import annotations

import contextvars
import io
import json
import os
import sys
from pathlib import Path

import pytest

from ftkit import console
from ftkit.errors import ConfigError, RunError


@pytest.mark.parametrize(
    ("rank", "marks", "is_told"),
    [
        ("1", {}, False),
        ("1", {"tells_for_all": True}, True),
        ("0", {}, True),
        ("0", {"is_told_elsewhere": True}, False),
    ],
)
def test_of_several_ranks_one_tells(
    rank: str,
    marks: dict[str, bool],
    is_told: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("RANK", rank)
    error = RunError("the disk is full")
    vars(error).update(marks)
    monkeypatch.setenv("LOCAL_RANK", rank)
    monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", str(tmp_path / "error.json"))
    console.show_error(error)
    assert ("the disk is full" in capsys.readouterr().err) == is_told
    left = json.loads((tmp_path / "error.json").read_text()) if (tmp_path / "error.json").exists() else {}
    assert ("the disk is full" in str(left)) == is_told


def test_a_launcher_ends_its_report_with_the_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes the first one for the cause, by whole seconds: the rank that ended first may follow another."""
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure

    failures = {}
    for rank, is_told_elsewhere in ((1, True), (0, False)):
        monkeypatch.setenv("LOCAL_RANK", str(rank))
        monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", str(tmp_path / f"{rank}.json"))
        error = ConfigError("there is no file train.csv")
        error.is_told_elsewhere, error.tells_for_all = is_told_elsewhere, not is_told_elsewhere
        console.show_error(error)
        failures[rank] = ProcessFailure(rank, pid=7, exitcode=2, error_file=str(tmp_path / f"{rank}.json"))
    report = str(ChildFailedError("ftkit", failures))
    assert report.splitlines()[-2].strip() == "traceback : there is no file train.csv"
    assert report.count("train.csv") == 1


def test_ranks_say_nothing_that_c_plus_plus_would(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TORCH_CPP_LOG_LEVEL", raising=False)
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    console.quiet_ranks()
    assert "TORCH_CPP_LOG_LEVEL" not in os.environ
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setenv("TORCH_CPP_LOG_LEVEL", "INFO")
    console.quiet_ranks()
    assert os.environ["TORCH_CPP_LOG_LEVEL"] == "INFO", "what a user says counts"
    monkeypatch.delenv("TORCH_CPP_LOG_LEVEL")
    console.quiet_ranks()
    assert os.environ["TORCH_CPP_LOG_LEVEL"] == "ERROR"


OPTIONS = {
    "data.columns": "--columns",
    "data.delimiter": "--delimiter",
    "data.encoding": "--encoding",
    "data.source_lang": "--source-lang",
    "data.train": "--input",
}


def test_what_a_terminal_obeys_is_written_out() -> None:
    text = "red \x1b[31m, C1 \x9b2J, bell \x07, back \x08\r, del \x7f, turned \u202egpj.exe\u2066, half \ud83d"
    shown = console.printable(text)
    assert shown == (
        r"red \x1b[31m, C1 \x9b2J, bell \x07, back \x08\r, del \x7f, turned \u202egpj.exe\u2066, half \ud83d"
    )
    assert console.printable("plain: é, 日本, 👍\n\tnext\u200d") == "plain: é, 日本, 👍\n\tnext\u200d"


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_json_is_the_same_in_every_encoding(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    value = {"text": "é “x” 👍 \x1b[0m \x9b \u202e", "half": "\ud83d"}
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    console.say_json(value, indent=None)
    stream.flush()
    written = stream.buffer.getvalue()  # type: ignore[attr-defined]
    assert json.loads(written.decode(encoding)) == json.loads(written.decode("utf-8")) == value
    assert not set(written) & {0x1B, 0x9B}
    assert ("é".encode() in written) == (encoding == "utf-8")


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_printing_never_fails(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    console.never_fail_to_print()
    console.say("Größe 日")
    stream.flush()
    written = stream.buffer.getvalue().decode(encoding)  # type: ignore[attr-defined]
    assert written == {"ascii": "Gr\\xf6\\xdfe \\u65e5\n", "cp1252": "Größe \\u65e5\n"}[encoding]


def test_data_is_kept_in_a_pipe_and_printable_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for is_terminal, expected in ((False, "é \x1b[0m\r\n".encode()), (True, b"\\xe9 \\x1b[0m\\r\n")):
        stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="backslashreplace")
        monkeypatch.setattr(stream, "isatty", lambda is_terminal=is_terminal: is_terminal)
        monkeypatch.setattr(sys, "stdout", stream)
        with console.data_on_stdout() as file:
            file.write("é \x1b[0m\r\n")
        stream.flush()
        assert stream.buffer.getvalue() == expected  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ('rows.csv: one cell. Fix: data.delimiter: ";"', 'rows.csv: one cell. Fix: --delimiter ";"'),
        ("no column 'x' (data.columns.label); there is", "no column 'x' (--columns label=COLUMN); there is"),
        ("Fix: data.columns.label: topic", "Fix: --columns label=topic"),
        ('say data.columns: {tags: "1", tokens: "0"}', "say --columns tags=1,tokens=0"),
        ("such as data.train: {hub: a/b, split: train}.", "such as --input '{hub: a/b, split: train}'."),
        ("data.encoding: Python knows no 'x'.", "--encoding: Python knows no 'x'."),
        ("Two problems:\n  1. data.columns: no role\n     fix: data.encoding: cp1252", None),
        ("Fix: such as data.train: a/b. See mydata.encoding", "Fix: such as --input a/b. See mydata.encoding"),
    ],
)
def test_a_message_names_the_options_of_the_command(message: str, told: str | None) -> None:
    told = told or "Two problems:\n  1. --columns: no role\n     fix: --encoding cp1252"

    def in_a_command() -> str:
        console.name_by_options(OPTIONS)
        return console.as_options(message)

    assert console.as_options(message) == message
    assert contextvars.copy_context().run(in_a_command) == told


def test_keys_without_an_option_are_said_to_stand_in_the_run() -> None:
    def in_a_command() -> str:
        console.name_by_options(OPTIONS)
        return console.as_options("say data.repair_tags: begin, or data.encoding: x")

    told = contextvars.copy_context().run(in_a_command)
    assert told == "say data.repair_tags: begin, or --encoding x\n(data.repair_tags: a key of the run's ftkit.yaml)"


def test_a_file_that_is_called_like_a_key_is_none() -> None:
    from ftkit.data.readers import READERS
    from ftkit.data.readers.conversions import CONVERSIONS

    def in_a_command(message: str) -> str:
        console.name_by_options(OPTIONS)
        return console.as_options(message)

    for extension in (*READERS, *CONVERSIONS, ".csv.gz"):
        for message in (f"data{extension}: no column", f"x/my-data{extension}, line 3", f"no 'data{extension}'."):
            assert contextvars.copy_context().run(in_a_command, message) == message
