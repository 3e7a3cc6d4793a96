"""Average precision: pycocotools' own numbers, and what is said where there are none."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json

import numpy as np
import pytest

from ftkit.errors import ConfigError
from ftkit.metrics.detection import KEYS, coco_of, precision_at_recalls
from ftkit.metrics.groups import GROUPS
from ftkit.metrics.scorer import Scorer, make_scorer
from ftkit.types import LabelSpace

LABELS = LabelSpace(("cat", "dog"))


def scorer() -> Scorer:
    return make_scorer(["average_precision"], GROUPS["object-detection"], labels=LABELS)


def boxes(seed: int, count: int) -> np.ndarray:
    draws = np.random.default_rng(seed)
    start, extent = draws.uniform(0, 200, (count, 2)), draws.uniform(5, 150, (count, 2))
    return np.concatenate([start, start + extent], axis=1)


def references(seed: int, count: int) -> np.ndarray:
    found, draws = boxes(seed, count), np.random.default_rng(seed)
    areas = (found[:, 2:] - found[:, :2]).prod(axis=1)
    ignored = draws.random(count) < 0.2
    return np.column_stack([draws.integers(0, 2, count), ignored, found, areas])


def predictions(seed: int, truth: np.ndarray) -> np.ndarray:
    """Half of the truth shifted a little, and boxes from nowhere."""
    draws = np.random.default_rng(seed + 50)
    hits = truth[::2]
    rows = np.column_stack([hits[:, 0], draws.random(len(hits)), hits[:, 2:6] + draws.normal(0, 4, (len(hits), 4))])
    misses = np.column_stack([draws.integers(0, 2, 5), draws.random(5), boxes(seed + 90, 5)])
    return np.concatenate([rows, misses])


def test_the_numbers_are_those_of_pycocotools_on_files(tmp_path):
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    truth = [references(seed, 6) for seed in range(8)]
    found = [predictions(seed, rows) for seed, rows in enumerate(truth)]
    values = scorer().compute(found, truth)
    annotations, results = coco_of(found, truth, 2)
    (tmp_path / "truth.json").write_text(json.dumps(annotations))
    (tmp_path / "found.json").write_text(json.dumps(results))
    with contextlib.redirect_stdout(io.StringIO()):
        known = COCO(str(tmp_path / "truth.json"))
        evaluated = COCOeval(known, known.loadRes(str(tmp_path / "found.json")), "bbox")
        evaluated.evaluate()
        evaluated.accumulate()
        evaluated.summarize()
    assert [values[key] for key in KEYS] == pytest.approx([None if one == -1 else one for one in evaluated.stats])
    assert 0.05 < values["ap"] < 0.95
    assert sum(row["support"] for row in values["per_label"].values()) == sum(
        (rows[:, 1] == 0).sum() for rows in truth
    )
    assert np.mean([row["ap"] for row in values["per_label"].values()]) == pytest.approx(values["ap"])


def test_what_does_not_exist_has_no_score():
    one = scorer()
    values = one.compute([np.array([[0, 0.9, 0, 0, 10, 10]])], [np.array([[0, 0, 0, 0, 10, 10, 100]])])
    assert values["ap"] == pytest.approx(values["ap_small"]) == pytest.approx(1)
    assert values["ap_large"] is None
    assert one.notes["ap_large"] == "no box to be found is of that size"
    assert values["per_label"]["dog"] == {"ap": None, "ap50": None, "ar100": None, "support": 0}
    values = one.compute([np.empty((0, 6))], [np.empty((0, 7))])
    assert (values["ap"], one.notes["ap"]) == (None, "there is no box to be found")
    assert one.compute([np.empty((0, 6))], [np.array([[0, 0, 0, 0, 10, 10, 100]])])["ap"] == 0.0


def test_the_area_under_precision_over_recall_is_the_average_precision():
    truth = [references(seed, 6) for seed in range(8)]
    found = [predictions(seed, rows) for seed, rows in enumerate(truth)]
    values = scorer().compute(found, truth)
    recalls, precisions = precision_at_recalls(found, truth, 3, overlaps=(0.5, 0.75))
    assert precisions.shape == (2, len(recalls), 3)
    assert precisions[0, :, :2].mean() == pytest.approx(values["ap50"])
    assert precisions[1, :, :2].mean() == pytest.approx(values["ap75"])
    assert np.isnan(precisions[:, :, 2]).all(), "no box of the third label is there to be found"


def test_what_is_ignored_is_neither_right_nor_wrong():
    truth = np.array([[0, 0, 0, 0, 10, 10, 100], [0, 1, 50, 50, 90, 90, 1600]])
    found = np.array([[0, 0.9, 50, 50, 90, 90], [0, 0.8, 0, 0, 10, 10], [0, 0.7, 52, 52, 88, 88]])
    assert scorer().compute([found], [truth])["ap"] == pytest.approx(1)


def test_pycocotools_is_an_extra(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r'which is not installed\.\nFix: pip install "ftkit\[detection\]"'):
        scorer()
