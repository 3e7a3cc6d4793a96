"""Labels of recordings: scores of windows are averaged, and checkpoints without a mask hear each recording alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ftkit.adapters.objectives.equal_lengths import parts_of_equal_lengths
from ftkit.adapters.objectives.labels import LabelObjective
from ftkit.adapters.preprocessors.audio import AudioPreprocessor
from ftkit.adapters.rows import Arrays, Batch, Encoded, Tensors

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class AudioLabelObjective(LabelObjective):
    """Classification and regression of recordings of any length."""

    preprocessor: AudioPreprocessor

    @property
    def model_config(self) -> Mapping[str, Any]:
        """What `data.augment` says of masks that the model draws itself."""
        return self.preprocessor.model_masks

    def predict(self, model: PreTrainedModel, batch: Batch) -> Tensors:
        """Runs a batch through the model; see `parts_of_equal_lengths` and `reduce`."""
        import torch

        parts, places = [], []
        for rows, part in parts_of_equal_lengths(batch):
            parts.append(super().predict(model, part))
            places.append(rows)
        order = torch.cat(places).argsort()
        return {name: torch.cat([part[name] for part in parts])[order] for name in parts[0]}

    def finish(self, arrays: Arrays, encoded: Encoded, start: int, stop: int) -> Arrays:
        """Averages the scores of a recording's windows, and sums their losses; see `pooled`."""
        if encoded.first_rows is None:
            return arrays
        firsts = encoded.first_rows[start : stop + 1]
        return pooled(arrays, firsts - firsts[0], single=self.labels.problem_type == "single_label_classification")


def pooled(arrays: Arrays, firsts: np.ndarray, *, single: bool) -> Arrays:
    """Turns arrays of windows into arrays of recordings.

    Probabilities are averaged, not their logarithms: the mean is itself a distribution, serves several labels as well
    as one, and is the rule that bears errors of single windows best (Kittler et al. 1998, "On combining classifiers").
    One window that is surely wrong moves it by its share; a mean of logarithms would let it overrule all others.

    Example: windows with the scores (0.9, 0.1), (0.6, 0.4) and (0.0, 1.0) make (0.5, 0.5).

    Args:
        arrays: `scores` (R, L) or, of a regression, `predictions` (R,); and `loss` (R,) where labels are known.
        firsts: the first row of each recording and, last, the number of rows, (N + 1,).
        single: one label is predicted, rather than those above one half.

    Returns:
        The same names, one entry for each recording; `loss` is summed, as there is one term a row.
    """
    counts = np.diff(firsts)
    found: dict[str, Any] = {}
    if "loss" in arrays:
        found["loss"] = np.add.reduceat(arrays["loss"], firsts[:-1])
    if "scores" not in arrays:
        return {"predictions": np.add.reduceat(arrays["predictions"], firsts[:-1]) / counts, **found}
    scores = np.add.reduceat(arrays["scores"], firsts[:-1], axis=0) / counts[:, None]
    if not single:
        return {"predictions": scores >= 0.5, "scores": scores, **found}
    return {"predictions": scores.argmax(axis=1), "scores": scores, "confidences": scores.max(axis=1), **found}
