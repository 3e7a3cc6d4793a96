"""The splits of a run as rows; and what a check encodes of them, to find what only shows then."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Any

from ftkit.adapters import encoding
from ftkit.adapters.rows import Encoded, EncodedToScore
from ftkit.adapters.task_adapter import TaskAdapter
from ftkit.errors import NothingFits, source_told
from ftkit.runs import results
from ftkit.runs.checked_run import CheckedRun
from ftkit.types import Split

MOST_CHARACTERS = 10_000_000  # of texts that are all encoded before a run: a few seconds
MOST_ROWS = 100_000  # with images or recordings, likewise: their texts are short
NUM_LONGEST = 8  # enough to meet what only a long text shows, such as a prompt with no room left


def encode_splits(run: CheckedRun, adapter: TaskAdapter) -> tuple[Encoded, dict[str, EncodedToScore]]:
    """Returns the rows of train, and of each other split those that are scored.

    Raises:
        UserError: an example cannot be encoded, or nothing fits into what the model reads.
    """
    train, reads = run.splits["train"], run.scorer.reads_predictions
    with source_told(train.source):
        rows = encoding.encode_to_train(adapter.preprocessor, train.examples)
    to_score = {}
    for name, split in run.splits.items():
        if name != "train":
            with source_told(split.source):
                to_score[name] = encoding.encode_to_score(adapter.preprocessor, split.examples, all_predicted=reads)
    return rows, to_score


def encode_to_check(run: CheckedRun, adapter: TaskAdapter) -> tuple[dict[str, str], list[str]]:
    """Encodes examples as a run does, to find what only shows then: all of a split where that takes seconds.

    Of a larger split the longest examples are encoded, as far as their size tells.

    Returns:
        Split -> what was counted, in words; and a sentence for each split and thing of which something is cut.

    Raises:
        UserError: as when all are encoded.
    """
    preprocessor = adapter.preprocessor
    checked = {
        name: split.examples if _is_counted(run, split) else _longest(split) for name, split in run.splits.items()
    }
    with source_told(run.splits["train"].source):
        preprocessor.fit(checked["train"])
    told: dict[str, str] = {}
    cut: list[str] = []
    for name, examples in checked.items():
        split = run.splits[name]
        with source_told(split.source):
            rows = _encoded(adapter, split, examples)
        if len(examples) == len(split):
            told |= results.counted({name: split}, {name: rows}, preprocessor)
            cut += results.truncation_warnings({name: rows}, preprocessor)
        else:
            cut += results.truncation_warnings({f"the {len(examples)} longest of {name}": rows}, preprocessor)
    return told, cut


def _is_counted(run: CheckedRun, split: Split) -> bool:
    """Tells whether all of a split is encoded to check it."""
    if run.kind.reads != "text":  # sizes are those of files, and none is opened
        return len(split) <= MOST_ROWS
    return sum(example.size for example in split.examples) <= MOST_CHARACTERS


def _longest(split: Split) -> list[Any]:
    return heapq.nlargest(NUM_LONGEST, split.examples, key=lambda example: example.size)


def _encoded(adapter: TaskAdapter, split: Split, examples: Sequence[Any]) -> Encoded:
    preprocessor = adapter.preprocessor
    try:
        if split.name == "train":
            return preprocessor.encode(examples, targets=True)
        return preprocessor.encode_to_score(examples, all_predicted=False).told
    except NothingFits:
        if len(examples) == len(split):
            raise
        return preprocessor.encode(split.examples, targets=True)  # of shorter ones something may fit
