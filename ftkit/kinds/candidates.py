"""What kinds share in which candidates compete: one output that scores each, checks, probes, task adapters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from math import ceil
from typing import Any

from ftkit.adapters.spec import TaskAdapterSpec
from ftkit.data.check import Problems, Wording, check_leaks, check_size
from ftkit.errors import CheckpointError, name_list
from ftkit.kinds.kind import Plain, Splits
from ftkit.kinds.labelled import REGRESSION_NAME
from ftkit.kinds.probes import probe_text
from ftkit.kinds.refusals import NO_PREFIX, no_virtual_tokens
from ftkit.kinds.task import Task
from ftkit.models.spec import CheckpointSpec
from ftkit.types import CandidatesExample, Family, LabelSpace, Split

ONE_SCORE = LabelSpace((REGRESSION_NAME,), "regression")
"""A model with one output, which scores a pair of texts: what transformers and sentence-transformers call a ranker."""


def one_score(train: Split, task: Task, data: Any) -> LabelSpace:
    """Returns the one output, whatever the examples."""
    return ONE_SCORE


def of_plain_checkpoint(labels: LabelSpace | None, spec: CheckpointSpec, data: Any, where: str) -> Plain:
    """Returns the one output of a cross-encoder that ftkit did not make.

    Raises:
        CheckpointError: it has several, which are labels.
    """
    if labels is not None and len(labels) != 1:
        raise CheckpointError(
            f"{where}: its head has {len(labels)} outputs, {name_list(labels.names, limit=3)}; a model that scores "
            "candidates has one. Say --task text-classification, or leave it out."
        )
    return Plain(labels=ONE_SCORE)


def check_candidates(splits: Splits, problems: Problems, wording: Wording, noun: str) -> None:
    """Reports examples that cannot be read or learnt from, and those that are both trained on and scored.

    Args:
        wording: what messages call examples.
        noun: what messages call a candidate.
    """
    for split in splits.values():
        check_size(split, problems)
        check_texts(split, problems, wording.one, noun)
        for example in split.examples:
            if len(example.candidates) == 1:
                problems.error(
                    f"{split.name}: a {wording.one} has one {noun} alone, and nothing competes with it",
                    where=split.where(example),
                    remedy=f"give it another {noun}, or delete the row",
                    kind=f"{split.name}: one {noun}",
                )
            _check_twice(split, example, problems, wording.one, noun)
    train = splits.get("train")
    if train is not None:
        check_leaks(train, [split for split in splits.values() if split is not train], problems, wording)


def check_texts(split: Split, problems: Problems, one: str, noun: str) -> None:
    """Reports examples without a text or without candidates, and candidates that are empty.

    Args:
        one: what messages call an example.
        noun: what messages call a candidate.
    """
    for example in split.examples:
        if not example.text.strip():
            problems.error(
                f"{split.name}: the {one} is empty",
                where=split.where(example),
                remedy="fill it in, or delete the row",
            )
        if not example.candidates:
            problems.error(
                f"{split.name}: a {one} has no {noun}",
                where=split.where(example),
                remedy=f"give it {noun}s, or delete the row",
            )
        for position, candidate in enumerate(example.candidates, 1):
            if not candidate.strip():
                problems.error(
                    f"{split.name}: a {noun} is empty",
                    where=f"{split.where(example)}, {noun} {position}",
                    remedy="fill it in, or remove it from its list",
                    kind=f"{split.name}: empty {noun}",
                )


def _check_twice(split: Split, example: CandidatesExample, problems: Problems, one: str, noun: str) -> None:
    """The same text twice gets the same score, whichever of the two is right."""
    counts = Counter(example.candidates)
    if len(counts) < len(example.candidates):
        problems.warn(
            f"{split.name}: a {one} has the same {noun} twice; both get the same score",
            where=split.where(example),
            remedy="remove one of them",
            kind=f"{split.name}: same {noun}",
        )


def probe(position: int) -> CandidatesExample:
    """Returns a made-up example of two or three candidates, without what is right."""
    candidates = ("It rains.", probe_text(position), "Nobody knows.")[: 2 + position % 2]
    return CandidatesExample(id=position, text=probe_text(position + 2), candidates=candidates, line=position + 1)


def lengthened(example: CandidatesExample, length: int) -> CandidatesExample:
    """Returns an example whose text is so often repeated that it has so many words."""
    times = ceil(length / max(len(example.text.split()), 1))
    return replace(example, text=" ".join([example.text] * times))


def task_adapters(objective: str) -> Mapping[Family, TaskAdapterSpec]:
    """Returns the pairs of preprocessor and objective of every family.

    Args:
        objective: a class of ftkit.adapters.objectives.candidates.
    """
    hidden = no_virtual_tokens("the model looks for the last token of the text, and virtual tokens hide which that is")
    rows: Iterable[tuple[Family, str, Mapping[str, str]]] = (
        ("encoder", "CandidatesPreprocessor", NO_PREFIX),
        ("decoder", "DecoderCandidatesPreprocessor", hidden),
        ("encoder-decoder", "EncoderDecoderCandidatesPreprocessor", hidden),
    )
    return {
        family: TaskAdapterSpec(
            preprocessor=f"ftkit.adapters.preprocessors.candidates:{preprocessor}",
            objective=f"ftkit.adapters.objectives.candidates:{objective}",
            auto_class="AutoModelForSequenceClassification",
            peft_task="SEQ_CLS",
            usage="rank",
            refuses=refuses,
        )
        for family, preprocessor, refuses in rows
    }
