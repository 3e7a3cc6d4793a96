"""Token classification: a tag for every word; entities in the scheme that the run declares."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ftkit.data import spans as span_cells
from ftkit.data.check import Problems, check_size
from ftkit.data.readers import Table
from ftkit.data.spec import DataSpec
from ftkit.data.words import word_offsets
from ftkit.errors import DataError, did_you_mean, name_list
from ftkit.tag_schemes import OUTSIDE, conlleval_entities, entity_type, parse, tag_names
from ftkit.tasks.settings import check_roles, check_smoothing, given_weights
from ftkit.tasks.tag_conversion import DEFAULT_SCHEME, resolve
from ftkit.tasks.task import Task
from ftkit.types import LabelSpace, ScoreType, Split, TokenExample, natural_sort

if TYPE_CHECKING:
    from ftkit.metrics.tagging import TagScorer

__all__ = ["ROLES", "TASK", "read_examples", "resolve"]

TASK = Task(
    name="token-classification",
    kind="token-classification",
    columns={"tokens": "tokens", "tags": "tags", "text": "text", "spans": "spans"},
)

WORDS_EXAMPLE = '{"tokens": ["Anna", "left"], "tags": ["B-PER", "O"]}'

ROLES: Mapping[str, str] = {
    "tokens": "the words, as a list",
    "tags": "a tag for each word, as a list",
    "text": "a text, where there are spans instead of tags",
    "spans": "the labelled spans of the text",
    "id": "the row's own id, kept in predictions",
}


def columns_of(task: Task, spec: DataSpec) -> dict[str, str]:
    """Returns role -> column: the kind's own names, then the task's, then the config's.

    Raises:
        ConfigError: a role does not exist.
    """
    check_roles(spec.columns, ROLES)
    return {**TASK.columns, **task.columns, **spec.columns}


def scored_as(task: Task, spec: DataSpec) -> ScoreType:
    """Returns what decides the metrics: the kind."""
    return "token-classification"


def blocks(problem_type: ScoreType) -> tuple[str, ...]:
    """Returns what the report shows of predictions, in order: names of the table of blocks."""
    return "label-f1", "label-scores", "entity-errors"


def reading(problem_type: ScoreType) -> str:
    """Returns how the report tells predictions in words: a name of the table of readings."""
    return "entities"


def make_scorer(names: Sequence[str], labels: LabelSpace, spec: DataSpec) -> TagScorer:
    """Returns what computes the metrics of a run."""
    from ftkit.metrics.tagging import TagScorer

    return TagScorer(names, labels)


def saved_labels(config: Mapping[str, Any]) -> LabelSpace:
    """Returns the labels of a saved run from its `config.json`."""
    names = {int(index): name for index, name in config["id2label"].items()}
    return LabelSpace(tuple(names[index] for index in sorted(names)))


# --- rows -> examples ---------------------------------------------------------------------------------------


def read_examples(
    table: Table, task: Task, columns: Mapping[str, str], spec: DataSpec, *, with_labels: bool
) -> Iterator[TokenExample]:
    """Turns rows into examples one by one; tags stay as written until `resolve`.

    A row has words (and tags), or a text (and spans), or is a task of Label Studio.

    Args:
        columns: role -> column.
        with_labels: False for rows that are only to be predicted; their tags or spans may be absent.

    Raises:
        DataError: a column is not in the file, or a row holds something else than words and tags.
    """
    columns = dict(columns)
    if task.prepare is None:
        _find_columns(table, columns, with_labels)
    for position, row in enumerate(table.rows):
        cells = task.prepare(dict(row.values)) if task.prepare is not None else row.values
        id_cell = cells.get(columns["id"]) if "id" in columns else None
        try:
            parts = _parts(cells, columns, with_labels)
        except span_cells.WrongSpan as error:
            shape = WORDS_EXAMPLE if columns["tokens"] in cells else span_cells.EXAMPLE
            raise DataError(f"{table.source}, line {row.line}: {error}.\nFix: write it like {shape}") from None
        yield TokenExample(id=position if id_cell is None else id_cell, line=row.line, **parts)


def _find_columns(table: Table, columns: dict[str, str], with_labels: bool) -> None:
    """Checks that the file has what is needed; the column of spans may have doccano's names."""
    if columns["tokens"] in table.columns:
        if with_labels and columns["tags"] not in table.columns:
            raise table.missing_column(columns["tags"], role="tags")
    elif columns["text"] in table.columns:
        if columns["spans"] not in table.columns:
            found = [name for name in span_cells.SPAN_COLUMNS if name in table.columns]
            if not found and with_labels:
                raise _no_spans(table, columns)
            columns["spans"] = found[0] if found else columns["spans"]
    elif "data" not in table.columns:
        raise table.missing_column(columns["tokens"], role="tokens")


def _no_spans(table: Table, columns: Mapping[str, str]) -> DataError:
    if table.columns == ("text",):
        return DataError(
            f"{table.source}: there are texts without tags. If the file holds one word a line with its tag, name it "
            ".conll; a .txt file is one text a line."
        )
    return table.missing_column(columns["spans"], role="spans")


def _parts(cells: Mapping[str, Any], columns: Mapping[str, str], with_labels: bool) -> dict[str, Any]:
    """Returns words and tags, or text and spans, of a row's cells."""
    if span_cells.is_label_studio(cells):
        text = _text(span_cells.label_studio_text(cells, columns["text"]))
        return _text_parts(text, span_cells.label_studio_spans(cells) if with_labels else None, with_labels)
    if cells.get(columns["tokens"]) is not None:
        words = _list(cells[columns["tokens"]], "words")
        tags = cells.get(columns["tags"]) if with_labels else None
        return {"words": words, "tags": None if tags is None else _list(tags, "tags")}
    return _text_parts(_text(cells.get(columns["text"])), cells.get(columns["spans"]), with_labels)


def _text_parts(text: str, spans: Any, with_labels: bool) -> dict[str, Any]:
    offsets = tuple(word_offsets(text))
    return {
        "words": tuple(text[start:end] for start, end in offsets),
        "text": text,
        "offsets": offsets,
        "spans": span_cells.read_spans(spans, text) if with_labels else None,
    }


def _text(cell: Any) -> str:
    if not isinstance(cell, str):
        raise span_cells.WrongSpan(f"the text is missing: got {cell!r}")
    return cell


def _list(cell: Any, what: str) -> tuple[Any, ...]:
    if not isinstance(cell, (list, tuple)):
        raise span_cells.WrongSpan(f"expected a list of {what}, got {str(cell)[:60]!r}")
    return tuple(cell)


def input_example(position: int, item: Any) -> TokenExample:
    """Returns an input of `Predictor.predict` as an example: a text, or a list of words.

    Raises:
        DataError: it is neither.
    """
    if isinstance(item, str):
        return TokenExample(id=position, line=position, **_text_parts(item, None, False))
    if isinstance(item, (list, tuple)) and all(isinstance(word, str) for word in item):
        return TokenExample(id=position, words=tuple(item), line=position)
    raise DataError(f"inputs, item {position}: expected a text or a list of words, got {item!r}.")


# --- labels ---------------------------------------------------------------------------------------------------


def fit_labels(train: Split, task: Task, spec: DataSpec) -> LabelSpace:
    """Returns all tags of the learnt scheme for the types declared, else for those of train, sorted naturally."""
    types = declared_types(task, spec)
    if types is None:
        found = {entity_type(tag) for example in train.examples for tag in set(example.tags or ())}
        types = tuple(natural_sort(name for name in found if name is not None))
    return LabelSpace(tag_names(types, spec.tag_scheme or DEFAULT_SCHEME))


def declared_types(task: Task, spec: DataSpec) -> tuple[str, ...] | None:
    """Returns the entity types that config or task declare, as types or as tags, or None."""
    declared = spec.labels if spec.labels is not None else task.labels
    if declared is None:
        return None
    return tuple(dict.fromkeys(parse(name).label for name in declared if name != OUTSIDE))


# --- checks -----------------------------------------------------------------------------------------------------


def check(splits: Mapping[str, Split], labels: LabelSpace, task: Task, spec: DataSpec, problems: Problems) -> None:
    """Reports everything that is wrong with the examples of a run, by file and row."""
    for split in splits.values():
        check_size(split, problems)
        check_inputs(split, problems)
        for example in split.examples:
            if not example.words:
                problems.error(
                    f"{split.name}: the sentence is empty",
                    where=split.where(example),
                    remedy="fill in its words, or delete the row",
                )
        check_known_labels(split, labels, problems)
    train = splits.get("train")
    if train is None:
        return
    if len(labels) == 1:
        problems.error(
            "train has no entity: every tag is O",
            where=train.source,
            remedy="check data.columns.tags, or add sentences with entities",
        )
    _check_rare_types(train, problems)
    _check_leaks(train, [split for split in splits.values() if split is not train], problems)


def check_inputs(split: Split, problems: Problems) -> None:
    """Reports what cannot be read as words."""
    for example in split.examples:
        for position, word in enumerate(example.words):
            if not isinstance(word, str) or not word:
                what = "is empty" if word == "" else f"is no text, but {word!r}"
                problems.error(
                    f"{split.name}: a word {what}",
                    where=f"{split.where(example)}, word {position + 1}",
                    remedy="write every word as text, or delete it with its tag",
                    kind=f"{split.name}: no word",
                )


def check_known_labels(split: Split, labels: LabelSpace, problems: Problems) -> None:
    """Reports tags of rows to be trained on or scored that the model has no output for."""
    types = list(dict.fromkeys(name for tag in labels.names if (name := entity_type(tag)) is not None))
    for example in split.examples:
        for position, tag in enumerate(example.tags or ()):
            if tag not in labels:
                name = parse(tag).label
                problems.error(
                    f"{split.name}: the tag {tag!r} is none that the run knows.{did_you_mean(name, types)}",
                    where=f"{split.where(example)}, word {position + 1}",
                    remedy=f"correct the tag, or list all types under data.labels; known: {name_list(types)}",
                    kind=f"{split.name}: unknown tag {tag!r}",
                )


def _check_rare_types(train: Split, problems: Problems) -> None:
    counts: Counter[str] = Counter()
    for example in train.examples:
        counts.update({name for tag in example.tags or () if (name := entity_type(tag)) is not None})
    for name, count in counts.items():
        if count == 1:
            problems.warn(
                f"types with a single sentence in train, such as {name!r}",
                remedy="add sentences, or merge the type into another",
                kind="rare type",
            )


def _check_leaks(train: Split, others: Sequence[Split], problems: Problems) -> None:
    """A sentence that is both trained on and scored makes the score too good."""
    seen = {example.words for example in train.examples}
    for split in others:
        shared = [example for example in split.examples if example.words in seen]
        if shared:
            problems.warn(
                f"leak: {len(shared):,} of {len(split):,} sentences of {split.name} are also in train, word for word",
                where=split.where(shared[0]),
                remedy=f"remove them from train or from {split.name}; its scores are too good with them",
            )


# --- adapter and people -----------------------------------------------------------------------------------------


def adapter_options(
    train: Split,
    labels: LabelSpace,
    spec: DataSpec,
    *,
    class_weights: str | Mapping[str, float] | None,
    label_smoothing: float,
) -> dict[str, Any]:
    """Returns what the adapter is made with, all of it saved with the run.

    Raises:
        ConfigError: a weight for a tag that does not exist, or a setting that means nothing here.
    """
    check_smoothing(label_smoothing)
    return {
        "scheme": spec.tag_scheme or DEFAULT_SCHEME,
        "label_piece": spec.label_piece,
        "window_overlap": spec.window_overlap,
        "class_weights": _weights(train, labels, class_weights),
        "label_smoothing": label_smoothing,
    }


def _weights(train: Split, labels: LabelSpace, setting: str | Mapping[str, float] | None) -> list[float] | None:
    """Returns a weight for each tag: the declared ones, or scikit-learn's `balanced`."""
    if setting is None:
        return None
    if isinstance(setting, Mapping):
        return given_weights(setting, labels, noun="tag")
    counts = Counter(tag for example in train.examples for tag in example.tags)
    return [counts.total() / (len(labels) * counts[name]) if counts[name] else 1.0 for name in labels.names]


def shown_example(example: TokenExample, predicted: Any, labels: LabelSpace) -> dict[str, Any]:
    """Returns `text`, `expected` and `predicted` of one example, for the end of a run on the screen."""
    tags = [labels.names[index] for index in predicted]
    return {
        "text": example.text if example.text is not None else " ".join(example.words),
        "expected": _entities_text(example.words, example.tags or ()),
        "predicted": _entities_text(example.words, tags),
    }


def _entities_text(words: Sequence[str], tags: Sequence[str]) -> str:
    found = conlleval_entities(tags)
    return ", ".join(f"{' '.join(words[start:stop])} ({label})" for label, start, stop in found) or "no entity"
