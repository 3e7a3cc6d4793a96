"""Token arrays and label columns of texts and pairs of texts, as literals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

import tiny
from ftkit.adapters.preprocessors.tokens import ENCODE_CHUNK
from ftkit.adapters.rows import Encoded
from ftkit.adapters.task_adapter import TaskAdapter
from ftkit.types import Label, LabelSpace, ProblemType, Split

MakeAdapter = Callable[..., TaskAdapter]


@pytest.fixture(scope="module")
def make_adapter(checkpoint: Callable[[str], Path]) -> MakeAdapter:
    """An adapter for labels a, b, c; for regression where the problem type says so."""

    def make(
        model_type: str = "bert",
        problem_type: ProblemType = "single_label_classification",
        max_length: int | None = None,
    ) -> TaskAdapter:
        names = ("score",) if problem_type == "regression" else ("a", "b", "c")
        return tiny.make_adapter(checkpoint(model_type), LabelSpace(names, problem_type), max_length=max_length)

    return make


def encode(adapter: TaskAdapter, split: Split) -> Encoded:
    return adapter.preprocessor.encode(split.examples, targets=split.examples[0].label is not None)


# --- examples -> rows ---

SINGLE = {
    # [CLS] my card , please ! [SEP]
    "bert": {"input_ids": [2, 159, 149, 16, 167, 5, 3], "token_type_ids": [0, 0, 0, 0, 0, 0, 0], "labels": 1},
    # <s> M y Ġcard , Ġplease ! </s>
    "roberta": {"input_ids": [0, 48, 92, 277, 15, 321, 4, 2], "labels": 1},
    # ▁ M y ▁card , ▁please ! </s>
    "t5": {"input_ids": [3, 96, 140, 10, 63, 28, 52, 1], "labels": 1},
    # M y Ġcard , Ġplease !
    "gpt2": {"input_ids": [44, 88, 273, 11, 317, 0], "labels": 1},
}
PAIR = {
    # [CLS] my card [SEP] no rain [SEP]
    "bert": {"input_ids": [2, 159, 149, 3, 160, 168, 3], "token_type_ids": [0, 0, 0, 0, 1, 1, 1]},
    # <s> m y Ġcard </s> </s> n o Ġrain </s>
    "roberta": {"input_ids": [0, 80, 92, 277, 2, 2, 81, 82, 325, 2]},
    # ▁my ▁card </s> ▁no ▁rain </s>
    "t5": {"input_ids": [20, 10, 1, 21, 29, 1]},
    # m y Ġcard Ċ n o Ġrain
    "gpt2": {"input_ids": [76, 88, 273, 198, 77, 78, 321]},
}
END_OF_SEQUENCE_IN_TEXT = {
    # [CLS] a < / s > b [SEP]
    "bert": {"input_ids": [2, 43, 32, 19, 61, 34, 44, 3], "token_type_ids": [0] * 8},
    # <s> a </s> b </s>
    "roberta": {"input_ids": [0, 68, 2, 69, 2]},
    # ▁a <unk> ▁ b </s>: T5 pools </s>, so a text may not hold one
    "t5": {"input_ids": [5, 2, 3, 117, 1]},
    # a < / s > b
    "gpt2": {"input_ids": [64, 27, 14, 82, 29, 65]},
}
EMPTY = {
    "bert": {"input_ids": [2, 3], "token_type_ids": [0, 0]},
    "roberta": {"input_ids": [0, 2]},
    "t5": {"input_ids": [1]},
    # <|endoftext|>: something has to be pooled
    "gpt2": {"input_ids": [381]},
}


@pytest.mark.parametrize("model_type", SINGLE)
def test_encodes_texts(model_type: str, make_adapter: MakeAdapter) -> None:
    split = tiny.make_split(["My card, please!"], ["b"])
    assert encode(make_adapter(model_type), split).rows.to_list() == [SINGLE[model_type]]


@pytest.mark.parametrize("model_type", PAIR)
def test_encodes_pairs(model_type: str, make_adapter: MakeAdapter) -> None:
    split = tiny.make_split(["my card"], pairs=["no rain"])
    assert encode(make_adapter(model_type), split).rows.to_list() == [PAIR[model_type]]


@pytest.mark.parametrize("model_type", END_OF_SEQUENCE_IN_TEXT)
def test_encodes_a_text_with_an_end_of_sequence(model_type: str, make_adapter: MakeAdapter) -> None:
    encoded = encode(make_adapter(model_type), tiny.make_split(["a</s>b"]))
    assert encoded.rows.to_list() == [END_OF_SEQUENCE_IN_TEXT[model_type]]


@pytest.mark.parametrize("model_type", EMPTY)
def test_encodes_an_empty_text(model_type: str, make_adapter: MakeAdapter) -> None:
    encoded = encode(make_adapter(model_type), tiny.make_split([""]))
    assert encoded.rows.to_list() == [EMPTY[model_type]]
    assert encoded.costs.tolist() == [len(EMPTY[model_type]["input_ids"])]


@pytest.mark.parametrize("model_type", ["roberta", "xlm-roberta", "bart", "mbart", "t5"])
def test_padding_values(model_type: str, make_adapter: MakeAdapter) -> None:
    adapter = make_adapter(model_type)
    encoded = encode(adapter, tiny.make_split(["rain", "rain rain rain"]))
    batch = tiny.batch_of(adapter, encoded)
    assert batch.inputs["input_ids"][0, -1] == adapter.preprocessor.processor.pad_token_id
    assert batch.inputs["attention_mask"].sum(dim=1).tolist() == encoded.costs.tolist()


def test_counts_truncated_texts(make_adapter: MakeAdapter) -> None:
    split = tiny.make_split(["my card", "my card was lost", "no rain no sun"])
    encoded = encode(make_adapter(max_length=4), split)
    assert encoded.rows["input_ids"] == [[2, 159, 149, 3], [2, 159, 149, 3], [2, 160, 168, 3]]
    assert encoded.cut == {"input": 2}
    assert encoded.costs.tolist() == [4, 4, 4]


def test_keeps_the_order_of_more_texts_than_are_encoded_at_once(make_adapter: MakeAdapter) -> None:
    texts = [text for text, _ in tiny.EXAMPLES] * 200
    assert len(texts) > ENCODE_CHUNK
    adapter = make_adapter()
    rows = encode(adapter, tiny.make_split(texts, ["a", "b"] * 1_600)).rows
    assert rows["labels"] == [0, 1] * 1_600
    assert rows["input_ids"] == [adapter.preprocessor.processor(text)["input_ids"] for text in texts[:16]] * 200


LABEL_COLUMNS: list[tuple[ProblemType, Sequence[Label], list[Any], str]] = [
    ("single_label_classification", ["c", "a"], [2, 0], "int64"),
    ("multi_label_classification", [("c", "a"), ()], [[1.0, 0.0, 1.0], [0.0, 0.0, 0.0]], "float32"),
    ("regression", [2.5, -1.0], [2.5, -1.0], "float32"),
]


@pytest.mark.parametrize(("problem_type", "labels", "expected", "dtype"), LABEL_COLUMNS)
def test_encodes_labels(
    problem_type: ProblemType, labels: Sequence[Label], expected: list[Any], dtype: str, make_adapter: MakeAdapter
) -> None:
    adapter = make_adapter(problem_type=problem_type)
    encoded = encode(adapter, tiny.make_split(["rain", "sun"], labels))
    assert encoded.rows["labels"] == expected
    batch = tiny.batch_of(adapter, encoded)
    assert batch.labels.tolist() == expected
    assert str(batch.labels.dtype) == f"torch.{dtype}"


@pytest.mark.parametrize("model_type", SINGLE)
def test_without_targets_rows_hold_nothing_of_them(model_type: str, make_adapter: MakeAdapter) -> None:
    adapter = make_adapter(model_type)
    split = tiny.make_split(["My card, please!"], ["b"])
    encoded = adapter.preprocessor.encode(split.examples, targets=False)
    expected = {name: value for name, value in SINGLE[model_type].items() if name != "labels"}
    assert encoded.rows.to_list() == [expected]
    assert tiny.batch_of(adapter, encoded).labels is None


def test_a_batch_knows_its_lengths_and_positions(make_adapter: MakeAdapter) -> None:
    adapter = make_adapter()
    encoded = encode(adapter, tiny.make_split(["My card, please!", "no rain"], ["b", "a"]))
    batch = tiny.batch_of(adapter, encoded)
    assert {name: tensor.tolist() for name, tensor in batch.inputs.items()} == {
        "input_ids": [[2, 159, 149, 16, 167, 5, 3], [2, 160, 168, 3, 0, 0, 0]],
        "attention_mask": [[1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0, 0]],
        "token_type_ids": [[0] * 7, [0] * 7],
    }
    assert batch.labels.tolist() == [1, 0]
    assert (batch.lengths, batch.num_positions, batch.extras) == ([7, 4], 14, {})
