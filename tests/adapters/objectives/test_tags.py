"""Losses and predictions of taggers, as literals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from ftkit.adapters.objectives.tags import ragged
from ftkit.adapters.rows import Batch
from ftkit.types import LabelSpace
from tagged import TAGS, make_sentences, make_tagger


def test_loss_is_the_weighted_sum_over_words(checkpoint: Callable[[str], Path]) -> None:
    logits = torch.randn(2, 3, len(TAGS), generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([[0, -100, 1], [-100, 2, -100]])
    weights = [0.5, 2.0, 1.0]
    objective = make_tagger(checkpoint("bert"), class_weights=weights).objective
    found = objective.loss(SimpleNamespace(logits=logits), Batch(inputs={}, labels=labels))
    log_probs = logits.log_softmax(-1)
    expected = [-(0.5 * log_probs[0, 0, 0] + 2.0 * log_probs[0, 2, 1]), -log_probs[1, 1, 2]]
    torch.testing.assert_close(found, torch.stack(expected))


def test_an_illegal_likeliest_tag_gives_way(checkpoint: Callable[[str], Path]) -> None:
    """O is a little less likely than I-x at the first word; but B-x is the likelier way to begin."""
    tagger = make_tagger(checkpoint("bert"))
    examples = make_sentences(["card rain"])
    encoded = tagger.preprocessor.encode(examples, targets=False)
    scores = np.log(np.array([[[0.25, 0.35, 0.4], [0.1, 0.2, 0.7]]], np.float32))
    arrays = tagger.objective.finish({"scores": scores}, encoded, 0, 1)
    (found,) = tagger.objective.decode(arrays, examples)
    assert found["tags"] == ["B-x", "I-x"]
    (entity,) = found["entities"]
    assert entity["score"] == pytest.approx((0.35 + 0.7) / 2)


def test_tags_without_a_scheme_are_no_entities(checkpoint: Callable[[str], Path]) -> None:
    tagger = make_tagger(checkpoint("bert"), LabelSpace(("B-x", "I-x", "O")), scheme="none")
    examples = make_sentences(["card rain"])
    scores = np.log(np.array([[[0.2, 0.7, 0.1], [0.1, 0.2, 0.7]]], np.float32))
    arrays = tagger.objective.finish({"scores": scores}, tagger.preprocessor.encode(examples, targets=False), 0, 1)
    assert tagger.objective.decode(arrays, examples) == [{"words": ["card", "rain"], "tags": ["I-x", "O"]}]
    assert tagger.objective.no_prediction() == {"words": None, "tags": None}


def test_an_illegal_likeliest_tag_stays_where_whoever_trained_scored_it_so(checkpoint: Callable[[str], Path]) -> None:
    tagger = make_tagger(checkpoint("bert"), legal_paths=False)
    examples = make_sentences(["card rain"])
    scores = np.log(np.array([[[0.25, 0.35, 0.4], [0.1, 0.2, 0.7]]], np.float32))
    arrays = tagger.objective.finish({"scores": scores}, tagger.preprocessor.encode(examples, targets=False), 0, 1)
    (found,) = tagger.objective.decode(arrays, examples)
    assert found["tags"] == ["I-x", "I-x"]
    assert [(entity["label"], entity["start"], entity["end"]) for entity in found["entities"]] == [("x", 0, 2)]


def test_arrays_of_equal_lengths_stay_apart() -> None:
    rows = ragged([np.arange(2), np.arange(2)])
    assert rows.shape == (2,)
    assert rows.dtype == object
