"""Details of the tagger that no contract covers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from ftkit.adapters.tag import Tagger, ragged
from ftkit.models.checkpoint import inspect_checkpoint
from ftkit.models.spec import ModelSpec
from ftkit.tag_schemes import tag_names
from ftkit.types import LabelSpace, Split, TokenExample

LABELS = LabelSpace(tag_names(("x",), "IOB2"))


def make(checkpoint: Callable[[str], Path], model_type: str, **options: Any) -> Tagger:
    return Tagger(inspect_checkpoint(ModelSpec(checkpoint=str(checkpoint(model_type)))), LABELS, **options)


def split_of(words: str, tags: str | None = None) -> Split:
    return Split("test", "x", [TokenExample(0, tuple(words.split()), tuple(tags.split()) if tags else None)])


@pytest.mark.parametrize("piece", ["first", "last"])
def test_a_word_longer_than_the_model_keeps_its_place_and_is_counted(
    piece: str, checkpoint: Callable[[str], Path]
) -> None:
    tagger = make(checkpoint, "bert", max_length=8, label_piece=piece)
    word = "abcdefghijkl"
    encoded = tagger.encode_prompt(split_of(f"rain {word} sun", "O B-x O"))
    assert encoded.num_truncated == 1
    assert tagger.count_items(encoded) == 3
    whole = list(tagger.words.pieces(word))
    kept = whole[:6] if piece == "first" else whole[-6:]
    middle = next(row for row in encoded.rows.to_list() if LABELS.index("B-x") in row["labels"])
    assert middle["input_ids"][1:-1] == kept
    assert middle["word_positions"] == [1 if piece == "first" else 6]


def test_literal_rows_of_a_document_in_windows(checkpoint: Callable[[str], Path]) -> None:
    """Capacity 4, overlap 1: words 0-3, 3-6, and the last window reaches back as far as fits."""
    tagger = make(checkpoint, "bert", max_length=6, window_overlap=1)
    encoded = tagger.encode_prompt(split_of("rain sun cup card soup salt rice", "B-x O O O O O O"))
    tokens = [tagger.tokenizer.convert_ids_to_tokens(row) for row in encoded.rows["input_ids"]]
    assert tokens == [
        ["[CLS]", "rain", "sun", "cup", "card", "[SEP]"],
        ["[CLS]", "card", "soup", "salt", "rice", "[SEP]"],
    ]
    assert list(encoded.rows["word_positions"]) == [[1, 2, 3, 4], [2, 3, 4]]
    assert list(encoded.rows["labels"]) == [[-100, 1, 0, 0, 0, -100], [-100, -100, 0, 0, 0, -100]]
    assert encoded.first_rows is not None
    assert encoded.first_rows.tolist() == [0, 2]


def test_loss_is_the_weighted_sum_over_words(checkpoint: Callable[[str], Path]) -> None:
    logits = torch.randn(2, 3, len(LABELS), generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([[0, -100, 1], [-100, 2, -100]])
    weights = [0.5, 2.0, 1.0]
    found = make(checkpoint, "bert", class_weights=weights).loss(SimpleNamespace(logits=logits), labels)
    log_probs = logits.log_softmax(-1)
    expected = [-(0.5 * log_probs[0, 0, 0] + 2.0 * log_probs[0, 2, 1]), -log_probs[1, 1, 2]]
    torch.testing.assert_close(found, torch.stack(expected))


def test_an_illegal_likeliest_tag_gives_way(checkpoint: Callable[[str], Path]) -> None:
    """O is a little less likely than I-x at the first word; but B-x is the likelier way to begin."""
    tagger = make(checkpoint, "bert")
    split = split_of("card rain")
    encoded = tagger.encode_prompt(split)
    scores = np.log(np.array([[[0.25, 0.35, 0.4], [0.1, 0.2, 0.7]]], np.float32))
    arrays = tagger.finish({"scores": scores}, encoded, 0, 1)
    (found,) = tagger.decode(arrays, split.examples)
    assert found["tags"] == ["B-x", "I-x"]
    (entity,) = found["entities"]
    assert entity["score"] == pytest.approx((0.35 + 0.7) / 2)


def test_arrays_of_equal_lengths_stay_apart() -> None:
    rows = ragged([np.arange(2), np.arange(2)])
    assert rows.shape == (2,)
    assert rows.dtype == object
