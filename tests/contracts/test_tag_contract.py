"""What every tagger keeps to, whatever its checkpoint. A new model type only adds data."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import tiny
from ftkit.adapters.adapter import Batch
from ftkit.adapters.tag import Tagger
from ftkit.engine.batching import pad
from ftkit.errors import CheckpointError
from ftkit.models.checkpoint import inspect_checkpoint
from ftkit.models.spec import ModelSpec
from ftkit.tag_schemes import tag_names
from ftkit.types import LabelSpace, Split, TokenExample

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
Trained = tuple[Tagger, Any]


def make_tagger(folder: Path, case: str, **options: Any) -> Tagger:
    attention = "bidirectional" if case.endswith(" unmasked") else None
    return Tagger(inspect_checkpoint(ModelSpec(checkpoint=str(folder), attention=attention)), LABELS, **options)


def make_split(sentences: Sequence[str], tags: Sequence[str] | None = None) -> Split:
    examples = [
        TokenExample(id=row, words=tuple(words.split()), tags=tags and tuple(tags[row].split()), line=row + 1)
        for row, words in enumerate(sentences)
    ]
    return Split("test", "examples.conll", examples)


TEXTS, TAGS = zip(*SENTENCES, strict=True)


@pytest.fixture(scope="module")
def trained(checkpoint: Callable[[str], Path]) -> Callable[[str], Trained]:
    """`trained("bert")` is an adapter and its model after it has learnt the sentences; made once."""
    made: dict[str, Trained] = {}

    def train(case: str) -> Trained:
        if case not in made:
            tagger = make_tagger(checkpoint(case.split()[0]), case)
            made[case] = (tagger, overfit(tagger))
        return made[case]

    return train


def overfit(tagger: Tagger) -> Any:
    """Trains a fresh model on all sentences at once until it has learnt them; without dropout."""
    torch.manual_seed(0)
    model = tagger.build().model.eval()
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE)
    split = make_split(TEXTS, TAGS)
    encoded = tagger.encode_prompt(split)
    batch = pad(encoded.rows.to_list(), tagger.padding)
    for _ in range(MAX_STEPS):
        results = tagger.run(model, batch)
        if tags_of(tagger, split, results) == list(TAGS):
            return model
        results["loss"].sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    pytest.fail(f"not learnt in {MAX_STEPS} steps")


def tags_of(tagger: Tagger, split: Split, results: Batch) -> list[str]:
    encoded = tagger.encode_prompt(split)
    arrays = {name: tensor.detach().numpy() for name, tensor in results.items()}
    predictions = tagger.decode(tagger.finish(arrays, encoded, 0, len(encoded)), split.examples)
    return [" ".join(prediction["tags"]) for prediction in predictions]


@torch.inference_mode()
def word_scores(tagger: Tagger, model: Any, texts: Sequence[str]) -> list[np.ndarray]:
    """Returns the log-probabilities of each sentence's words."""
    encoded = tagger.encode_prompt(make_split(texts))
    scores = tagger.run(model, pad(encoded.rows.to_list(), tagger.padding))["scores"].numpy()
    counts = [len(positions) for positions in encoded.rows["word_positions"]]
    return [row[:count] for row, count in zip(scores, counts, strict=True)]


@every_case
def test_learns_the_sentences_by_heart(case: str, trained: Callable[[str], Trained]) -> None:
    tagger, model = trained(case)
    split = make_split(TEXTS)
    encoded = tagger.encode_prompt(split)
    with torch.inference_mode():
        results = tagger.run(model, pad(encoded.rows.to_list(), tagger.padding))
    assert tags_of(tagger, split, results) == list(TAGS)


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
    built = make_tagger(checkpoint(case.split()[0]), case).build()
    head = HEADS.get(case.split()[0], "classifier")
    assert built.new_parameters == {f"{head}.weight", f"{head}.bias"}
    assert built.model.config.id2label == dict(enumerate(LABELS.names))
    assert all(parameter.dtype == torch.float32 for parameter in built.model.parameters())


@every_case
def test_the_tag_is_read_at_the_declared_piece(case: str, checkpoint: Callable[[str], Path]) -> None:
    folder = checkpoint(case.split()[0])
    is_causal = tiny.MODEL_TYPES[case.split()[0]] == "decoder" and not case.endswith("unmasked")
    assert make_tagger(folder, case).label_piece == ("last" if is_causal else "first")
    for piece in ("first", "last"):
        tagger = make_tagger(folder, case, label_piece=piece)
        split = make_split(["card zqx rain"], ["O B-who I-who"])
        (row,) = tagger.encode(split).rows.to_list()
        sizes = [len(tagger.words.pieces(word)) for word in split.examples[0].words]
        assert sizes[1] > 1
        starts = np.cumsum([len(tagger.words.special.before), *sizes[:-1]])
        places = starts if piece == "first" else starts + np.array(sizes) - 1
        expected = [-100] * len(row["input_ids"])
        for place, tag in zip(places, ("O", "B-who", "I-who"), strict=True):
            expected[place] = LABELS.index(tag)
        assert row["labels"] == expected
        assert row.keys() == {"input_ids", "labels"}


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
        make_tagger(checkpoint("bert"), "bert unmasked")


@pytest.mark.parametrize("model_type", WITHOUT_HEAD)
def test_a_type_without_a_head_is_refused_before_weights_are_read(
    model_type: str, checkpoint: Callable[[str], Path]
) -> None:
    with pytest.raises(CheckpointError, match=f"no head for a '{model_type}' checkpoint in transformers.* it works"):
        make_tagger(checkpoint(model_type), model_type)


# --- long texts ---


@every_case
@pytest.mark.parametrize("max_length", [8, 13])
def test_long_texts_keep_every_word(case: str, max_length: int, trained: Callable[[str], Trained]) -> None:
    tagger, model = trained(case)
    short = make_tagger(Path(tagger.spec.path), case, max_length=max_length)
    texts = ["the cold rain and salt in the soup will not stop today " * 3, "rain"]
    tags = [" ".join(["O"] * len(text.split())) for text in texts]
    split = make_split(texts, tags)
    encoded = short.encode_prompt(split)
    assert encoded.lengths.max() <= max_length
    assert len(encoded) == 2
    assert len(encoded.rows) > 4
    assert encoded.num_truncated == 0
    assert short.count_items(encoded) == sum(len(text.split()) for text in texts)
    with torch.inference_mode():
        results = short.run(model, pad(encoded.rows.to_list(), short.padding))
    arrays = {name: tensor.numpy() for name, tensor in results.items()}
    found = short.decode(short.finish(arrays, encoded, 0, 2), split.examples)
    assert [" ".join(prediction["words"]).split() for prediction in found] == [text.split() for text in texts]
    assert [len(prediction["tags"]) for prediction in found] == [len(text.split()) for text in texts]
    later = short.finish({name: array[encoded.first_rows[1] :] for name, array in arrays.items()}, encoded, 1, 2)
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
        tagger.tokenizer.save_pretrained(folder)
        jobs[case] = (str(folder), list(tagger.encode(make_split(TEXTS)).rows["input_ids"]))
    process = subprocess.run(
        [sys.executable, "-c", LOAD_WITH_PLAIN_TRANSFORMERS],
        input=json.dumps(jobs),
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path_factory.mktemp("elsewhere"),
    )
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout)


@every_case
def test_plain_transformers_predicts_the_same(
    case: str, trained: Callable[[str], Trained], reloaded: dict[str, Any]
) -> None:
    tagger, model = trained(case)
    encoded = tagger.encode(make_split(TEXTS))
    with torch.inference_mode():
        expected = model(**pad(encoded.rows.to_list(), tagger.padding)).logits.numpy()
    for row, length, found in zip(expected, encoded.lengths, reloaded[case], strict=True):
        np.testing.assert_allclose(found, row[:length], atol=TOLERANCE, rtol=TOLERANCE)
