"""Checks examples with labels before anything is trained: every problem names its rows and the fix.

What is labelled does not matter here: an example has a `label`, and a `key()` that equal inputs share.

Each check takes one or more splits and records what it finds in a `Problems`; none stops at the first.
"""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ftkit.data.cells import shown
from ftkit.data.columns import at, column, contradicting_places, find, shared_places
from ftkit.data.counted_rows import Rows
from ftkit.data.lookalikes import alike, appearance, differ_visibly, warn_of_lookalikes
from ftkit.data.problems import MAX_PLACES, MAX_PROBLEMS, Problems
from ftkit.data.sample_check import check_labels_of_sample
from ftkit.errors import did_you_mean, name_list
from ftkit.types import Label, ProblemType, Split

__all__ = ["Problems", "Wording", "check_labels", "check_splits"]

MIN_EXAMPLES_PER_LABEL = 2
"""One example can be learnt by heart but not measured."""

FEW_TRAIN_ROWS = 10
"""Below this, a fine-tuned model is noise whatever the settings."""

MANY = 0.5
"""From this share of rows on, a whole column is wrong and not some rows."""

_SEPARATORS = (",", ";", "|", "/")
_PRINTED = ("['", '["')
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


@dataclass(frozen=True)
class Wording:
    """What messages call the inputs of a kind.

    Attributes:
        one: one of them.
        many: several.
        alike: how two of them are the same.
    """

    one: str
    many: str
    alike: str


TEXTS = Wording("text", "texts", "word for word")


def check_splits(
    splits: Sequence[Split],
    *,
    problem_type: ProblemType = "single_label_classification",
    declared: Sequence[str] | None = None,
    problems: Problems,
) -> None:
    """Runs every check of texts and their labels; see `check_labels`."""
    for split in splits:
        check_texts(split, problems)
        if split.name == "train":
            check_printed_texts(split, problems)
    check_labels(splits, problem_type=problem_type, declared=declared, problems=problems)


def check_labels(
    splits: Sequence[Split],
    *,
    problem_type: ProblemType = "single_label_classification",
    declared: Sequence[str] | None = None,
    problems: Problems,
    wording: Wording = TEXTS,
) -> None:
    """Runs every check of labels that fits the problem type; the inputs only count as the same or another.

    Args:
        splits: of any examples with `label` and `key()`; the split named `train` is the reference for labels; a
            split named `input` needs no labels.
        problem_type: what the labels are.
        declared: all label names that the user listed (`data.labels`), or None if train defines them.
        problems: what is found is added here.
        wording: what messages call the inputs.
    """
    labelled = [split for split in splits if split.name != "input"]
    train = next((split for split in labelled if split.name == "train"), None)
    for split in splits:
        check_size(split, problems)
    for split in labelled:
        check_labels_present(split, problems)
        if problem_type == "regression":
            check_numbers(split, problems)
    if train is None:
        return
    others = [split for split in labelled if split is not train]
    if problem_type != "regression":
        check_label_names(train, others, declared, problems)
        if problem_type == "single_label_classification":
            check_single_labels(train, declared, problems)
        if declared is None:
            check_separators(train, problems, may_be_several=problem_type != "single_label_classification")
    check_leaks(train, others, problems, wording)
    check_contradictions(train, problems, wording)


def check_size(split: Split, problems: Problems) -> None:
    """A split needs rows, and train more than a few."""
    if len(split) == 0:
        if any(message.startswith(f"{split.name}: ") for message in problems.messages):
            return  # its rows are wrong, and were left out
        problems.error(f"{split.name} has no rows", where=split.source, remedy="add rows, or leave it out")
    elif split.name == "train" and len(split) < 2:
        problems.error("train has 1 row; at least 2 are needed", where=split.source, remedy="add rows")
    elif split.name == "train" and len(split) < FEW_TRAIN_ROWS:
        problems.warn(f"train has only {len(split)} rows; expect no useful model", where=split.source)


def check_texts(split: Split, problems: Problems) -> None:
    """A text that is empty or only white space teaches nothing and often is a damaged row."""
    for role in ("text", "text_pair"):
        for example in find(split.examples, role, _is_blank):
            problems.error(
                f"{split.name}: the {role} is empty",
                where=split.where(example),
                remedy="fill in the text, or delete the row",
            )


def check_printed_texts(train: Split, problems: Problems) -> None:
    """Lists of words that were printed into a file are no texts that anybody writes to a model."""
    printed = map(_is_printed, column(train.examples, "text"))
    found = Rows()
    for place in itertools.compress(itertools.count(), printed):
        found.add(place)
    if found.count > MANY * len(train):
        first = train.examples[found.places[0]]
        problems.warn(
            f"train: {found.count:,} of {len(train):,} texts look like printed lists, such as {shown(first.text)}",
            where=train.where(first),
            remedy='write the words as one text, such as " ".join(words); quotes and commas are read as they are now',
        )


def check_labels_present(split: Split, problems: Problems) -> None:
    """Every row to train on or to score needs a label; an empty tuple is a multi-label row with no label."""
    for example in find(split.examples, "label", _is_missing):
        problems.error(
            f"{split.name}: the label is missing",
            where=split.where(example),
            remedy="fill in the label, or delete the row",
        )


def check_numbers(split: Split, problems: Problems) -> None:
    """Regression labels are finite numbers."""
    for example in find(split.examples, "label", _is_no_number):
        problems.error(
            f"{split.name}: the label {shown(example.label)} is not a finite number, as regression needs",
            where=split.where(example),
            remedy="write a number such as 3.5, delete the row, or remove data.problem_type: regression",
            kind=f"{split.name}: not a number",
        )
    if split.name != "train" or split.is_sample or len(split) < 2:
        return
    first = split.examples[0].label
    if not _is_no_number(first) and all(label == first for label in column(split.examples, "label")):
        problems.error(
            f"train: all labels are {shown(first)}, and nothing can be learnt from them",
            where=split.source,
            remedy="check data.columns.label, or add rows with other numbers",
        )


def check_label_names(
    train: Split, others: Sequence[Split], declared: Sequence[str] | None, problems: Problems
) -> None:
    """The label names of all splits are those of train, or those declared, and are spelt one way."""
    rows_by_label = _rows_by_label(train)
    known = list(rows_by_label) if declared is None else list(declared)
    if train.is_sample and declared is None:
        check_labels_of_sample(train, others, known, problems)
        others = []
    whose = "among the labels of train" if declared is None else "in data.labels"
    for split in others if declared is None else [train, *others]:
        _check_unknown_labels(split, known, whose, problems)
    for name in known:
        if name not in rows_by_label and not train.is_sample:
            problems.warn(
                f"the label {name!r} of data.labels has no example in train; it will not be learnt",
                remedy="add examples, or remove it from data.labels",
            )
    if not train.is_sample:
        _check_rare_labels(train, rows_by_label, problems)
    _check_spelling(train, rows_by_label, known, problems)


def check_single_labels(train: Split, declared: Sequence[str] | None, problems: Problems) -> None:
    """One label a row: at least two of them, and all of one sort unless the user listed them."""
    rows_by_label = _rows_by_label(train)
    if len(rows_by_label) == 1 and len(train) > 1 and not (train.is_sample and declared is not None):
        fix = "list all labels under data.labels" if train.is_sample else "add rows with other labels"
        problems.error(
            f"{train.title} {'have' if train.is_sample else 'has'} only one label, {next(iter(rows_by_label))!r}; a "
            "classifier needs two or more",
            where=train.source,
            remedy=f"check data.columns.label, or {fix}",
        )
    if declared is not None or not rows_by_label:
        return
    numbers = [name for name in rows_by_label if _NUMBER.fullmatch(name.strip())]
    if numbers and len(numbers) < len(rows_by_label):
        _report_mixed_labels(train, rows_by_label, set(numbers), problems)
    fractions = [name for name in numbers if not float(name).is_integer()]
    if fractions and len(numbers) == len(rows_by_label):
        problems.error(
            f"the labels look like measurements, not classes: {name_list(fractions, limit=3)} "
            f"among {len(rows_by_label)} different numbers",
            where=train.where(rows_by_label[fractions[0]].first(train)),
            remedy="data.problem_type: regression; or, if they are classes, list all names under data.labels",
        )


def check_separators(train: Split, problems: Problems, *, may_be_several: bool) -> None:
    """Names such as `red|blue` and `red` are several labels between a separator that nobody has declared.

    Where a row has one label, all parts have to be labels by themselves.
    """
    rows_by_label = _rows_by_label(train)
    for separator in _SEPARATORS:
        parts = {name: {part.strip() for part in name.split(separator)} for name in rows_by_label}
        joined = [name for name, found in parts.items() if len(found) > 1]
        counts = Counter(part for found in parts.values() for part in found)
        if not may_be_several:
            joined = [name for name in joined if all(part in rows_by_label for part in parts[name])]
        if any(counts[part] > 1 for name in joined for part in parts[name]):
            problem_type = "" if may_be_several else "data.problem_type: multi_label_classification, and "
            problems.warn(
                f"train: labels such as {joined[0]!r} look like several names between {separator!r}",
                where=train.where(rows_by_label[joined[0]].first(train)),
                remedy=f'if they are: {problem_type}data.label_separator: "{separator}"; if not, list all names under '
                "data.labels",
            )


def check_leaks(train: Split, others: Iterable[Split], problems: Problems, wording: Wording = TEXTS) -> None:
    """An input that is both trained on and scored makes the score too good."""
    for split in others:
        shared = shared_places(split.examples, train.examples)
        if len(shared):
            problems.warn(
                f"leak: {len(shared):,} of {len(split):,} {wording.many} of {split.name} are also in train, "
                f"{wording.alike}{_places(split, shared[:MAX_PLACES].tolist(), len(shared))}",
                remedy=f"remove them from train or from {split.name}; its scores are too good with them",
            )


def check_contradictions(train: Split, problems: Problems, wording: Wording = TEXTS) -> None:
    """The same input with two labels: at least one of the rows is wrong."""
    places = contradicting_places(train.examples, "label")
    if num := len(places):
        problems.warn(
            f"{num:,} {f'{wording.one} has' if num == 1 else f'{wording.many} have'} different labels in different "
            f"rows of train{_places(train, places[:MAX_PLACES].tolist(), num)}",
            remedy=f"keep one label for each {wording.one}",
        )


def _labels_of(label: Label | None) -> tuple[str, ...]:
    if label is None or label == "":
        return ()
    return label if isinstance(label, tuple) else (str(label),)


def _rows_by_label(split: Split) -> dict[str, Rows]:
    rows: dict[str, Rows] = {}
    for place, label in enumerate(column(split.examples, "label")):
        found = rows.get(label) if type(label) is str else None
        if found is not None:  # most rows
            found.add(place)
            continue
        for name in _labels_of(label):
            if name.strip():
                rows.setdefault(name, Rows()).add(place)
    return rows


def _check_unknown_labels(split: Split, known: Sequence[str], whose: str, problems: Problems) -> None:
    names = frozenset(known)
    unknown = {name: rows for name, rows in _rows_by_label(split).items() if name not in names}
    for number, (name, rows) in enumerate(unknown.items()):
        # Only for problems that will be listed: comparing spellings is slow, and all labels may be wrong.
        suggestion = _suggestion(name, known) if number < MAX_PROBLEMS else ""
        for times, place in rows.told():
            problems.error(
                f"{split.name}: the label {name!r} is not {whose}.{suggestion}",
                where=split.where(split.examples[place]),
                remedy="correct the label, or list all names under data.labels",
                kind=f"{split.name}: unknown label {name!r}",
                times=times,
            )


def _suggestion(name: str, known: Sequence[str]) -> str:
    same = next((other for other in known if appearance(other) == appearance(name)), None)
    if same is None or differ_visibly([name, same]):
        return did_you_mean(name, known)
    return f" It looks like {same!r}, but it is {name!a}, not {same!a}."


def _check_rare_labels(train: Split, rows_by_label: Mapping[str, Rows], problems: Problems) -> None:
    for name, rows in rows_by_label.items():
        if rows.count < MIN_EXAMPLES_PER_LABEL:
            problems.warn(
                f"labels with a single example in train, such as {name!r}",
                where=train.where(rows.first(train)),
                remedy="add examples, or merge the label into another",
                kind="rare label",
            )


def _check_spelling(train: Split, rows_by_label: Mapping[str, Rows], known: Sequence[str], problems: Problems) -> None:
    """Warns of names that a person would read as one, and of quotes that became a part of names."""
    ends = {(name.strip()[:1], name.strip()[-1:]) for name in rows_by_label}
    if ends in ({('"', '"')}, {("'", "'")}):
        problems.warn(
            f"all labels are in quotes, which are a part of their names: {name_list(rows_by_label, limit=2)}",
            where=train.source,
            remedy='in csv, cells are quoted by ", right behind the delimiter, with no space between them',
        )
    for names in alike([*known, *rows_by_label]):
        rows = {name: rows_by_label.get(name, Rows()) for name in names}
        rarest = min((found for found in rows.values() if found.count), key=lambda found: found.count, default=None)
        counts = {name: found.count for name, found in rows.items()}
        places = "" if rarest is None else _places(train, rarest.places, rarest.count)
        warn_of_lookalikes(counts, problems, places=places)


def _report_mixed_labels(
    train: Split, rows_by_label: Mapping[str, Rows], numbers: set[str], problems: Problems
) -> None:
    with_number = Rows.joined(rows for name, rows in rows_by_label.items() if name in numbers)
    with_word = Rows.joined(rows for name, rows in rows_by_label.items() if name not in numbers)
    minority = min(with_number, with_word, key=lambda rows: rows.count)
    share = with_number.count / (with_number.count + with_word.count)
    problems.error(
        f"the label column mixes numbers and words: {with_number.count:,} rows have a number "
        f"({share:.0%}), such as {str(with_number.first(train).label)!r}; {with_word.count:,} have a word, "
        f"such as {str(with_word.first(train).label)!r}{_places(train, minority.places, minority.count)}",
        remedy="fix these rows, or, if the labels are right, list all names under data.labels",
    )


def _is_blank(text: str | None) -> bool:
    return text is not None and not text.strip()


def _is_printed(text: str) -> bool:
    return text.startswith(_PRINTED) and text.endswith("]")


def _is_missing(label: Label | None) -> bool:
    return label is None or (isinstance(label, str) and not label.strip())


def _is_no_number(label: Label | None) -> bool:
    return label is not None and label != "" and not _is_finite_number(label)


def _is_finite_number(label: object) -> bool:
    if isinstance(label, bool) or not isinstance(label, (int, float, str)):
        return False
    try:
        return math.isfinite(float(label))
    except ValueError:
        return False


def _places(split: Split, places: Sequence[int], count: int) -> str:
    """Returns where rows are.

    Args:
        places: of the first `MAX_PLACES` of them.
        count: of all.
    """
    rows = at(split.examples, places)
    more = f" (+{count - len(rows):,} more)" if count > len(rows) else ""
    if all(row.line for row in rows):
        lines = ", ".join(str(row.line) for row in rows)
        return f"; {split.source}, {'line' if count == 1 else 'lines'} {lines}{more}"
    return f"; {split.source}, {', '.join(row.summary() for row in rows)}{more}"
