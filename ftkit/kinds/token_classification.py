"""Token classification: a tag for every word; entities in the scheme that the run declares."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import ceil
from typing import Any, Literal

from pydantic import Field

from ftkit.adapters.augmentation.operation import options_of
from ftkit.adapters.augmentation.texts import WordAugment
from ftkit.adapters.spec import TaskAdapterSpec
from ftkit.data import spans as span_cells
from ftkit.data.annotations import unfold_annotations
from ftkit.data.cells import WrongCell, list_of, plain, text_of
from ftkit.data.prodigy import TOKEN_OFFSETS
from ftkit.data.readers import Table
from ftkit.data.row_cells import RowCells
from ftkit.data.sentences import join_rows
from ftkit.data.spec import Column, TextDataSpec
from ftkit.data.words import word_offsets
from ftkit.errors import CheckpointError, DataError, name_list
from ftkit.kinds.kind import Kind, Plain, Role, Settings
from ftkit.kinds.label_settings import check_name_lengths, check_smoothing, given_weights, saved_labels
from ftkit.kinds.probes import probe_text
from ftkit.kinds.refusals import NO_PREFIX, no_virtual_tokens
from ftkit.kinds.tag_checks import check, check_inputs, check_known_labels
from ftkit.kinds.tag_conversion import DEFAULT_SCHEME, LearntScheme, normalize_tags, types_of
from ftkit.kinds.task import Task
from ftkit.metrics.groups import GROUPS
from ftkit.models.spec import CheckpointSpec
from ftkit.tag_schemes import (
    OUTSIDE,
    PLAIN,
    PREFIXES,
    Repair,
    Scheme,
    entity_type,
    parse,
    recognise,
    tag_names,
)
from ftkit.types import LabelSpace, Split, TokenExample, natural_sort


class TokenClassificationData(TextDataSpec):
    """The `data` section of token classification."""

    augment: WordAugment | None = Field(
        None, description="Random changes of training words; each stays one word, with its tag. None unless set."
    )

    labels: tuple[str, ...] | None = Field(
        None, description="All entity types or tags, in output order. Default: those of train, sorted naturally."
    )
    tag_scheme: LearntScheme | None = Field(
        None,
        description="The scheme that is learnt, predicted and scored; none where each tag is a name by itself, such "
        "as a part of speech. Default: IOB2.",
    )
    source_tag_scheme: Scheme | None = Field(
        None, description="The scheme of the files' tags. Default: recognised, and recorded."
    )
    sentence_column: Column | None = Field(
        None,
        description="Where a row is a word: the column that says which sentence it belongs to; an empty cell is the "
        "sentence before.",
    )
    repair_tags: Repair | None = Field(
        None, description="What a tag becomes that breaks its scheme. Default: it stays."
    )
    label_piece: Literal["first", "last"] | None = Field(
        None, description="Which piece of a word bears its tag. Default: first; last where attention is causal."
    )
    window_overlap: int | None = Field(
        None, ge=0, description="Tokens that windows of a long text share. Default: a quarter."
    )


# --- rows -> examples ---------------------------------------------------------------------------------------


def read_examples(
    table: Table, task: Task, columns: Mapping[str, str], data: TokenClassificationData, *, with_labels: bool
) -> Iterator[TokenExample]:
    """Turns rows into examples one by one; tags stay as written until `normalize_tags`.

    A row has words (and tags), or a text (and spans), or is what an annotation tool exports.

    Args:
        columns: role -> column.
        with_labels: False for rows that are only to be predicted; their tags or spans may be absent.

    Raises:
        DataError: a column is not in the file.
    """
    columns = {**columns, TOKEN_OFFSETS: TOKEN_OFFSETS}
    if task.prepare is None:
        table = unfold_annotations(_sentences(table, columns, data, with_labels), with_labels=with_labels)
        _find_columns(table, columns, with_labels)
    for position, row in enumerate(table.rows):
        cells = RowCells(task.prepared(row.values), columns)
        parts = _parts(cells, with_labels, has_tokens=columns["tokens"] in table.columns)
        yield TokenExample(
            id=cells.id(position), line=row.line, group=cells.group(), **parts, cell_errors=cells.errors
        )


def _sentences(table: Table, columns: Mapping[str, str], data: TokenClassificationData, with_labels: bool) -> Table:
    """Returns a table with a sentence a row; rows to predict may be so already."""
    column = data.sentence_column
    if column is None or (column not in table.columns and not with_labels):
        return table
    if column not in table.columns:
        raise table.missing_column(column)
    return join_rows(table, column, kept=[columns[role] for role in ("id", "group") if role in columns])


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
    else:
        words = "; or, of a file without a header that has a word and its tag a line, name it .conll"
        raise table.missing_column(columns["tokens"], role="tokens", otherwise=words)


def _no_spans(table: Table, columns: Mapping[str, str]) -> DataError:
    if table.columns == ("text",):
        return DataError(
            f"{table.source}: there are texts without tags. If the file holds one word a line with its tag, name it "
            ".conll; a .txt file is one text a line."
        )
    return table.missing_column(columns["spans"], role="spans")


def _parts(cells: RowCells, with_labels: bool, *, has_tokens: bool) -> dict[str, Any]:
    """Returns words and tags, or text and spans, of a row's cells; no words where they cannot be read.

    Args:
        has_tokens: whether the file has a column of words; a row may have a text in their place.
    """
    if cells.get("tokens") is not None or (has_tokens and cells.get("text") is None):
        has_tags = with_labels and cells.get("tags") is not None
        words = cells.read("tokens", _words, ())
        tags = cells.read("tags", functools.partial(list_of, what="tags"), None) if has_tags else None
        return {"words": words, "tags": tags}
    text = cells.read("text", _text, "")
    parts = _text_parts(text, cells.read(TOKEN_OFFSETS, plain, None))
    read_spans = functools.partial(span_cells.read_spans, text=text)
    spans = cells.read("spans", read_spans, None) if with_labels and not cells.errors else None
    return {**parts, "spans": spans}


def _text_parts(text: str, offsets: tuple[tuple[int, int], ...] | None = None) -> dict[str, Any]:
    """Returns a text and its words.

    Args:
        offsets: where its words lie, if it came with them; those that are white space are none.
    """
    offsets = offsets or tuple(word_offsets(text))
    offsets = tuple((start, end) for start, end in offsets if text[start:end].strip())
    return {"words": tuple(text[start:end] for start, end in offsets), "text": text, "offsets": offsets}


def _words(cell: Any) -> tuple[Any, ...]:
    if cell is None:
        raise WrongCell("holds nothing", "fill in the words, or delete the row")
    return list_of(cell, "words")


def _text(cell: Any) -> str:
    if cell is None:
        raise WrongCell("holds nothing", "fill in the text, or delete the row")
    return text_of(cell)


def input_example(position: int, item: Any) -> TokenExample:
    """Returns an input of `Predictor.predict` as an example: a text, or a list of words.

    Raises:
        DataError: it is neither.
    """
    if isinstance(item, str):
        return TokenExample(id=position, line=position, **_text_parts(item))
    if isinstance(item, (list, tuple)) and all(isinstance(word, str) for word in item):
        return TokenExample(id=position, words=tuple(item), line=position)
    raise DataError(f"inputs, item {position}: expected a text or a list of words, got {item!r}.")


# --- labels ---------------------------------------------------------------------------------------------------


def labels_of(train: Split, task: Task, data: TokenClassificationData) -> LabelSpace:
    """Returns all tags of the learnt scheme for the types declared, else for those of train, sorted naturally."""
    scheme = data.tag_scheme or DEFAULT_SCHEME
    if scheme == PLAIN:
        declared = data.labels if data.labels is not None else task.labels
        return LabelSpace(declared or tuple(natural_sort(tag for example in train.examples for tag in example.tags)))
    types = declared_types(task, data)
    if types is None:
        found = {entity_type(tag) for example in train.examples for tag in set(example.tags or ())}
        types = tuple(natural_sort(name for name in found if name is not None))
    return LabelSpace(tag_names(types, scheme))


def declared_types(task: Task, data: TokenClassificationData) -> tuple[str, ...] | None:
    """Returns the entity types that config or task declare, as types or as tags, or None; ConfigError if monstrous."""
    declared = data.labels if data.labels is not None else task.labels
    if declared is None:
        return None
    check_name_lengths(declared, "data.labels")
    return tuple(dict.fromkeys(parse(name).label for name in declared if name != OUTSIDE))


# --- adapter and people -----------------------------------------------------------------------------------------


def adapter_options(
    train: Split, labels: LabelSpace, data: TokenClassificationData, settings: Settings
) -> dict[str, Any]:
    """Returns what the adapter is made with, all of it saved with the run.

    Raises:
        ConfigError: a weight for a tag that does not exist, or a setting that means nothing here.
    """
    check_smoothing(settings.label_smoothing)
    return {
        "scheme": data.tag_scheme or DEFAULT_SCHEME,
        "label_piece": data.label_piece,
        "window_overlap": data.window_overlap,
        "augment": options_of(data.augment),
        "class_weights": _weights(train, labels, settings.class_weights),
        "label_smoothing": settings.label_smoothing,
    }


def _weights(train: Split, labels: LabelSpace, setting: str | Mapping[str, float] | None) -> list[float] | None:
    """Returns a weight for each tag: the declared ones, or scikit-learn's `balanced`."""
    if setting is None:
        return None
    if isinstance(setting, Mapping):
        return given_weights(setting, labels, noun="tag")
    counts = Counter(tag for example in train.examples for tag in example.tags)
    return [counts.total() / (len(labels) * counts[name]) if counts[name] else 1.0 for name in labels.names]


# --- the kind -----------------------------------------------------------------------------------------------


def of_plain_checkpoint(labels: LabelSpace | None, spec: CheckpointSpec, data: Any, where: str) -> Plain:
    """Returns tag names as ftkit spells them, with their scheme.

    Example: `o b-per i-per` is `O B-per I-per` in IOB2; `O PER LOC`, without prefixes, is `O I-PER I-LOC` in IO; `NOUN
    VERB`, without O, is in none.

    Raises:
        CheckpointError: they are in no scheme that is known.
    """
    assert labels is not None
    names = tuple(_upper_prefix(name, labels.names) for name in labels.names)
    scheme = recognise([name] for name in names)
    if scheme == "IO" and not any(name == OUTSIDE or parse(name).prefix for name in names):
        return Plain(
            labels=LabelSpace(names),
            data={"tag_scheme": PLAIN, "labels": names},
            options={"scheme": PLAIN, "label_piece": "first"},
        )
    if scheme is None:
        raise CheckpointError(
            f"{where}: the tags in id2label are in no scheme that is known: "
            f"{name_list(names, limit=8)}. A tag is O, or a prefix of IOB1, IOB2, IOBES, BILOU or IO, a hyphen and a "
            "type, such as B-PER. Correct the names there; their order stays."
        )
    if scheme == "IO":
        names = tuple(name if parse(name).prefix else f"I-{name}" for name in names)
    return Plain(
        labels=LabelSpace(names),
        data={"tag_scheme": scheme, "labels": names},
        options={"scheme": scheme, "label_piece": "first", "legal_paths": False},
    )


def _upper_prefix(name: str, names: Sequence[str]) -> str:
    letters = "".join(dict.fromkeys("".join(PREFIXES.values()))).lower()
    is_lower = all(
        other in ("o", OUTSIDE) or (other[:1] in letters and other[1:2] == "-" and len(other) > 2) for other in names
    )
    return name[:1].upper() + name[1:] if is_lower else name


def probe(position: int) -> TokenExample:
    """Returns the words of a made-up text, without tags."""
    return input_example(position, probe_text(position))


def lengthened(example: TokenExample, length: int) -> TokenExample:
    """Returns a text so often repeated that it has so many words."""
    words = example.words * ceil(length / max(len(example.words), 1))
    return replace(example, words=words[:length], text=None, offsets=None)


def _task_adapter(refuses: Mapping[str, str]) -> TaskAdapterSpec:
    return TaskAdapterSpec(
        preprocessor="ftkit.adapters.preprocessors.words:WordPreprocessor",
        objective="ftkit.adapters.objectives.tags:TagObjective",
        auto_class="AutoModelForTokenClassification",
        usage="tag",
        peft_task="TOKEN_CLS",
        refuses=refuses,
    )


_NO_VIRTUAL_TOKENS = no_virtual_tokens("peft has no virtual tokens for encoder-decoders that tag")

KIND = Kind(
    name="token-classification",
    roles={
        "tokens": Role(description="the words, as a list", column="tokens"),
        "tags": Role(description="a tag for each word, as a list", column="tags"),
        "text": Role(description="a text, where there are spans instead of tags", column="text"),
        "spans": Role(description="the labelled spans of the text", column="spans"),
        "id": Role(description="the row's own id, kept in predictions"),
    },
    data=TokenClassificationData,
    settings=frozenset({"attention", "class_weights", "label_smoothing"}),
    read=read_examples,
    names_of=types_of,
    normalize=normalize_tags,
    labels=labels_of,
    saved_labels=saved_labels,
    check=check,
    check_inputs=check_inputs,
    check_known_labels=check_known_labels,
    input_example=input_example,
    probe=probe,
    lengthened=lengthened,
    adapter_options=adapter_options,
    of_plain_checkpoint=of_plain_checkpoint,
    task_adapters={
        "encoder": _task_adapter(NO_PREFIX),
        "decoder": _task_adapter({}),
        "encoder-decoder": _task_adapter(_NO_VIRTUAL_TOKENS),
    },
    metrics=lambda task, data: GROUPS["plain-tags" if data.tag_scheme == PLAIN else "token-classification"],
    reading=lambda group: "tags" if group == "plain-tags" else "entities",
    blocks=lambda group: ("label-f1", "label-scores", "tag-errors" if group == "plain-tags" else "entity-errors"),
)
