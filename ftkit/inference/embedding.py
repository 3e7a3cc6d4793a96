"""Vectors of texts as arrays, and their cosines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ftkit.adapters.task_adapter import TaskAdapter
from ftkit.data.problems import Problems
from ftkit.errors import UserError, name_list
from ftkit.inference.input_rows import INPUTS, check_is_list
from ftkit.kinds.kind import Kind
from ftkit.types import Split


def encode(
    model: Any, adapter: TaskAdapter, kind: Kind, limits: Any, texts: Sequence[Any], *, role: str
) -> np.ndarray:
    """Returns a vector for each text or image, (N, D) float32; see `Predictor.encode`.

    Raises:
        UserError: the model does not embed what is given.
    """
    from ftkit.engine.predicting import predict_windows

    objective = adapter.objective
    if not objective.embeds:
        raise UserError(f"encode: this run is of kind {kind.name}, which has no vectors of texts. Use predict.")
    if role not in kind.roles:
        raise UserError(f"encode: role={role!r}: {kind.name} reads {name_list(kind.roles)}.")
    check_is_list(texts)
    examples = [kind.input_example(position, {role: text}) for position, text in enumerate(texts)]
    if not examples:
        dimension = getattr(model.config, "projection_dim", None) or model.config.get_text_config().hidden_size
        return np.empty((0, dimension), np.float32)
    problems = Problems()
    kind.check_inputs(Split("input", INPUTS, examples), problems)
    problems.raise_if_any()
    encoded = adapter.preprocessor.encode(examples, targets=False)
    windows: Any = predict_windows(model, adapter, encoded, limits)
    return np.concatenate([objective.embeddings(arrays) for _, _, arrays in windows])
