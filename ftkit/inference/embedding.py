"""Vectors of texts as arrays, and their cosines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ftkit.data.problems import Problems
from ftkit.errors import UserError
from ftkit.inference.input_rows import INPUTS, check_is_list
from ftkit.types import Split

if TYPE_CHECKING:
    from ftkit.inference.predictor import Predictor


def encode(predictor: Predictor, texts: Sequence[str], *, role: str) -> np.ndarray:
    """Returns a vector for each text; see `Predictor.encode`."""
    from ftkit.engine.evaluation import predict_windows

    objective, kind = predictor.adapter.objective, predictor.kind
    if not objective.embeds:
        raise UserError(f"encode: this run is of kind {kind.name}, which has no vectors of texts. Use predict.")
    check_is_list(texts)
    examples = [kind.input_example(position, {role: text}) for position, text in enumerate(texts)]
    if not examples:
        return np.empty((0, predictor.model.config.get_text_config().hidden_size), np.float32)
    problems = Problems()
    kind.check_inputs(Split("input", INPUTS, examples), problems)
    problems.raise_if_any()
    encoded = predictor.adapter.preprocessor.encode(examples, targets=False)
    windows: Any = predict_windows(predictor.model, predictor.adapter, encoded, predictor.limits)
    return np.concatenate([objective.embeddings(arrays) for _, _, arrays in windows])


def similarity(predictor: Predictor, some: Any, others: Any) -> np.ndarray:
    """Returns the cosine of each text, or vector, to each of the others; see `Predictor.similarity`."""
    from ftkit.adapters.objectives.similarity import cosines

    first, second = (
        given if isinstance(given, np.ndarray) and given.dtype.kind == "f" else encode(predictor, given, role=role)
        for given, role in ((some, "text"), (others, "text_pair"))
    )
    return cosines(first, second)
