"""Files of any size are predicted row by row: in order, in bounded memory, nothing read long before it is needed."""

from __future__ import annotations

import csv
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import ftkit
from ftkit.data.spec import HubSource
from ftkit.engine import predicting
from ftkit.types import Row
from runs import TEXTS, run_config, tagging_config, translation_config


@pytest.fixture(scope="module")
def run(checkpoint: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stream")
    return ftkit.train(run_config(folder, checkpoint("bert"), **{"train.num_train_epochs": 1})).output_dir


def write_texts(path: Path, count: int) -> list[str]:
    texts = [" ".join([TEXTS[index % 32][0]] * (1 + index % 5)) for index in range(count)]
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["text"], *([text] for text in texts)])
    return texts


def test_windows_change_nothing(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = write_texts(tmp_path / "texts.csv", 50)
    predictor = ftkit.load(run)
    alone = [predictor.predict([text])[0] for text in texts]
    monkeypatch.setattr(predicting, "WINDOW", 7)
    found = list(predictor.predict_source(str(tmp_path / "texts.csv")))
    assert [row["id"] for row in found] == list(range(50))
    assert [row["label"] for row in found] == [row["label"] for row in alone]
    assert [row["score"] for row in found] == pytest.approx([row["score"] for row in alone], abs=1e-5)


def test_rows_are_read_at_most_two_windows_ahead(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ftkit.data.readers import cells

    write_texts(tmp_path / "texts.csv", 200)
    num_read = 0

    def counted(values: Any, line: int) -> Row:
        nonlocal num_read
        num_read += 1
        return Row(values, line)

    monkeypatch.setattr(cells, "Row", counted)
    monkeypatch.setattr(predicting, "WINDOW", 10)
    ahead = []
    for done, _ in enumerate(ftkit.load(run).predict_source(str(tmp_path / "texts.csv")), start=1):
        ahead.append(num_read - done)
    assert len(ahead) == 200
    assert max(ahead) <= 21, "a window that is predicted, one ahead, and the row that opened the file"


def test_a_hub_split_is_read_in_the_same_way(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = write_texts(tmp_path / "train.csv", 30)
    monkeypatch.setattr(predicting, "WINDOW", 8)
    found = list(ftkit.load(run).predict_source(HubSource(hub=str(tmp_path), split="train")))
    expected = ftkit.load(run).predict(texts)
    assert [row["label"] for row in found] == [row["label"] for row in expected]


def test_a_bad_row_far_down_is_told_and_what_came_before_was_predicted(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_texts(tmp_path / "texts.csv", 20)
    with (tmp_path / "texts.csv").open("a") as file:
        file.write('" "\n')
    monkeypatch.setattr(predicting, "WINDOW", 10)
    stream = ftkit.load(run).predict_source(str(tmp_path / "texts.csv"), on_bad_row="error")
    seen: list[Any] = []
    with pytest.raises(ftkit.DataError, match=r"texts.csv, line 22"):
        for row in stream:
            seen.append(row["id"])
    assert seen == list(range(20))


def test_the_memory_of_words_is_bounded(checkpoint: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import AutoTokenizer

    from ftkit.adapters.preprocessors import word_encoder

    monkeypatch.setattr(word_encoder, "MOST_WORDS", 100)
    words = word_encoder.WordEncoder(AutoTokenizer.from_pretrained(checkpoint("bert")), "bert")
    pieces = words.pieces("rain")
    tracemalloc.start()
    for start in range(0, 3_000, 50):
        words.learn([str(number) for number in range(start, start + 50)])
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 3_000 * 150 / 10, "bytes: a word with its pieces takes at least 150, and a twentieth of them is kept"
    assert words.pieces("rain") == pieces


@pytest.mark.parametrize(("config", "model"), [(tagging_config, "bert"), (translation_config, "marian")])
def test_other_kinds_in_many_windows(
    config: Any, model: str, checkpoint: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = config(tmp_path, checkpoint(model), **{"train.num_train_epochs": 1})
    predictor = ftkit.load(ftkit.train(settings).output_dir)
    whole = list(predictor.predict_source(settings["data"]["test"]))
    monkeypatch.setattr(predicting, "WINDOW", 2)
    assert list(_without_scores(predictor.predict_source(settings["data"]["test"]))) == list(_without_scores(whole))


def _without_scores(rows: Any) -> Iterator[dict[str, Any]]:
    for row in rows:
        yield {**row, "entities": [{**entity, "score": None} for entity in row.get("entities", ())]}
