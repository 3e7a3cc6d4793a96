"""Labels where only the first rows of train are known, as of a stream: what they lack may be in the others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ftkit.data.columns import find
from ftkit.data.problems import Problems
from ftkit.errors import name_list
from ftkit.types import Split, label_names, names_in, natural_sort

MOST_WRITTEN = 100  # names in a remedy; a longer list is not copied off a screen


def check_labels_of_sample(train: Split, others: Sequence[Split], known: Iterable[str], problems: Problems) -> None:
    """Reports labels of other splits that the first rows of train lack, as one problem for each split.

    Args:
        train: its first rows.
        known: the labels of these.
    """
    known = frozenset(known)
    unknown = {
        split.name: {name for example in split.examples for name in label_names(example)} - known for split in others
    }
    every = natural_sort({*known, *(name for names in unknown.values() for name in names)})
    for split in others:
        names = natural_sort(unknown[split.name])
        if not names:
            continue
        first = next(find(split.examples, "label", lambda label: not known.issuperset(names_in(label))))
        names_now = f" Known now:\ndata.labels: [{', '.join(map(_quoted, every))}]"
        problems.error(
            f"{len(names):,} label{'s' if len(names) > 1 else ''} of {split.name}, {name_list(names, limit=3)}, "
            f"stand{'' if len(names) > 1 else 's'} in none of the {train.title}",
            where=split.where(first),
            remedy="list all names under data.labels, or look at more rows, by data.check_rows."
            + (names_now if len(every) <= MOST_WRITTEN else ""),
        )


def _quoted(name: str) -> str:
    return "'" + name.replace("'", "''") + "'"
