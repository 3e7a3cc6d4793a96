"""The library in two calls: `ftkit.train` and `ftkit.load`. The commands run the same code."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from ftkit.inference.predictor import Predictor
    from ftkit.run import RunResult


def train(config: str | Path | Mapping[str, Any], overrides: Mapping[str, Any] | None = None) -> RunResult:
    """Trains, evaluates, saves and proves one run.

    Args:
        config: a YAML file, or a mapping of the same shape.
        overrides: dotted key -> value, such as `{"train.num_train_epochs": 1}`.

    Returns:
        Where the run lies and what its `all_results.json` holds.

    Raises:
        UserError: config, data or checkpoint are wrong; nothing was written.
        RunError: training started and could not finish.
    """
    from ftkit.config import load_config
    from ftkit.run import execute

    return execute(load_config(config, overrides))


def load(
    run: str | Path,
    *,
    device: str | torch.device | None = None,
    precision: str = "fp32",
    num_beams: int | None = None,
    max_new_tokens: int | None = None,
) -> Predictor:
    """Loads a finished run for prediction: `ftkit.load("runs/x").predict(["..."])`.

    Args:
        run: a run directory, or what `ftkit export` made of one.
        device: such as `cpu` or `cuda:1`; the first GPU if there is one, by default.
        precision: fp32 for the run's own predictions; bf16; int8 on a CPU; auto measures whether bf16 is faster.
        num_beams: of a model that writes texts; by default as the run was scored.
        max_new_tokens: of a model that writes texts; by default what the targets of train suggested.

    Raises:
        UserError: it is not a finished run, or cannot compute in that precision.
    """
    from ftkit.run_directory import is_export

    options: Any = {"precision": precision, "num_beams": num_beams, "max_new_tokens": max_new_tokens}
    if is_export(run):
        from ftkit.inference.onnx_predictor import OnnxPredictor

        return OnnxPredictor(run, device=device, **options)
    from ftkit.inference.predictor import Predictor

    return Predictor(run, device=device, **options)
