"""What is read onto disk is what is read into a list: examples, splits, findings and messages."""

import json
from pathlib import Path
from typing import Any

import pytest

from ftkit.config.run_config import load_config
from ftkit.data.large.table import ExampleTable
from ftkit.errors import DataError, MachineError
from ftkit.kinds import large
from ftkit.kinds.splits import read_splits
from ftkit.kinds.table import find_task, kind_of
from ftkit.runs.checked_run import CheckedRun, check_run
from runs import run_config

LABELS = ("a", "b", "c")


@pytest.fixture
def on_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(large, "LARGE_BYTES", 0)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "ftkit"


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def rows(number: int = 60) -> list[dict[str, Any]]:
    return [{"text": f"text {place % 50}", "label": LABELS[place % 3 or place % 2]} for place in range(number)]


def checked(folder: Path, checkpoint: Path, train: list[dict[str, Any]], **data: Any) -> CheckedRun:
    config = run_config(folder, checkpoint)
    config["data"] = {"train": str(write(folder / "train.jsonl", train)), **data}
    return check_run(load_config(config))


def test_splits_labels_and_warnings_are_the_same(
    checkpoint: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for limit in (1 << 40, 0):
        with monkeypatch.context() as patch:
            patch.setattr(large, "LARGE_BYTES", limit)
            patch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "cache"))
            found.append(checked(tmp_path / "run", checkpoint("bert"), rows(), validation=0.2, test=0.1))
    held, kept = found
    assert isinstance(kept.splits["train"].examples, ExampleTable)
    assert not isinstance(held.splits["train"].examples, ExampleTable)
    for name, split in held.splits.items():
        assert list(kept.splits[name].examples) == list(split.examples)
    assert kept.labels == held.labels
    assert kept.warnings == held.warnings
    assert any("different labels" in warning for warning in held.warnings)
    assert any("leak" in warning for warning in held.warnings)
    assert kept.fingerprints == held.fingerprints


@pytest.mark.parametrize(
    "bad",
    [{"text": "", "label": "a"}, {"text": ["a", "b"], "label": "a"}, {"text": "x", "label": None}, {"text": "x"}],
    ids=["empty", "list", "no label", "no key"],
)
def test_messages_name_the_row(bad: dict[str, Any], checkpoint: Any, tmp_path: Path, on_disk: Path) -> None:
    with pytest.raises(DataError) as raised:
        checked(tmp_path / "run", checkpoint("bert"), [*rows(), bad, *rows(20)])
    assert "train.jsonl, line 61" in str(raised.value)


def test_a_file_that_cannot_be_read_leaves_nothing_in_the_cache(
    checkpoint: Any, tmp_path: Path, on_disk: Path
) -> None:
    train = write(tmp_path / "run" / "bad.jsonl", rows())
    train.write_text(train.read_text() + "{\n")
    config = run_config(tmp_path / "run", checkpoint("bert"))
    config["data"] = {"train": str(train)}
    with pytest.raises(DataError, match="line 61"):
        check_run(load_config(config))
    assert not [path for path in on_disk.iterdir() if path.is_dir()]


def test_a_file_is_read_once_and_anew_where_it_changed(
    checkpoint: Any, tmp_path: Path, on_disk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = checked(tmp_path / "run", checkpoint("bert"), rows())
    assert "used again" not in capsys.readouterr().err
    two = checked(tmp_path / "run", checkpoint("bert"), rows())
    assert "used again" in capsys.readouterr().err
    changed = checked(tmp_path / "run", checkpoint("bert"), rows(70))
    folders = [run.splits["train"].examples.folder for run in (one, two, changed)]  # type: ignore[attr-defined]
    assert folders[0] == folders[1] != folders[2]
    assert len(changed.splits["train"]) == 70


def test_a_cache_that_cannot_be_written_is_one_message(
    checkpoint: Any, tmp_path: Path, on_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "file"))
    with pytest.raises(MachineError, match=r"file/ftkit(.|\n)*HF_DATASETS_CACHE says in which folder"):
        checked(tmp_path / "run", checkpoint("bert"), rows())


def test_what_a_killed_process_left_is_removed(checkpoint: Any, tmp_path: Path, on_disk: Path) -> None:
    first = checked(tmp_path / "run", checkpoint("bert"), rows()).splits["train"].examples.folder  # type: ignore[attr-defined]
    left = first.with_name(f"{first.name}-part-x")
    first.rename(left)
    again = checked(tmp_path / "run", checkpoint("bert"), rows()).splits["train"].examples.folder  # type: ignore[attr-defined]
    assert again == first
    assert again.is_dir()
    assert not left.exists()


def test_what_a_users_code_prepares_is_read_anew_and_removed(tmp_path: Path, on_disk: Path) -> None:
    module = tmp_path / "mine.py"
    module.write_text(
        "from ftkit import Task\n"
        "TASK = Task(name='mine', kind='text-classification', prepare=lambda row: {**row, 'text': row['text'] * 2})\n"
    )
    task = find_task(f"{module}:TASK")
    kind = kind_of(task)
    data = kind.data(train=str(write(tmp_path / "train.jsonl", rows())))
    splits = read_splits(kind, task, data, kind.columns_of(task, data), seed=1)
    assert splits["train"].examples[0].text == "text 0text 0"
    assert [path.name for path in on_disk.iterdir() if "private" in path.name]
    del splits
    assert not [path.name for path in on_disk.iterdir() if "private" in path.name]
