"""`ftkit.load`: whatever can predict, opened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftkit.inference.choices import Choices
from ftkit.runs.open_run import is_export, run_folder

if TYPE_CHECKING:
    import torch

    from ftkit.inference.predictor import Predictor


def load(
    run: str | Path,
    *,
    device: str | torch.device | None = None,
    precision: str = "fp32",
    num_beams: int | None = None,
    max_new_tokens: int | None = None,
    task: str | None = None,
    metrics: Sequence[str] | None = None,
    columns: Mapping[str, str | tuple[str, ...]] | None = None,
    delimiter: str | None = None,
    encoding: str | None = None,
    positive_label: str | None = None,
    header: bool | None = None,
    source_lang: str | None = None,
    target_lang: str | None = None,
    prompt_template: str | None = None,
    chat_template: str | None = None,
    documents: str | None = None,
    no_answer: bool | None = None,
    answer_language: str | None = None,
    language: str | None = None,
    max_length: int | None = None,
    normalize: str | None = None,
    labels: Sequence[str] | None = None,
    prompts: Sequence[str] | None = None,
    base: str | Path | None = None,
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
        positive_label: which of two labels precision, recall, F1 and ROC AUC are of; by default the run's own.
        header: whether the first row of csv, tsv and xlsx files names the columns; if not, `columns` has positions,
            such as `{"text": "0"}`. By default as the run was trained.
        source_lang: of a checkpoint that ftkit did not make: the language that it translates from.
        target_lang: likewise: the language that it translates to.
        prompt_template: likewise: what a decoder reads, with `{source}` where the text goes.
        chat_template: likewise: how a conversation becomes a text; see docs/text_generation.md.
        documents: what a document is in files of plain text: `line`, `blank_line` or `file`.
        no_answer: likewise: whether it learnt to say that a text does not answer a question, as on SQuAD 2.
        answer_language: of answers in a language without spaces, such as zh: `evaluate` compares characters.
        language: of a checkpoint that ftkit did not make, and that hears several: the one that is spoken.
        max_length: likewise: how many tokens of an input, or of a window of a long one, it reads.
        normalize: what is made of transcripts before `evaluate` compares them: `none`, `basic` or `english`.
        labels: what a model of zero-shot image classification chooses among; by default the run's own.
        prompts: what these become, such as `["a photo of a {label}."]`; by default as the run was trained.
        base: of a trained adapter, the folder or Hub id of its base, where that has moved.
        trust_remote_code: whether code may run that the run or checkpoint asks for.

    Raises:
        UserError: it is not a finished run, asks for code, or cannot compute in that precision.
    """
    from ftkit.inference.precision import check_precision

    check_precision(precision)  # before a repository is fetched
    choices = Choices(
        task=task,
        metrics=None if metrics is None else tuple(metrics),
        columns=dict(columns or {}),
        encoding=encoding,
        delimiter=delimiter,
        positive_label=positive_label,
        header=header,
        source_lang=source_lang,
        target_lang=target_lang,
        prompt_template=prompt_template,
        chat_template=chat_template,
        documents=documents,
        no_answer=no_answer,
        answer_language=answer_language,
        language=language,
        max_length=max_length,
        normalize=normalize,
        labels=None if labels is None else tuple(labels),
        prompts=None if prompts is None else tuple(prompts),
        base=None if base is None else str(base),
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
