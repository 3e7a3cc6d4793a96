"""Token arrays, label arrays, losses and predictions of the text classifiers, as literals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

import tiny
from ftkit.adapters import table
from ftkit.adapters.adapter import Adapter
from ftkit.engine.batching import pad
from ftkit.errors import CheckpointError, ConfigError
from ftkit.types import Label, LabelSpace, ProblemType

MakeAdapter = Callable[..., Adapter]


@pytest.fixture(scope="module")
def make_adapter(checkpoint: Callable[[str], Path]) -> MakeAdapter:
    """An adapter for labels a, b, c; for regression where the problem type says so."""

    def make(
        model_type: str = "bert", problem_type: ProblemType = "single_label_classification", **options: Any
    ) -> Adapter:
        names = ("score",) if problem_type == "regression" else ("a", "b", "c")
        return tiny.make_adapter(checkpoint(model_type), LabelSpace(names, problem_type), **options)

    return make


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
    assert make_adapter(model_type).encode(split).rows.to_list() == [SINGLE[model_type]]


@pytest.mark.parametrize("model_type", PAIR)
def test_encodes_pairs(model_type: str, make_adapter: MakeAdapter) -> None:
    split = tiny.make_split(["my card"], pairs=["no rain"])
    assert make_adapter(model_type).encode(split).rows.to_list() == [PAIR[model_type]]


@pytest.mark.parametrize("model_type", END_OF_SEQUENCE_IN_TEXT)
def test_encodes_a_text_with_an_end_of_sequence(model_type: str, make_adapter: MakeAdapter) -> None:
    encoded = make_adapter(model_type).encode(tiny.make_split(["a</s>b"]))
    assert encoded.rows.to_list() == [END_OF_SEQUENCE_IN_TEXT[model_type]]


@pytest.mark.parametrize("model_type", EMPTY)
def test_encodes_an_empty_text(model_type: str, make_adapter: MakeAdapter) -> None:
    encoded = make_adapter(model_type).encode(tiny.make_split([""]))
    assert encoded.rows.to_list() == [EMPTY[model_type]]
    assert encoded.lengths.tolist() == [len(EMPTY[model_type]["input_ids"])]


@pytest.mark.parametrize("model_type", ["roberta", "xlm-roberta", "bart", "mbart", "t5"])
def test_padding_values(model_type: str, make_adapter: MakeAdapter) -> None:
    adapter = make_adapter(model_type)
    encoded = adapter.encode(tiny.make_split(["rain", "rain rain rain"]))
    batch = pad(encoded.rows.to_list(), adapter.padding)
    assert batch["input_ids"][0, -1] == adapter.tokenizer.pad_token_id
    assert batch["attention_mask"].sum(dim=1).tolist() == encoded.lengths.tolist()


def test_counts_truncated_texts(make_adapter: MakeAdapter) -> None:
    encoded = make_adapter(max_length=4).encode(tiny.make_split(["my card", "my card was lost", "no rain no sun"]))
    assert encoded.rows["input_ids"] == [[2, 159, 149, 3], [2, 159, 149, 3], [2, 160, 168, 3]]
    assert encoded.num_truncated == 2
    assert encoded.lengths.tolist() == [4, 4, 4]


def test_keeps_the_order_of_many_texts(make_adapter: MakeAdapter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ftkit.adapters.classify.ENCODE_CHUNK", 3)
    texts = [text for text, _ in tiny.EXAMPLES]
    rows = make_adapter().encode(tiny.make_split(texts, ["a", "b"] * 8)).rows
    assert rows["labels"] == [0, 1] * 8
    assert rows["input_ids"] == [make_adapter().tokenizer(text)["input_ids"] for text in texts]


LABEL_ARRAYS: list[tuple[ProblemType, Sequence[Label], list[Any]]] = [
    ("single_label_classification", ["c", "a"], [2, 0]),
    ("multi_label_classification", [("c", "a"), ()], [[1.0, 0.0, 1.0], [0.0, 0.0, 0.0]]),
    ("regression", [2.5, -1.0], [2.5, -1.0]),
]


@pytest.mark.parametrize(("problem_type", "labels", "expected"), LABEL_ARRAYS)
def test_encodes_labels(
    problem_type: ProblemType, labels: Sequence[Label], expected: list[Any], make_adapter: MakeAdapter
) -> None:
    split = tiny.make_split(["rain", "sun"], labels)
    adapter = make_adapter(problem_type=problem_type)
    encoded = adapter.encode(split)
    assert encoded.rows["labels"] == expected
    assert adapter.count_items(encoded) == 2
    np.testing.assert_array_equal(adapter.references(split.examples), expected)


# --- losses ---

LOGITS = [[2.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
# -log p of each label: log(e^2 + 2) - 2 and log(e^2 + 2) in the first row, log 3 in the second.
NEAR, FAR, EVEN = 0.2395447662, 2.2395447662, 1.0986122887


def losses(adapter: Adapter, logits: Sequence[Sequence[float]], labels: Sequence[Any]) -> list[float]:
    outputs = SimpleNamespace(logits=torch.tensor(logits))
    return adapter.loss(outputs, torch.tensor(labels)).tolist()


def test_cross_entropy_is_one_number_a_row(make_adapter: MakeAdapter) -> None:
    assert losses(make_adapter(), LOGITS, [0, 2]) == pytest.approx([NEAR, EVEN])
    assert losses(make_adapter(), LOGITS, [1, 1]) == pytest.approx([FAR, EVEN])


def test_class_weights_scale_the_rows_of_a_class(make_adapter: MakeAdapter) -> None:
    adapter = make_adapter(class_weights=(2.0, 1.0, 0.5))
    assert losses(adapter, LOGITS, [0, 2]) == pytest.approx([2 * NEAR, EVEN / 2])


def test_label_smoothing_spreads_the_target_evenly(make_adapter: MakeAdapter) -> None:
    adapter = make_adapter(label_smoothing=0.3)
    expected = [0.7 * NEAR + 0.1 * (NEAR + FAR + FAR), EVEN]
    assert losses(adapter, LOGITS, [0, 2]) == pytest.approx(expected)


def test_weights_and_smoothing_agree_with_torch(make_adapter: MakeAdapter) -> None:
    weights, labels = (2.0, 1.0, 0.5), [0, 1]
    adapter = make_adapter(class_weights=weights, label_smoothing=0.3)
    expected = functional.cross_entropy(
        torch.tensor(LOGITS), torch.tensor(labels), weight=torch.tensor(weights), label_smoothing=0.3
    )
    # torch divides by the weights of the labels, not by the rows.
    assert sum(losses(adapter, LOGITS, labels)) / sum(weights[label] for label in labels) == pytest.approx(
        expected.item()
    )


def test_multi_label_loss_is_a_mean_over_labels(make_adapter: MakeAdapter) -> None:
    adapter = make_adapter(problem_type="multi_label_classification")
    # log(1 + e^-1) for a sure and right answer, log(1 + e) for a sure and wrong one, log 2 for none.
    expected = (0.3132616875 + 1.3132616875 + 0.6931471806) / 3
    assert losses(adapter, [[1.0, 1.0, 0.0]], [[1.0, 0.0, 1.0]]) == pytest.approx([expected])


def test_multi_label_weights_and_smoothing(make_adapter: MakeAdapter) -> None:
    weighted = make_adapter(problem_type="multi_label_classification", class_weights=(3.0, 1.0, 1.0))
    expected = (3 * 0.3132616875 + 1.3132616875 + 0.6931471806) / 3
    assert losses(weighted, [[1.0, 1.0, 0.0]], [[1.0, 0.0, 1.0]]) == pytest.approx([expected])
    smoothed = make_adapter(problem_type="multi_label_classification", label_smoothing=0.2)
    right, wrong = 0.9 * 0.3132616875 + 0.1 * 1.3132616875, 0.9 * 1.3132616875 + 0.1 * 0.3132616875
    expected = (right + wrong + 0.6931471806) / 3
    assert losses(smoothed, [[1.0, 1.0, 0.0]], [[1.0, 0.0, 1.0]]) == pytest.approx([expected])


def test_regression_loss_is_the_squared_error(make_adapter: MakeAdapter) -> None:
    adapter = make_adapter(problem_type="regression")
    assert losses(adapter, [[1.5], [-2.0]], [1.0, 1.0]) == pytest.approx([0.25, 9.0])


@pytest.mark.parametrize(("problem_type", "labels", "_"), LABEL_ARRAYS)
def test_the_mean_loss_is_that_of_transformers(
    problem_type: ProblemType, labels: Sequence[Label], _: Any, make_adapter: MakeAdapter
) -> None:
    adapter = make_adapter(problem_type=problem_type)
    batch = pad(adapter.encode(tiny.make_split(["rain", "no sun"], labels)).rows.to_list(), adapter.padding)
    outputs = adapter.build().model.eval()(**batch)
    assert adapter.loss(outputs, batch["labels"]).mean().item() == pytest.approx(outputs.loss.item())


# --- predictions ---


def predictions(adapter: Adapter, logits: Sequence[Sequence[float]]) -> list[dict[str, Any]]:
    split = tiny.make_split(["rain"] * len(logits))
    results = adapter.run(lambda **_: SimpleNamespace(logits=torch.tensor(logits)), {})
    arrays = {name: tensor.numpy() for name, tensor in results.items()}
    encoded = adapter.encode_prompt(split)
    return list(adapter.decode(adapter.finish(arrays, encoded, 0, len(encoded)), split.examples))


def test_predicts_one_label(make_adapter: MakeAdapter) -> None:
    (prediction,) = predictions(make_adapter(), [[0.0, 2.0, 0.0]])
    share = pytest.approx(0.1065069, abs=1e-6)  # 1 / (e^2 + 2)
    best = pytest.approx(0.7869861, abs=1e-6)
    assert prediction == {"label": "b", "score": best, "scores": {"a": share, "b": best, "c": share}}


def test_predicts_several_labels(make_adapter: MakeAdapter) -> None:
    some, none = predictions(make_adapter(problem_type="multi_label_classification"), [[1.0, -1.0, 0.0], [-1.0] * 3])
    assert some["label"] == ["a", "c"]
    assert some["scores"] == {"a": pytest.approx(0.7310586), "b": pytest.approx(0.2689414), "c": 0.5}
    assert none["label"] == []


def test_predicts_numbers(make_adapter: MakeAdapter) -> None:
    assert predictions(make_adapter(problem_type="regression"), [[1.5], [-2.0]]) == [{"score": 1.5}, {"score": -2.0}]


# --- the table ---


def test_a_missing_cell_lists_the_cells_that_exist() -> None:
    with pytest.raises(ConfigError) as error:
        table.find_adapter("fill-mask", "decoder", "my-gpt")
    assert "fill-mask does not work with 'my-gpt', a checkpoint of family decoder" in str(error.value)
    assert "text-classification: encoder, decoder, encoder-decoder" in str(error.value)


def test_every_cell_of_the_table_names_a_class() -> None:
    for kind, row in table.TABLE.items():
        for family in row:
            assert table.works(kind, family)
            assert table.find_adapter(kind, family, "any").version >= 1


def test_a_model_type_without_a_classifier_is_refused_before_its_weights_are_read(
    tmp_path: Path, checkpoint: Callable[[str], Path]
) -> None:
    from transformers import M2M100Config

    M2M100Config().save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(CheckpointError, match="no text classifier for checkpoints of type 'm2m_100'"):
        tiny.make_adapter(tmp_path, LabelSpace(("a", "b")))
