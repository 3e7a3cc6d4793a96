"""What every text classifier keeps to, whatever its checkpoint. A new model type only adds data."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import fresh
import tiny
from ftkit.adapters.objective import Prediction
from ftkit.adapters.rows import Encoded, Tensors
from ftkit.adapters.task_adapter import TaskAdapter
from ftkit.types import Label, LabelSpace, Split, natural_sort

TEXTS, TOPICS = zip(*tiny.EXAMPLES, strict=True)
LABELS = LabelSpace(tuple(natural_sort(TOPICS)))
MULTI_LABELS = LabelSpace(("cold", "lost", "rain"), "multi_label_classification")
NUMBER = LabelSpace(("score",), "regression")
MAX_STEPS, LEARNING_RATE = 60, 5e-3
# Batching changes the order of floating-point sums, so equality has this tolerance.
TOLERANCE = 1e-5


@dataclass(frozen=True)
class Expected:
    """What is known about a model type.

    Attributes:
        head: the parameters that its pretrained checkpoint does not hold.
        pair: tokens of the pair ("card", "rain"), joined by spaces.
        type_ids: of the tokens of the pair; None where the tokenizer gives none.
    """

    head: tuple[str, ...]
    pair: str
    type_ids: tuple[int, ...] | None = None


DENSE_AND_OUT = ("dense.weight", "dense.bias", "out_proj.weight", "out_proj.bias")
CLASSIFIER = ("classifier.weight", "classifier.bias")
ROBERTA_HEAD = tuple(f"classifier.{name}" for name in DENSE_AND_OUT)
BART_HEAD = tuple(f"classification_head.{name}" for name in DENSE_AND_OUT)
SCORE = ("score.weight",)
BERT_PAIR = "[CLS] card [SEP] rain [SEP]"

EXPECTED: dict[str, Expected] = {
    "bert": Expected((*CLASSIFIER, "bert.pooler.dense.weight", "bert.pooler.dense.bias"), BERT_PAIR, (0, 0, 0, 1, 1)),
    "distilbert": Expected((*CLASSIFIER, "pre_classifier.weight", "pre_classifier.bias"), BERT_PAIR, (0, 0, 0, 1, 1)),
    "roberta": Expected(ROBERTA_HEAD, "<s> c a r d </s> </s> r a i n </s>"),
    "deberta-v2": Expected(
        (*CLASSIFIER, "pooler.dense.weight", "pooler.dense.bias"),
        "[CLS] ▁card [SEP] ▁rain [SEP]",
        (0, 0, 0, 1, 1),
    ),
    "modernbert": Expected(CLASSIFIER, "[CLS] c a r d [SEP] r a i n [SEP]"),
    "electra": Expected(ROBERTA_HEAD, BERT_PAIR, (0, 0, 0, 1, 1)),
    "albert": Expected((*CLASSIFIER, "albert.pooler.weight", "albert.pooler.bias"), "[CLS] ▁card [SEP] ▁rain [SEP]"),
    "xlm-roberta": Expected(ROBERTA_HEAD, "<s> ▁card </s> </s> ▁rain </s>"),
    "gpt2": Expected(SCORE, "c a r d Ċ r a i n"),
    "llama": Expected(SCORE, "<s> ▁card <s> ▁rain"),
    "qwen2": Expected(SCORE, "c a r d Ċ r a i n"),
    "gpt_neox": Expected(SCORE, "c a r d Ċ r a i n"),
    "opt": Expected(SCORE, "</s> c a r d </s> r a i n"),
    "t5": Expected(BART_HEAD, "▁card </s> ▁rain </s>"),
    "bart": Expected(BART_HEAD, "<s> c a r d </s> </s> r a i n </s>"),
    "mbart": Expected(BART_HEAD, "▁card ▁rain </s> en_XX"),
}

every_model_type = pytest.mark.parametrize("model_type", tiny.MODEL_TYPES)
Classifier = tuple[Any, Any]
"""A task adapter, and its model."""


def test_every_model_type_is_covered() -> None:
    assert EXPECTED.keys() == tiny.MODEL_TYPES.keys()


# --- training ---


@pytest.fixture(scope="module")
def trained(checkpoint: Callable[[str], Path]) -> Callable[[str], Classifier]:
    """`trained("bert")` is an adapter and its model after it has learnt the sixteen examples; made once."""
    made: dict[str, Classifier] = {}

    def train(model_type: str) -> Classifier:
        if model_type not in made:
            adapter = tiny.make_adapter(checkpoint(model_type), LABELS)
            made[model_type] = (adapter, overfit(adapter, TOPICS, learnt=labels_are_right))
        return made[model_type]

    return train


def overfit(adapter: TaskAdapter, labels: Sequence[Label], *, learnt: Callable[[list[Prediction]], bool]) -> Any:
    """Trains a fresh model on all sixteen texts at once until it has learnt them; without dropout."""
    torch.manual_seed(0)
    model = adapter.objective.build().model.eval()
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE)
    split = tiny.make_split(TEXTS, labels)
    encoded = adapter.preprocessor.encode(split.examples, targets=True)
    batch = tiny.batch_of(adapter, encoded)
    for _ in range(MAX_STEPS):
        results = adapter.objective.predict(model, batch)
        assert results is not None
        if learnt(decode(adapter, encoded, split, results)):
            return model
        assert results["loss"].dtype == torch.float32
        results["loss"].mean().backward()
        optimizer.step()
        optimizer.zero_grad()
    pytest.fail(f"not learnt in {MAX_STEPS} steps")


def labels_are_right(predictions: list[Prediction]) -> bool:
    return [prediction["label"] for prediction in predictions] == list(TOPICS)


def decode(adapter: TaskAdapter, encoded: Encoded, split: Split, results: Tensors) -> list[Prediction]:
    arrays = {name: tensor.detach().numpy() for name, tensor in results.items()}
    finished = adapter.objective.finish(arrays, encoded, 0, len(encoded))
    return list(adapter.objective.decode(finished, split.examples))


@torch.inference_mode()
def predict(adapter: TaskAdapter, model: Any, texts: Sequence[str]) -> list[Prediction]:
    split = tiny.make_split(texts)
    encoded = adapter.preprocessor.encode(split.examples, targets=False)
    results = adapter.objective.predict(model, tiny.batch_of(adapter, encoded))
    assert results is not None
    return decode(adapter, encoded, split, results)


@torch.inference_mode()
def logits(adapter: TaskAdapter, model: Any, texts: Sequence[str]) -> np.ndarray:
    encoded = adapter.preprocessor.encode(tiny.make_split(texts).examples, targets=False)
    return model(**tiny.batch_of(adapter, encoded).inputs).logits.numpy()


@every_model_type
def test_learns_sixteen_examples_by_heart(model_type: str, trained: Callable[[str], Classifier]) -> None:
    adapter, model = trained(model_type)
    predictions = predict(adapter, model, TEXTS)
    assert [prediction["label"] for prediction in predictions] == list(TOPICS)
    assert all(sum(prediction["scores"].values()) == pytest.approx(1) for prediction in predictions)


@pytest.mark.parametrize("model_type", ["bert", "gpt2", "t5"])
def test_learns_several_labels_a_text(model_type: str, checkpoint: Callable[[str], Path]) -> None:
    labels = [tuple(name for name in MULTI_LABELS.names if name in text.split()) for text in TEXTS]

    def learnt(predictions: list[Prediction]) -> bool:
        return [tuple(prediction["label"]) for prediction in predictions] == labels

    adapter = tiny.make_adapter(checkpoint(model_type), MULTI_LABELS)
    model = overfit(adapter, labels, learnt=learnt)
    assert model.config.problem_type == "multi_label_classification"
    prediction = predict(adapter, model, TEXTS[:1])[0]
    assert prediction["label"] == ["lost"]
    assert list(prediction["scores"]) == list(MULTI_LABELS.names)


@pytest.mark.parametrize("model_type", ["bert", "gpt2", "t5"])
def test_learns_numbers(model_type: str, checkpoint: Callable[[str], Path]) -> None:
    numbers = [float(TOPICS.index(topic) // 4) - 1.5 for topic in TOPICS]

    def learnt(predictions: list[Prediction]) -> bool:
        return [prediction["score"] for prediction in predictions] == pytest.approx(numbers, abs=0.5)

    adapter = tiny.make_adapter(checkpoint(model_type), NUMBER)
    model = overfit(adapter, numbers, learnt=learnt)
    assert model.config.problem_type == "regression"
    assert model.config.id2label == {0: "score"}
    assert predict(adapter, model, TEXTS[:1])[0].keys() == {"score"}


# --- batches ---


@every_model_type
def test_predicts_the_same_alone_and_in_any_batch(model_type: str, trained: Callable[[str], Classifier]) -> None:
    adapter, model = trained(model_type)
    texts = [*TEXTS, "rain", "the cold rain and the salt in the soup " * 3]
    together = logits(adapter, model, texts)
    alone = np.concatenate([logits(adapter, model, [text]) for text in texts])
    np.testing.assert_allclose(alone, together, atol=TOLERANCE, rtol=TOLERANCE)
    backwards = logits(adapter, model, texts[::-1])[::-1]
    np.testing.assert_allclose(backwards, together, atol=TOLERANCE, rtol=TOLERANCE)


@every_model_type
def test_special_tokens_in_a_text_change_no_other_row(model_type: str, trained: Callable[[str], Classifier]) -> None:
    adapter, model = trained(model_type)
    special_tokens = [*adapter.preprocessor.processor.special_tokens_map.values()]
    hostile = [
        text.format(str(token)) for token in special_tokens for text in ("my {}card is lost", "my card {}", "{}")
    ]
    kept = logits(adapter, model, TEXTS)
    mixed = logits(adapter, model, [*TEXTS, *hostile])
    np.testing.assert_allclose(mixed[: len(TEXTS)], kept, atol=TOLERANCE, rtol=TOLERANCE)
    alone = np.concatenate([logits(adapter, model, [text]) for text in hostile])
    np.testing.assert_allclose(mixed[len(TEXTS) :], alone, atol=TOLERANCE, rtol=TOLERANCE)


@every_model_type
@pytest.mark.parametrize("text", ["", " "])
def test_an_empty_text_has_a_prediction(model_type: str, text: str, trained: Callable[[str], Classifier]) -> None:
    adapter, model = trained(model_type)
    alone = logits(adapter, model, [text])
    assert np.isfinite(alone).all()
    mixed = logits(adapter, model, [*TEXTS, text])
    np.testing.assert_allclose(mixed[-1:], alone, atol=TOLERANCE, rtol=TOLERANCE)


# --- encoding ---


@every_model_type
def test_text_pairs(model_type: str, checkpoint: Callable[[str], Path]) -> None:
    adapter = tiny.make_adapter(checkpoint(model_type), LABELS)
    split = tiny.make_split(["card", "rain"], pairs=["rain", "card"])
    row, swapped = adapter.preprocessor.encode(split.examples, targets=False).rows.to_list()
    assert row["input_ids"] != swapped["input_ids"]
    expected = EXPECTED[model_type]
    assert " ".join(adapter.preprocessor.processor.convert_ids_to_tokens(row["input_ids"])) == expected.pair
    assert row.get("token_type_ids") == (expected.type_ids and list(expected.type_ids))


@every_model_type
@pytest.mark.parametrize("pairs", [None, ["the rain will not stop today", "rain"]])
def test_truncation_keeps_special_tokens(
    model_type: str, pairs: list[str] | None, checkpoint: Callable[[str], Path]
) -> None:
    adapter = tiny.make_adapter(checkpoint(model_type), LABELS, max_length=12)
    split = tiny.make_split(["the rain will not stop today " * 4, "a"], pairs=pairs)
    encoded = adapter.preprocessor.encode(split.examples, targets=False)
    reads = tiny.make_adapter(checkpoint(model_type), LABELS).preprocessor
    whole = reads.encode(tiny.make_split(["a"], pairs=pairs and ["a"]).examples, targets=False)
    long, short = encoded.rows["input_ids"]
    assert encoded.cut == {"input": 1}
    assert encoded.costs.tolist() == [12, len(short)]
    template = special_tokens(adapter, whole.rows["input_ids"][0])
    assert special_tokens(adapter, long) == template
    assert special_tokens(adapter, short) == template


@every_model_type
def test_reads_its_longest_input(model_type: str, trained: Callable[[str], Classifier]) -> None:
    adapter, model = trained(model_type)
    text = "the rain will not stop today " * tiny.MAX_POSITIONS
    encoded = adapter.preprocessor.encode(tiny.make_split([text]).examples, targets=False)
    assert encoded.costs.tolist() == [tiny.MAX_POSITIONS]
    assert np.isfinite(logits(adapter, model, [text])).all()


def special_tokens(adapter: Any, ids: Sequence[int]) -> list[int]:
    return [id_ for id_ in ids if id_ in adapter.preprocessor.processor.all_special_ids]


# --- building ---


@every_model_type
def test_only_the_head_is_new(model_type: str, checkpoint: Callable[[str], Path]) -> None:
    from transformers import AutoModel

    folder = checkpoint(model_type)
    built = tiny.make_adapter(folder, LABELS).objective.build()
    assert built.new_parameters == set(EXPECTED[model_type].head)
    assert built.new_parameters < {name for name, _ in built.model.named_parameters()}
    assert all(parameter.dtype == torch.float32 for parameter in built.model.parameters())
    body = AutoModel.from_pretrained(folder).state_dict()
    prefix = f"{built.model.base_model_prefix}."
    for name, tensor in built.model.state_dict().items():
        if name.startswith(prefix) and name not in built.new_parameters:
            torch.testing.assert_close(tensor, body[name.removeprefix(prefix)], rtol=0, atol=0)


@every_model_type
def test_the_config_names_labels_and_padding(model_type: str, checkpoint: Callable[[str], Path]) -> None:
    adapter = tiny.make_adapter(checkpoint(model_type), LABELS)
    config = adapter.objective.build().model.config
    assert config.id2label == {0: "Sport", 1: "food", 2: "topic_2", 3: "topic_10"}
    assert config.label2id == {"Sport": 0, "food": 1, "topic_2": 2, "topic_10": 3}
    assert config.problem_type == "single_label_classification"
    assert config.pad_token_id == adapter.preprocessor.processor.pad_token_id


@every_model_type
def test_the_vocabulary_stays(model_type: str, checkpoint: Callable[[str], Path]) -> None:
    from transformers import AutoTokenizer

    adapter = tiny.make_adapter(checkpoint(model_type), LABELS)
    model = adapter.objective.build().model
    assert model.config.vocab_size == adapter.spec.vocab_size
    assert model.get_input_embeddings().num_embeddings == adapter.spec.vocab_size
    assert (
        adapter.preprocessor.processor.get_vocab() == AutoTokenizer.from_pretrained(checkpoint(model_type)).get_vocab()
    )


# --- what is saved ---

LOAD_WITH_PLAIN_TRANSFORMERS = """
import json, sys
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

folders, texts = json.load(sys.stdin)
results = {}
for name, folder in folders.items():
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    with torch.inference_mode():
        together = model(**tokenizer(texts, padding=True, return_tensors="pt")).logits
        alone = [model(**tokenizer(text, return_tensors="pt")).logits[0].tolist() for text in texts]
    labels = [model.config.id2label[index] for index in together.argmax(-1).tolist()]
    results[name] = {"together": together.tolist(), "alone": alone, "labels": labels}
assert "ftkit" not in sys.modules
json.dump(results, sys.stdout)
"""


@pytest.fixture(scope="module")
def reloaded(
    trained: Callable[[str], Classifier], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, Any]]:
    """What a new process without ftkit gets from every saved model; one process for all."""
    folders = {name: str(tmp_path_factory.mktemp(f"saved-{name}")) for name in tiny.MODEL_TYPES}
    for name, folder in folders.items():
        adapter, model = trained(name)
        model.save_pretrained(folder)
        adapter.preprocessor.save(Path(folder))
    process = fresh.python(
        *("-c", LOAD_WITH_PLAIN_TRANSFORMERS),
        input=json.dumps([folders, TEXTS]),
        cwd=tmp_path_factory.mktemp("elsewhere"),
    )
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout)


@every_model_type
def test_plain_transformers_predicts_the_same(
    model_type: str, trained: Callable[[str], Classifier], reloaded: dict[str, dict[str, Any]]
) -> None:
    expected = logits(*trained(model_type), TEXTS)
    for way in ("together", "alone"):
        np.testing.assert_allclose(reloaded[model_type][way], expected, atol=TOLERANCE, rtol=TOLERANCE)
    assert reloaded[model_type]["labels"] == list(TOPICS)
