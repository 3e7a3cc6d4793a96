"""Pairs are found by role, by language and in one column; what is set is what the adapter is made with."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ftkit.data.problems import Problems
from ftkit.data.readers import ReadOptions, open_table
from ftkit.errors import ConfigError, DataError
from ftkit.kinds.kind import Settings
from ftkit.kinds.reading import read_options
from ftkit.kinds.translation import KIND, TranslationData
from ftkit.kinds.written import LONGEST_TEXT
from ftkit.metrics.scorer import make_scorer
from ftkit.models.checkpoint import inspect_checkpoint
from ftkit.models.spec import ModelSpec
from ftkit.types import Split, TextToTextExample

TASK = KIND.task
PAIR = TextToTextExample(0, "a dog", "ein Hund", line=1)


def read(folder: Path, *rows: Any, with_labels: bool = True, **data: Any) -> list[TextToTextExample]:
    path = folder / "data.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    section = TranslationData(train=str(path), **data)
    columns = KIND.columns_of(TASK, section)
    return list(KIND.read(open_table(str(path)), TASK, columns, section, with_labels=with_labels))


@pytest.mark.parametrize(
    ("row", "data"),
    [
        ({"source": "a dog", "target": "ein Hund"}, {}),
        ({"english": "a dog", "german": "ein Hund"}, {"columns": {"source": "english", "target": "german"}}),
        ({"de": "ein Hund", "en": "a dog"}, {"source_lang": "en", "target_lang": "de"}),
        ({"de": "ein Hund", "en": "a dog"}, {"source_lang": "en_XX", "target_lang": "de_DE"}),
        ({"en": "a dog", "de": "ein Hund"}, {"source_lang": "eng_Latn", "target_lang": "deu_Latn"}),
        ({"translation": {"de": "ein Hund", "en": "a dog"}}, {"source_lang": "en", "target_lang": "de"}),
    ],
    ids=["roles", "columns", "languages", "regions", "scripts", "one column"],
)
def test_sides_are_found(row: Any, data: Any, tmp_path: Path) -> None:
    assert read(tmp_path, row, **data) == [PAIR]


def test_a_row_may_have_several_targets(tmp_path: Path) -> None:
    one, several = read(tmp_path, {"source": "a", "target": ["b"]}, {"source": "a", "target": ["b", "c", "b"]})
    assert (one.target, one.other_targets) == ("b", ())
    assert several.targets == ("b", "c")
    splits = {name: Split(name, f"{name}.jsonl", [one, several]) for name in ("train", "test")}
    problems = Problems()
    found, _ = KIND.normalize(splits, TASK, TranslationData(train="x"), problems)
    assert [example.targets for example in found["train"].examples] == [("b",), ("b",), ("c",)]
    assert found["test"] is splits["test"]
    assert "train: 1 of 2 rows have several targets; each is an example of its own, 3 in all" in problems.warnings[0]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"source": ["a", "dog"]}, "column 'source' holds a list: ['a', 'dog']"),
        ({"target": [{"de": "b"}, "c"]}, "column 'target' holds an object: {'de': 'b'}"),
        ({"target": ["b", ["c"]]}, "column 'target' holds a list in a list: ['b', ['c']]"),
        ({"target": {"de": "b"}}, "column 'target' holds an object: {'de': 'b'}"),
        ({"id": [1, 2]}, "column 'id' holds a list: [1, 2]"),
    ],
)
def test_cells_that_cannot_be_read_are_errors_of_their_row(row: Any, message: str, tmp_path: Path) -> None:
    (example,) = read(tmp_path, {"source": "a", "target": "b", "id": 1, **row}, columns={"id": "id"})
    assert [error.message for error in example.cell_errors] == [message]


def test_metrics_that_take_one_reference_are_named(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("def same(predictions, references):\n    return {'same': 1.0}\n")
    splits = {"test": Split("test", "t.jsonl", read(tmp_path, {"source": "a", "target": ["b", "c"]}))}
    name, group, problems = (
        f"{tmp_path / 'own.py'}:same",
        KIND.metric_group(TASK, TranslationData(train="x")),
        Problems(),
    )
    KIND.check_scores(splits, make_scorer(["bleu"], group), problems)
    assert not problems
    KIND.check_scores(splits, make_scorer(["bleu", name], group), problems)
    assert "test: 1 of 1 rows have several references, and these metrics take one" in problems.errors[0]
    assert "own.py:same" in problems.errors[0]


def test_sources_alone_can_be_translated(tmp_path: Path) -> None:
    expected = [TextToTextExample(0, "a dog", line=1)]
    assert read(tmp_path, {"source": "a dog"}, with_labels=False) == expected
    assert read(tmp_path, {"text": "a dog"}, with_labels=False) == expected
    (tmp_path / "texts.txt").write_text("a dog\n")
    table = open_table(str(tmp_path / "texts.txt"))
    data = TranslationData(train="x")
    assert list(KIND.read(table, TASK, KIND.columns_of(TASK, data), data, with_labels=False)) == expected


def test_sides_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no column 'target' \(data\.columns\.target\)"):
        read(tmp_path, {"source": "a dog", "german": "ein Hund"})
    with pytest.raises(DataError, match=r"there is no 'source' for the source; the texts are in 'en', 'de'"):
        read(tmp_path, {"translation": {"en": "a dog", "de": "ein Hund"}})


def test_files_may_be_named_after_the_languages(tmp_path: Path) -> None:
    data = TranslationData(train="x", source_lang="en", target_lang="de")
    assert read_options(data) == ReadOptions(text_extensions=(".en", ".de"))
    (tmp_path / "test.de").write_text("ein Hund\n")
    assert [dict(row.values) for row in open_table(str(tmp_path / "test.de"), read_options(data)).rows] == [
        {"text": "ein Hund"}
    ]
    with pytest.raises(DataError, match=r"no reader for \.de"):
        open_table(str(tmp_path / "test.de"), read_options(TranslationData(train="x")))


def test_what_the_adapter_is_made_with() -> None:
    data = TranslationData(train="x", source_lang="en", target_lang="de", max_target_length=9)
    settings = Settings(label_smoothing=0.1, generation={"num_beams": 2})
    assert KIND.adapter_options(Split("train", "x", [PAIR]), None, data, settings) == {
        "source_lang": "en",
        "target_lang": "de",
        "prompt_template": None,
        "max_target_length": 9,
        "label_smoothing": 0.1,
        "generation": {"num_beams": 2},
    }
    with pytest.raises(ConfigError, match="expected 0 or more and less than 1"):
        KIND.adapter_options(Split("train", "x", [PAIR]), None, data, Settings(label_smoothing=-0.1))


def test_there_are_no_labels() -> None:
    assert KIND.labels(Split("train", "x", [PAIR]), TASK, TranslationData(train="x")) is None
    assert KIND.saved_labels({"id2label": {"0": "LABEL_0"}}) is None
    assert not KIND.predicts_from_labels


@pytest.mark.parametrize(
    ("stated", "beams", "longest"),
    [
        (None, 1, 128),  # positions of the checkpoint
        ({"num_beams": 4, "max_length": 50}, 4, 49),  # the token that the decoder starts with is counted too
        ({"num_beams": 2, "max_new_tokens": 30, "max_length": 50}, 2, 30),
    ],
)
def test_how_a_checkpoint_writes_is_read_off_its_generation_config(
    stated: Any, beams: int, longest: int, checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    import shutil

    folder = shutil.copytree(checkpoint("marian"), tmp_path / "marian")
    (folder / "generation_config.json").unlink()
    if stated is not None:
        (folder / "generation_config.json").write_text(json.dumps(stated))
    spec = inspect_checkpoint(ModelSpec(checkpoint=str(folder)))
    assert LONGEST_TEXT >= 128
    options = KIND.of_plain_checkpoint(None, spec, TranslationData(train="x"), "here").options
    assert options["max_new_tokens"] == longest
    assert options["generation"] == {"num_beams": beams, "validation_num_beams": beams}
