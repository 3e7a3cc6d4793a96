"""The labels of examples as numbers, in the form that losses and metrics read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ftkit.types import LabelSpace


def label_array(examples: Sequence[Any], labels: LabelSpace) -> np.ndarray:
    """Returns output positions (N,) int64, yes or no for each label (N, L) bool, or numbers (N,) float32.

    Example: with the labels `card`, `rain`, an example labelled `rain` is 1; labelled `("rain",)` among several labels
    a row, it is [False, True].

    Args:
        examples: each with a `label` that the space holds.
    """
    if labels.problem_type == "regression":
        return np.asarray([float(example.label) for example in examples], np.float32)
    if labels.problem_type == "single_label_classification":
        return np.asarray([labels.index(str(example.label)) for example in examples], np.int64)
    chosen = np.zeros((len(examples), len(labels)), bool)
    for row, example in zip(chosen, examples, strict=True):
        row[[labels.index(name) for name in example.label]] = True
    return chosen
