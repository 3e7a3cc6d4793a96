"""`ftkit.load`: whatever can predict, opened."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftkit.inference.opening_options import OpeningOptions
from ftkit.runs.open_run import is_export, run_folder

if TYPE_CHECKING:
    import torch

    from ftkit.inference.predictor import Predictor


def _shows_options(function: Callable[..., Predictor]) -> Callable[..., Predictor]:
    """Has the signature of a function, as editors and `help` show it, name the fields of `OpeningOptions`."""
    own = inspect.signature(function)
    named = [parameter for parameter in own.parameters.values() if parameter.kind != inspect.Parameter.VAR_KEYWORD]
    named += inspect.signature(OpeningOptions).parameters.values()
    function.__signature__ = own.replace(parameters=named)  # type: ignore[attr-defined]
    return function


@_shows_options
def load(
    run: str | Path,
    *,
    device: str | torch.device | None = None,
    precision: str = "fp32",
    num_beams: int | None = None,
    max_new_tokens: int | None = None,
    **opening: Any,
) -> Predictor:
    """Loads a finished run for prediction: `ftkit.load("runs/x").predict(["..."])`.

    A fine-tuned checkpoint, or a plain PEFT adapter, that ftkit did not make is loaded as well.

    Args:
        run: a run directory, what `ftkit export` made of one, or a folder with config.json or adapter_config.json and
            safetensors.
        device: such as `cpu` or `cuda:1`; the first GPU if there is one, by default.
        precision: fp32 for the run's own predictions; bf16; int8 on a CPU; auto measures whether bf16 is faster.
        num_beams: of a model that writes texts; by default as the run was scored.
        max_new_tokens: of a model that writes texts; by default what the targets of train suggested.
        opening: what the user says of task, files and code, by the names of `OpeningOptions`, which describes them:
            `task`, `metrics`, `columns`, `encoding`, `delimiter`, `header`, `documents`, `positive_label`, `labels`,
            `prompts`, `threshold`, `answer_language`, `normalize`, `base`, `trust_remote_code`; and of a checkpoint
            that ftkit did not make `source_lang`, `target_lang`, `prompt_template`, `chat_template`, `no_answer`,
            `language`, `max_length`. By default all is as the run says.

    Raises:
        UserError: it is not a finished run, asks for code, or cannot compute in that precision.
    """
    from ftkit.inference.precision import check_precision

    check_precision(precision)  # before a repository is fetched
    chosen = OpeningOptions(**opening)
    folder = run_folder(run, with_code=chosen.trust_remote_code)
    options: Any = {"precision": precision, "num_beams": num_beams, "max_new_tokens": max_new_tokens}
    if is_export(folder):
        from ftkit.inference.onnx_predictor import OnnxPredictor

        return OnnxPredictor(folder, device=device, opening=chosen, **options)
    from ftkit.inference.predictor import Predictor

    return Predictor(folder, device=device, opening=chosen, **options)
