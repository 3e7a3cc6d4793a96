"""A prediction that was interrupted goes on behind its last whole row, and ends as one that was not."""

import contextvars
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import ftkit
from ftkit.cli import app
from ftkit.errors import UserError
from ftkit.inference.predictor import Predictor
from runs import run_config


@pytest.fixture(scope="module")
def run(checkpoint: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("resumed")
    return ftkit.train(run_config(folder, checkpoint("bert"), **{"train.num_train_epochs": 1})).output_dir


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    path = tmp_path / "texts.jsonl"
    path.write_text("".join(json.dumps({"text": f"rain {number}"}) + "\n" for number in range(12)))
    return path


def call(*arguments: object) -> Any:
    return contextvars.copy_context().run(CliRunner().invoke, app, ["predict", *map(str, arguments)])


def interrupt(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """Lets a prediction end after some rows, as a signal would."""
    whole = Predictor.predict_source

    def broken(self: Predictor, *arguments: Any, **options: Any) -> Any:
        for number, row in enumerate(whole(self, *arguments, **options)):
            if number == after:
                raise KeyboardInterrupt
            yield row

    monkeypatch.setattr(Predictor, "predict_source", broken)


def test_it_goes_on_behind_the_last_whole_row(
    run: Path, texts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, output = tmp_path / "whole.jsonl", tmp_path / "out.jsonl"
    assert call(run, "--input", texts, "--output", whole).exit_code == 0
    with monkeypatch.context() as patch:
        interrupt(patch, after=5)
        call(run, "--input", texts, "--output", output, "--resume")
    part = tmp_path / "out.jsonl.part"
    assert not output.exists()
    lines = part.read_text().splitlines(keepends=True)
    assert len(lines) == 5
    part.write_text("".join(lines)[:-9])  # the last row was half written
    assert call(run, "--input", texts, "--output", output, "--resume").exit_code == 0
    found, expected = ([json.loads(line) for line in path.read_text().splitlines()] for path in (output, whole))
    assert [row["id"] for row in found] == list(range(12))
    assert [row["label"] for row in found] == [row["label"] for row in expected]
    assert [row["score"] for row in found] == pytest.approx([row["score"] for row in expected], abs=1e-6)
    assert not [path for path in tmp_path.iterdir() if "part" in path.name]


def test_other_input_and_other_options_are_refused(
    run: Path, texts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "out.jsonl"
    with monkeypatch.context() as patch:
        interrupt(patch, after=5)
        call(run, "--input", texts, "--output", output, "--resume")
    rows = (tmp_path / "out.jsonl.part").read_text()
    other = tmp_path / "other.jsonl"
    other.write_text(texts.read_text() + '{"text": "one more"}\n')
    for options, name in ((["--input", other], "input"), (["--input", texts, "--precision", "bf16"], "options")):
        refused = call(run, *options, "--output", output, "--resume")
        assert isinstance(refused.exception, UserError)
        assert f"from something else: '{name}'" in str(refused.exception)
    assert (tmp_path / "out.jsonl.part").read_text() == rows


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--output", "out.csv"], "JSON lines only"),
        ([], "--output"),
        (["--output", "out.jsonl", "--on-bad-row", "skip"], "skip"),
        (["--output", "there.jsonl"], "is whole"),
    ],
)
def test_what_cannot_be_gone_on_with_is_refused_at_once(
    arguments: list[str], message: str, run: Path, texts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("there.jsonl").write_text("{}\n")
    refused = call(run, "--input", texts, *arguments, "--resume")
    assert isinstance(refused.exception, UserError)
    assert message in str(refused.exception)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["texts.jsonl", "there.jsonl"]
