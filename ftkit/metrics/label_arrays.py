"""Predicted and expected labels as arrays that are checked to be labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ftkit.errors import DataError

Array = NDArray[Any]
Floats = NDArray[np.float64]


def label_arrays(
    predictions: ArrayLike, references: ArrayLike, num_labels: int | None = None
) -> tuple[Array, Array, int]:
    """Returns checked predictions and references, and how many labels there are.

    Args:
        predictions: label indices (N,), or {0,1} indicators (N, L).
        references: the same shape.
        num_labels: L; by default the largest index seen plus one, and no less than two.

    Returns:
        Two integer arrays (N,) or two boolean arrays (N, L), and L.

    Raises:
        DataError: if shapes differ or a value is not a label.
    """
    predictions, references = np.asarray(predictions), np.asarray(references)
    if predictions.shape != references.shape:
        raise DataError(
            f"predictions have the shape {predictions.shape} and references {references.shape}; "
            "expected one prediction for each reference."
        )
    predictions = check_labels(predictions, "predictions", num_labels)
    references = check_labels(references, "references", num_labels)
    return predictions, references, num_labels or _count_labels(predictions, references)


def check_labels(values: ArrayLike, name: str, num_labels: int | None = None) -> Array:
    """Returns label indices (N,) as integers, or indicators (N, L) as booleans.

    Raises:
        DataError: if they are neither, or do not fit `num_labels`.
    """
    array = np.asarray(values)
    if array.ndim not in (1, 2):
        raise DataError(
            f"{name}: expected label indices (N,) or {{0,1}} indicators (N, L), got the shape {array.shape}."
        )
    if array.size and array.dtype.kind not in "iub":
        raise DataError(f"{name}: expected label indices or {{0,1}} indicators, got {array.dtype} values.")
    if array.ndim == 2:
        return _check_indicators(array, name, num_labels)
    return _check_indices(array, name, num_labels)


def _check_indices(indices: Array, name: str, num_labels: int | None) -> Array:
    if not indices.size:
        return indices.astype(np.int64)
    lowest, highest = int(indices.min()), int(indices.max())
    if lowest < 0 or (num_labels is not None and highest >= num_labels):
        wrong = lowest if lowest < 0 else highest
        known = "0 or more" if num_labels is None else f"0 to {num_labels - 1}"
        raise DataError(f"{name}: {wrong} is no label index; expected {known}.")
    return indices.astype(np.int64, copy=False)


def _check_indicators(indicators: Array, name: str, num_labels: int | None) -> Array:
    if num_labels is not None and indicators.shape[1] != num_labels:
        raise DataError(f"{name}: {indicators.shape[1]} columns, but there are {num_labels} labels.")
    if indicators.dtype.kind != "b" and indicators.size and not 0 <= indicators.min() <= indicators.max() <= 1:
        raise DataError(f"{name}: expected 0 or 1 for each label, got values up to {indicators.max()}.")
    return indicators.astype(bool, copy=False)


def _count_labels(predictions: Array, references: Array) -> int:
    if references.ndim == 2:
        return references.shape[1]
    return 1 + max(1, *(int(array.max(initial=0)) for array in (predictions, references)))
