"""What every tagger keeps to, whatever its checkpoint. A new model type only adds data."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import fresh
import tiny
from ftkit.adapters.rows import Tensors
from ftkit.errors import CheckpointError
from ftkit.tag_schemes import tag_names
from ftkit.types import LabelSpace, TokenExample
from tagged import make_sentences, make_tagger

SENTENCES = (
    ("our team won the cup", "O B-who O O O"),
    ("the slow team lost the game", "O B-who I-who O O B-what"),
    ("who stolen my card today", "O O O B-what O"),
    ("will the rain stop", "O O B-what O"),
    ("too much salt in the soup", "O O B-what O O B-what"),
    ("cold wind and rain", "B-what I-what O B-what"),
)
LABELS = LabelSpace(tag_names(("what", "who"), "IOB2"))
MAX_STEPS, LEARNING_RATE = 80, 5e-3
# Batching changes the order of floating-point sums, so equality has this tolerance.
TOLERANCE = 1e-5

WITHOUT_HEAD = ("opt", "bart", "mbart")
"""transformers has no token classifier for these."""

HEADS = {"llama": "score", "qwen2": "score"}
BIDIRECTIONAL = ("gpt2", "llama", "qwen2", "gpt_neox")
MODEL_TYPES = [name for name in tiny.MODEL_TYPES if name not in WITHOUT_HEAD]
CASES = [*MODEL_TYPES, *(f"{name} unmasked" for name in BIDIRECTIONAL)]

every_case = pytest.mark.parametrize("case", CASES)
Trained = tuple[Any, Any]
"""A task adapter, and its model."""


def tagger_of(folder: Path, case: str, **options: Any) -> Any:
    attention = "bidirectional" if case.endswith(" unmasked") else None
    return make_tagger(folder, LABELS, attention=attention, **options)


TEXTS, TAGS = zip(*SENTENCES, strict=True)


@pytest.fixture(scope="module")
def trained(checkpoint: Callable[[str], Path]) -> Callable[[str], Trained]:
    """`trained("bert")` is an adapter and its model after it has learnt the sentences; made once."""
    made: dict[str, Trained] = {}

    def train(case: str) -> Trained:
        if case not in made:
            tagger = tagger_of(checkpoint(case.split()[0]), case)
            made[case] = (tagger, overfit(tagger))
        return made[case]

    return train


def overfit(tagger: Any) -> Any:
    """Trains a fresh model on all sentences at once until it has learnt them; without dropout."""
    torch.manual_seed(0)
    model = tagger.objective.build().model.eval()
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE)
    examples = make_sentences(TEXTS, TAGS)
    batch = tiny.batch_of(tagger, tagger.preprocessor.encode(examples, targets=True))
    for _ in range(MAX_STEPS):
        results = tagger.objective.predict(model, batch)
        if tags_of(tagger, examples, results) == list(TAGS):
            return model
        results["loss"].sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    pytest.fail(f"not learnt in {MAX_STEPS} steps")


def tags_of(tagger: Any, examples: Sequence[TokenExample], results: Tensors) -> list[str]:
    encoded = tagger.preprocessor.encode(examples, targets=False)
    arrays = {name: tensor.detach().numpy() for name, tensor in results.items()}
    predictions = tagger.objective.decode(tagger.objective.finish(arrays, encoded, 0, len(encoded)), examples)
    return [" ".join(prediction["tags"]) for prediction in predictions]


@torch.inference_mode()
def word_scores(tagger: Any, model: Any, texts: Sequence[str]) -> list[np.ndarray]:
    """Returns the log-probabilities of each sentence's words."""
    encoded = tagger.preprocessor.encode(make_sentences(texts), targets=False)
    scores = tagger.objective.predict(model, tiny.batch_of(tagger, encoded))["scores"].numpy()
    counts = [len(positions) for positions in encoded.rows["word_positions"]]
    return [row[:count] for row, count in zip(scores, counts, strict=True)]


@every_case
def test_learns_the_sentences_by_heart(case: str, trained: Callable[[str], Trained]) -> None:
    tagger, model = trained(case)
    examples = make_sentences(TEXTS)
    encoded = tagger.preprocessor.encode(examples, targets=False)
    with torch.inference_mode():
        results = tagger.objective.predict(model, tiny.batch_of(tagger, encoded))
    assert tags_of(tagger, examples, results) == list(TAGS)


@every_case
def test_predicts_the_same_alone_and_in_any_batch(case: str, trained: Callable[[str], Trained]) -> None:
    tagger, model = trained(case)
    texts = [*TEXTS, "rain", "the cold rain and the salt in the soup " * 3]
    together = word_scores(tagger, model, texts)
    backwards = word_scores(tagger, model, texts[::-1])[::-1]
    for text, one, other in zip(texts, together, backwards, strict=True):
        (alone,) = word_scores(tagger, model, [text])
        assert len(one) == len(text.split())
        np.testing.assert_allclose(alone, one, atol=TOLERANCE, rtol=TOLERANCE)
        np.testing.assert_allclose(other, one, atol=TOLERANCE, rtol=TOLERANCE)


@every_case
def test_only_the_head_is_new(case: str, checkpoint: Callable[[str], Path]) -> None:
    built = tagger_of(checkpoint(case.split()[0]), case).objective.build()
    head = HEADS.get(case.split()[0], "classifier")
    assert built.new_parameters == {f"{head}.weight", f"{head}.bias"}
    assert built.model.config.id2label == dict(enumerate(LABELS.names))
    assert all(parameter.dtype == torch.float32 for parameter in built.model.parameters())


@every_case
def test_the_tag_is_read_at_the_declared_piece(case: str, checkpoint: Callable[[str], Path]) -> None:
    folder = checkpoint(case.split()[0])
    is_causal = tiny.MODEL_TYPES[case.split()[0]] == "decoder" and not case.endswith("unmasked")
    assert tagger_of(folder, case).preprocessor.label_piece == ("last" if is_causal else "first")
    for piece in ("first", "last"):
        tagger = tagger_of(folder, case, label_piece=piece)
        (example,) = make_sentences(["card zqx rain"], ["O B-who I-who"])
        (row,) = tagger.preprocessor.encode([example], targets=True).rows.to_list()
        sizes = [len(tagger.preprocessor.words.pieces(word)) for word in example.words]
        assert sizes[1] > 1
        starts = np.cumsum([len(tagger.preprocessor.words.special.before), *sizes[:-1]])
        places = starts if piece == "first" else starts + np.array(sizes) - 1
        expected = [-100] * len(row["input_ids"])
        for place, tag in zip(places, ("O", "B-who", "I-who"), strict=True):
            expected[place] = LABELS.index(tag)
        assert row["labels"] == expected
        assert row["word_positions"] == places.tolist()
        assert row.keys() == {"input_ids", "word_positions", "labels"}


@pytest.mark.parametrize("model_type", BIDIRECTIONAL)
def test_attention_is_what_was_declared(model_type: str, trained: Callable[[str], Trained]) -> None:
    """The first word's score depends on the last word if, and only if, attention is bidirectional."""
    for case, sees_ahead in ((model_type, False), (f"{model_type} unmasked", True)):
        tagger, model = trained(case)
        for batch in (["my card is lost", "my card is won"], ["my card is lost", "my card is won", "rain " * 9]):
            one, other = word_scores(tagger, model, batch)[:2]
            assert bool(np.abs(one[0] - other[0]).max() > 1e-4) is sees_ahead


def test_attention_is_for_decoders(checkpoint: Callable[[str], Path]) -> None:
    with pytest.raises(CheckpointError, match=r"model.attention: .* is of family encoder"):
        tagger_of(checkpoint("bert"), "bert unmasked")


@pytest.mark.parametrize("model_type", WITHOUT_HEAD)
def test_a_type_without_a_head_is_refused_before_weights_are_read(
    model_type: str, checkpoint: Callable[[str], Path]
) -> None:
    with pytest.raises(
        CheckpointError, match=f"no head for a '{model_type}' checkpoint in transformers, .* It works for bert, "
    ):
        tagger_of(checkpoint(model_type), model_type)


# --- long texts ---


@every_case
@pytest.mark.parametrize("max_length", [8, 13])
def test_long_texts_keep_every_word(case: str, max_length: int, trained: Callable[[str], Trained]) -> None:
    tagger, model = trained(case)
    short = tagger_of(Path(tagger.spec.path), case, max_length=max_length)
    texts = ["the cold rain and salt in the soup will not stop today " * 3, "rain"]
    tags = [" ".join(["O"] * len(text.split())) for text in texts]
    examples = make_sentences(texts, tags)
    encoded = short.preprocessor.encode(examples, targets=True)
    assert encoded.costs.max() <= max_length
    assert len(encoded) == 2
    assert len(encoded.rows) > 4
    assert encoded.cut == {"input": 0}
    assert short.count_items(encoded) == sum(len(text.split()) for text in texts)
    with torch.inference_mode():
        results = short.objective.predict(model, tiny.batch_of(short, encoded))
    arrays = {name: tensor.numpy() for name, tensor in results.items()}
    found = short.objective.decode(short.objective.finish(arrays, encoded, 0, 2), examples)
    assert [" ".join(prediction["words"]).split() for prediction in found] == [text.split() for text in texts]
    assert [len(prediction["tags"]) for prediction in found] == [len(text.split()) for text in texts]
    last = {name: array[encoded.first_rows[1] :] for name, array in arrays.items()}
    later = short.objective.finish(last, encoded, 1, 2)
    assert later["predictions"][0].tolist() == [LABELS.index(tag) for tag in found[1]["tags"]]


# --- what is saved ---

LOAD_WITH_PLAIN_TRANSFORMERS = """
import json, sys
import torch
from transformers import AutoModelForTokenClassification, AutoTokenizer

results = {}
for name, (folder, rows) in json.load(sys.stdin).items():
    AutoTokenizer.from_pretrained(folder)
    model = AutoModelForTokenClassification.from_pretrained(folder)
    with torch.inference_mode():
        results[name] = [model(input_ids=torch.tensor([ids])).logits[0].tolist() for ids in rows]
assert "ftkit" not in sys.modules
json.dump(results, sys.stdout)
"""


@pytest.fixture(scope="module")
def reloaded(trained: Callable[[str], Trained], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a new process without ftkit gets from every saved model; one process for all."""
    jobs = {}
    for case in CASES:
        folder = tmp_path_factory.mktemp("saved")
        tagger, model = trained(case)
        model.save_pretrained(folder)
        tagger.preprocessor.save(folder)
        encoded = tagger.preprocessor.encode(make_sentences(TEXTS), targets=False)
        jobs[case] = (str(folder), list(encoded.rows["input_ids"]))
    process = fresh.python(
        *("-c", LOAD_WITH_PLAIN_TRANSFORMERS),
        input=json.dumps(jobs),
        cwd=tmp_path_factory.mktemp("elsewhere"),
    )
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout)


@every_case
def test_plain_transformers_predicts_the_same(
    case: str, trained: Callable[[str], Trained], reloaded: dict[str, Any]
) -> None:
    tagger, model = trained(case)
    encoded = tagger.preprocessor.encode(make_sentences(TEXTS), targets=False)
    with torch.inference_mode():
        expected = model(**tiny.batch_of(tagger, encoded).inputs).logits.numpy()
    for row, length, found in zip(expected, encoded.costs, reloaded[case], strict=True):
        np.testing.assert_allclose(found, row[:length], atol=TOLERANCE, rtol=TOLERANCE)
