"""The library in two calls: `ftkit.train` and `ftkit.load`. The commands run the same code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from ftkit.inference.predictor import Predictor
    from ftkit.run import RunResult


def train(
    config: str | Path | Mapping[str, Any],
    overrides: Mapping[str, Any] | None = None,
    *,
    trust_remote_code: bool = False,
) -> RunResult:
    """Trains, evaluates, saves and proves one run.

    Args:
        config: a YAML file, or a mapping of the same shape.
        overrides: dotted key -> value, such as `{"train.num_train_epochs": 1}`.
        trust_remote_code: where the config is a run's ftkit.yaml: whether code that it names may run.

    Returns:
        Where the run lies and what its `all_results.json` holds.

    Raises:
        UserError: config, data or checkpoint are wrong; nothing was written.
        RunError: training started and could not finish.
    """
    from ftkit.config import load_config
    from ftkit.run import execute, push_finished
    from ftkit.trust import check_code_is_trusted

    loaded = load_config(config, overrides)
    check_code_is_trusted(config, loaded, overrides, trust_remote_code=trust_remote_code)
    result = execute(loaded)
    push_finished(loaded, result)
    return result


def load(
    run: str | Path,
    *,
    device: str | torch.device | None = None,
    precision: str = "fp32",
    num_beams: int | None = None,
    max_new_tokens: int | None = None,
    task: str | None = None,
    metrics: Sequence[str] | None = None,
    columns: Mapping[str, str] | None = None,
    delimiter: str | None = None,
    encoding: str | None = None,
    source_lang: str | None = None,
    target_lang: str | None = None,
    prompt_template: str | None = None,
    trust_remote_code: bool = False,
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
        task: the kind, of a checkpoint that ftkit did not make; `path.py:NAME`, of a run whose task prepares rows.
        metrics: names of what `evaluate` computes; by default the run's own.
        columns: role -> column of the files to read, such as `{"text": "body"}`; by default the run's own.
        delimiter: between the cells of csv files.
        encoding: of text files.
        source_lang: of a checkpoint that ftkit did not make: the language that it translates from.
        target_lang: likewise: the language that it translates to.
        prompt_template: likewise: what a decoder reads, with `{source}` where the text goes.
        trust_remote_code: whether code may run that the run or checkpoint asks for.

    Raises:
        UserError: it is not a finished run, asks for code, or cannot compute in that precision.
    """
    from ftkit.inference.opening import Choices
    from ftkit.inference.precision import check_precision
    from ftkit.run_directory import is_export, run_folder

    check_precision(precision)  # before a repository is fetched
    choices = Choices(
        task=task,
        metrics=None if metrics is None else tuple(metrics),
        columns=dict(columns or {}),
        encoding=encoding,
        delimiter=delimiter,
        source_lang=source_lang,
        target_lang=target_lang,
        prompt_template=prompt_template,
        trust_remote_code=trust_remote_code,
    )
    run = run_folder(run, with_code=trust_remote_code)
    options: Any = {"precision": precision, "num_beams": num_beams, "max_new_tokens": max_new_tokens}
    options["choices"] = choices
    if is_export(run):
        from ftkit.inference.onnx_predictor import OnnxPredictor

        return OnnxPredictor(run, device=device, **options)
    from ftkit.inference.predictor import Predictor

    return Predictor(run, device=device, **options)
