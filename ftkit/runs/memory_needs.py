"""What of a run takes much memory because of its data: told before it begins."""

from __future__ import annotations

from collections.abc import Mapping

import psutil

from ftkit.types import LabelSpace, Split

MUCH = 2e9  # bytes of which nothing is said
_BYTES = 4  # of a number


def memory_warnings(splits: Mapping[str, Split], labels: LabelSpace | None, *, keeps_scores: bool) -> list[str]:
    """Returns a sentence where tables of rows x labels take gigabytes, and none elsewhere.

    Several labels a row are a table of zeros and ones; a metric of scores, such as ROC AUC, reads the score of every
    label in every row. Of one label a row neither is kept.

    Example: 180,000 rows of 100,000 labels, several of them in a row, take 72 GB.

    Args:
        keeps_scores: a metric reads scores.
    """
    if labels is None:
        return []
    is_multi = labels.problem_type == "multi_label_classification"
    rows = {name: len(split) for name, split in splits.items() if is_multi or (keeps_scores and name != "train")}
    needed = sum(rows.values()) * len(labels) * _BYTES
    if needed <= MUCH:
        return []
    what = "their labels" if is_multi else "their scores, which a metric reads,"
    return [
        f"{sum(rows.values()):,} rows of {', '.join(rows)} with {len(labels):,} labels: {what} take about "
        f"{needed / 1e9:,.0f} GB of memory, of which {psutil.virtual_memory().available / 1e9:,.0f} GB are free; "
        "fix: fewer labels or rows" + ("" if is_multi else ", or metrics without scores")
    ]
