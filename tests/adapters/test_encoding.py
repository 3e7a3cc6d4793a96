"""Rows that several processes make on disk are those that a preprocessor makes in memory."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from transformers import ByT5Tokenizer

import ftkit
from cells import make_adapter, make_split
from ftkit.adapters import encoding
from ftkit.adapters.preprocessors.tokens import tokenized
from ftkit.adapters.rows import Encoded
from ftkit.data.large.table import ExampleTable, write_examples
from ftkit.kinds import large
from runs import run_config

CELLS = [
    ("text-classification", "bert", {"max_length": 6}),
    ("text-classification", "t5", {}),
    ("token-classification", "bert", {"max_length": 6, "window_overlap": 2}),
    ("translation", "marian", {}),
    ("translation", "gpt2", {}),
]


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(encoding, "TASK_EXAMPLES", 2)
    monkeypatch.setattr(encoding, "_num_cpus", lambda: 2)


def assert_equal(found: Encoded, expected: Encoded) -> None:
    assert list(found.rows) == list(expected.rows)
    assert found.rows.features == expected.rows.features
    np.testing.assert_array_equal(found.costs, expected.costs)
    assert dict(found.cut) == dict(expected.cut)
    if expected.first_rows is None:
        assert found.first_rows is None
    else:
        np.testing.assert_array_equal(found.first_rows, expected.first_rows)


@pytest.mark.parametrize(("kind", "name", "options"), CELLS, ids=[f"{kind}-{name}" for kind, name, _ in CELLS])
def test_rows_on_disk_are_those_in_memory(
    kind: str, name: str, options: dict[str, Any], checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    preprocessor = make_adapter(kind, name, checkpoint, **options).preprocessor
    examples = [*make_split(kind).examples] * 2
    preprocessor.fit(examples)
    (tmp_path / "examples").mkdir()
    write_examples(tmp_path / "examples", examples, type(examples[0]))
    table = ExampleTable(tmp_path / "examples")
    for targets in (True, False):
        assert_equal(
            encoding.encode(preprocessor, table, targets=targets), preprocessor.encode(examples, targets=targets)
        )
    found, expected = encoding.encode_to_score(preprocessor, table), preprocessor.encode_to_score(examples)
    assert_equal(found.inputs, expected.inputs)
    assert (found.targets is None) == (expected.targets is None)
    if found.targets is not None and expected.targets is not None:
        assert_equal(found.targets, expected.targets)


def test_rows_are_made_once_for_equal_examples_and_options(
    checkpoint: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    examples = make_split("text-classification").examples
    (tmp_path / "examples").mkdir()
    write_examples(tmp_path / "examples", examples, type(examples[0]))
    table = ExampleTable(tmp_path / "examples")
    cache = tmp_path / "cache" / "ftkit"
    lengths = {}
    for max_length in (None, 4, 4):
        preprocessor = make_adapter("text-classification", "bert", checkpoint, max_length=max_length).preprocessor
        lengths[max_length] = int(encoding.encode(preprocessor, table, targets=True).costs.max())
    assert lengths[4] == 4 < lengths[None]
    assert len([path for path in cache.iterdir() if path.is_dir()]) == 2
    encoding.encode(preprocessor, table.take(np.array([0, 2])), targets=True)
    assert len([path for path in cache.iterdir() if path.is_dir()]) == 3


class Changed:
    """A tokenizer with code of its own, which the library's knows nothing of."""

    def __init__(self, processor: Any) -> None:
        self.processor, self.backend_tokenizer, self.is_fast = processor, processor.backend_tokenizer, True

    def __call__(self, texts: list[str], pairs: Any, **options: Any) -> Any:
        return self.processor([f"rain {text}" for text in texts], pairs, **options)


def test_a_tokenizer_with_code_of_its_own_is_asked_for_every_text(checkpoint: Callable[[str], Path]) -> None:
    processor = make_adapter("text-classification", "bert", checkpoint).preprocessor.processor
    texts = ["the rain", "a card"]
    assert tokenized(processor, texts, None, None).ids == processor(texts)["input_ids"]
    assert (
        tokenized(Changed(processor), texts, None, None).ids
        == processor(["rain the rain", "rain a card"])["input_ids"]
    )
    pairs = tokenized(processor, texts, ["sun", "salt"], 5)
    whole = processor(texts, ["sun", "salt"], truncation=True, max_length=5)
    assert (pairs.ids, pairs.type_ids) == (whole["input_ids"], whole["token_type_ids"])


def test_a_tokenizer_written_in_python_is_asked_for_every_text() -> None:
    """ByT5 has a token for each byte, three after the special ones, and 1 at the end of each text."""
    processor = ByT5Tokenizer()
    found = tokenized(processor, ["ab</s>", "abcdef"], None, 5, reads_special=False)
    assert found.ids == [[100, 101, 63, 50, 1], [100, 101, 102, 103, 1]]
    assert [one.overflowing for one in found.encodings] == [True, True]
    assert [one.special_tokens_mask for one in found.encodings] == [[0, 0, 0, 0, 1]] * 2
    pairs = tokenized(processor, ["a"], ["bc"], None)
    assert (pairs.ids, pairs.type_ids) == ([[100, 1, 101, 102, 1]], None)
    assert not pairs.encodings[0].overflowing


def test_a_run_on_disk_is_the_run_in_memory(
    checkpoint: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for limit in (1 << 40, 0):
        monkeypatch.setattr(large, "LARGE_BYTES", limit)
        folder = tmp_path / str(limit)
        config = run_config(folder, checkpoint("bert"), **{"train.num_train_epochs": 2, "data.validation": 0.25})
        result = ftkit.train(config)
        losses = {name: result.metrics[name] for name in ("train_loss", "eval_loss", "test_loss", "test_accuracy")}
        found.append((losses, (folder / "run" / "predictions" / "test.jsonl").read_text()))
    assert found[0] == found[1]
    assert list((tmp_path / "cache" / "ftkit").iterdir())
