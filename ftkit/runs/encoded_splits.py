"""The splits of a run as rows; and what a check encodes of them, to find what only shows then."""

from __future__ import annotations

import heapq

from ftkit.adapters import encoding
from ftkit.adapters.rows import Encoded, EncodedToScore
from ftkit.adapters.task_adapter import TaskAdapter
from ftkit.errors import NothingFits, source_told
from ftkit.runs import results
from ftkit.runs.checked_run import CheckedRun

MOST_COUNTED = 10_000_000  # characters of a split whose tokens are counted before a run: a few seconds
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


def encode_longest(run: CheckedRun, adapter: TaskAdapter) -> None:
    """Encodes the longest examples of each split, as far as their size tells.

    Raises:
        UserError: as when all are encoded.
    """
    longest = {
        name: heapq.nlargest(NUM_LONGEST, split.examples, key=lambda example: example.size)
        for name, split in run.splits.items()
    }
    adapter.preprocessor.fit(longest["train"])
    for name, examples in longest.items():
        with source_told(run.splits[name].source):
            try:
                adapter.preprocessor.encode(examples, targets=True)
            except NothingFits:  # of these; of shorter ones something may
                adapter.preprocessor.encode(run.splits[name].examples, targets=True)


def count_rows(run: CheckedRun, adapter: TaskAdapter) -> tuple[dict[str, str], list[str]]:
    """Counts the rows of splits that are encoded within seconds, in kinds that count.

    Returns:
        Split -> what was counted, in words; and a sentence for each split and thing of which something is cut.
    """
    preprocessor = adapter.preprocessor
    told: dict[str, str] = {}
    cut: list[str] = []
    for name, split in run.splits.items():
        if not preprocessor.counts or sum(example.size for example in split.examples) > MOST_COUNTED:
            continue
        with source_told(split.source):
            if name == "train":
                rows = preprocessor.encode(split.examples, targets=True)
            else:
                rows = preprocessor.encode_to_score(split.examples, all_predicted=False).told
        told |= results.counted({name: split}, {name: rows}, preprocessor)
        cut += results.truncation_warnings({name: rows}, preprocessor)
    return told, cut
