"""What kinds have in common in which a text is written for a text: translation, summarization."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ftkit.adapters.spec import TaskAdapterSpec
from ftkit.data.cells import WrongCell, single, text_of
from ftkit.data.check import Problems
from ftkit.data.columns import collected, find
from ftkit.errors import DataError, name_list
from ftkit.kinds.kind import Plain
from ftkit.kinds.probes import probe_text
from ftkit.kinds.task import Task
from ftkit.metrics.scorer import Scorer
from ftkit.metrics.text_scorer import TextScorer
from ftkit.models.spec import CheckpointSpec
from ftkit.types import Family, LabelSpace, Split, TextToTextExample

# Where neither generation_config.json nor a table of positions says how long texts may be.
LONGEST_TEXT = 512

NO_TARGET: tuple[str, ...] = ("",)  # reported as empty


# --- rows -> examples ---------------------------------------------------------------------------------------


def targets_of(cell: Any, text: Callable[[Any], str] | None = None) -> tuple[str, ...]:
    """Returns the texts in a cell, each once: several are references of equal standing.

    Args:
        text: reads one of them; None where a list in the list is none.

    Raises:
        WrongCell: it is no text, and no list of texts.
    """
    cell = single(cell)
    items = cell if isinstance(cell, (list, tuple)) else [cell]
    if text is None and any(isinstance(item, (list, tuple)) for item in items):
        raise list_in_list(cell)
    texts = [(text or text_of)(item) for item in items]
    return tuple(dict.fromkeys(found for found in texts if found.strip())) or NO_TARGET


def list_in_list(cell: Any) -> WrongCell:
    """Returns the error of a list that holds another one."""
    return WrongCell("holds a list in a list", 'write the texts in one flat list, such as ["a", "b"]', cell=cell)


def normalize(
    splits: Mapping[str, Split], task: Task, data: Any, problems: Problems
) -> tuple[Mapping[str, Split], Any]:
    """Makes a training example of each target, where rows have several; rows to be scored keep them together."""
    train = splits.get("train")
    several = [] if train is None else list(find(train.examples, "other_targets", bool))
    if train is None or not several:
        return splits, data
    examples = collected(
        train.examples,
        (replace(row, target=target, other_targets=()) for row in train.examples for target in row.targets),
    )
    problems.warn(
        f"train: {len(several):,} of {len(train):,} rows have several targets; each is an example of its own, "
        f"{len(examples):,} in all",
        where=train.where(several[0]),
    )
    return {**splits, "train": replace(train, examples=examples)}, data


def input_example(position: int, item: Any) -> TextToTextExample:
    """Returns an input of `Predictor.predict` as an example: a text.

    Raises:
        DataError: it is none.
    """
    if isinstance(item, str):
        return TextToTextExample(id=position, source=item, line=position)
    raise DataError(f"inputs, item {position}: expected a text, got {item!r}.")


def check_scores(splits: Mapping[str, Split], scorer: Scorer, problems: Problems) -> None:
    """Reports rows with several references where a metric takes one."""
    names = scorer.one_reference_only if isinstance(scorer, TextScorer) else ()
    for split in splits.values():
        several = list(find(split.examples, "other_targets", bool))
        if several and names:
            problems.error(
                f"{split.name}: {len(several):,} of {len(split):,} rows have several references, and these metrics "
                f"take one: {name_list(names)}",
                where=split.where(several[0]),
                remedy="leave these metrics out, or keep one reference in each row",
            )


# --- adapter ------------------------------------------------------------------------------------------------


def plain_writer(labels: LabelSpace | None, spec: CheckpointSpec, options: Mapping[str, Any]) -> Plain:
    """Returns what a model that writes texts is made with: the search and limits of its generation_config.json.

    Args:
        options: of the kind.
    """
    stated = _generation_config(spec)
    beams = getattr(stated, "num_beams", None) or 1
    found = {
        **options,
        "max_new_tokens": _longest_text(stated, spec),
        "generation": {"num_beams": beams, "validation_num_beams": beams},
    }
    return Plain(labels=None, options=found)


def _generation_config(spec: CheckpointSpec) -> Any:
    from transformers import GenerationConfig

    try:
        return GenerationConfig.from_pretrained(spec.path, revision=spec.revision or "main")
    except (OSError, ValueError):
        return None


def _longest_text(stated: Any, spec: CheckpointSpec) -> int:
    """Returns how many tokens are written at most: as stated, else as many as the model has positions for."""
    if getattr(stated, "max_new_tokens", None):
        return int(stated.max_new_tokens)
    if getattr(stated, "max_length", None) and spec.family == "encoder-decoder":
        return max(int(stated.max_length) - 1, 1)  # the token that the decoder starts with is counted too
    return min(filter(None, (spec.max_target_positions, LONGEST_TEXT)))


def probe(position: int) -> TextToTextExample:
    """Returns a made-up pair: a text, and the same text to write."""
    text = probe_text(position)
    return TextToTextExample(id=position, source=text, target=text, line=position)


def _task_adapter(preprocessor: str, objective: str, auto_class: str, peft_task: str) -> TaskAdapterSpec:
    return TaskAdapterSpec(
        preprocessor=f"ftkit.adapters.preprocessors.text_to_text:{preprocessor}",
        objective=f"ftkit.adapters.objectives.generation:{objective}",
        auto_class=auto_class,
        usage="write",
        peft_task=peft_task,
    )


TASK_ADAPTERS: Mapping[Family, TaskAdapterSpec] = {
    "decoder": _task_adapter("DecoderPreprocessor", "DecoderGeneration", "AutoModelForCausalLM", "CAUSAL_LM"),
    "encoder-decoder": _task_adapter(
        "EncoderDecoderPreprocessor", "EncoderDecoderGeneration", "AutoModelForSeq2SeqLM", "SEQ_2_SEQ_LM"
    ),
}
"""The preprocessor and objective of every family that writes."""
