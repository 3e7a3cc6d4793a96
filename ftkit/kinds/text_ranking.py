"""Text ranking: a query, and documents that are more or less relevant to it, read together by a cross-encoder."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import Field

from ftkit.adapters.augmentation.operation import options_of
from ftkit.adapters.augmentation.texts import TextAugment
from ftkit.data.cells import WrongCell, describe, list_of, plain, shown, text_of
from ftkit.data.check import Problems, Wording
from ftkit.data.readers import Table
from ftkit.data.row_cells import RowCells
from ftkit.data.sentences import Joined, join_rows
from ftkit.data.spec import Column, TextDataSpec
from ftkit.errors import DataError
from ftkit.kinds import candidates
from ftkit.kinds.kind import Kind, Role, Settings, Splits
from ftkit.kinds.label_settings import saved_labels
from ftkit.kinds.task import Task
from ftkit.metrics.groups import GROUPS
from ftkit.metrics.simple_methods import MOST_CANDIDATES, bm25
from ftkit.types import CandidatesExample, Split

WORDING = Wording("query", "queries", "word for word, with the same documents")
_NONE: tuple[str, ...] = ()
DOCUMENTS = Joined("document", "query", "data.query_column", "give every query an id of its own")


class TextRankingData(TextDataSpec):
    """The `data` section of text ranking."""

    augment: TextAugment | None = Field(None, description="Random changes of training texts. None unless set.")

    query_column: Column | None = Field(
        None,
        description="Where a row is one document: the column that says which query it belongs to, such as query or "
        "query_id; rows of a query stand together.",
    )


# --- rows -> examples ---------------------------------------------------------------------------------------


def read_examples(
    table: Table, task: Task, columns: Mapping[str, str], data: TextRankingData, *, with_labels: bool
) -> Iterator[CandidatesExample]:
    """Turns rows into examples one by one.

    A row has a query, a list of documents and a list of their relevances; or a query, relevant and irrelevant
    documents in columns of their own; or, with `query_column`, one document.

    Args:
        columns: role -> column.
        with_labels: False for rows that are only to be predicted; relevances may be absent.

    Raises:
        DataError: a column is not in the file.
    """
    if task.prepare is None:
        table = _queries(table, columns, data, with_labels)
        for role in _needed(columns, with_labels):
            if columns[role] not in table.columns:
                each = "; where each document has a row, name data.query_column, too" if role == "documents" else ""
                raise table.missing_column(columns[role], role=role, otherwise=each)
    for position, row in enumerate(table.rows):
        cells = RowCells(task.prepared(row.values), columns)
        documents, relevances = _documents(cells, with_labels)
        yield CandidatesExample(
            id=cells.id(position),
            text=cells.text("query"),
            candidates=documents,
            relevances=relevances,
            line=row.line,
            group=cells.group(),
            cell_errors=cells.errors,
        )


def _queries(table: Table, columns: Mapping[str, str], data: TextRankingData, with_labels: bool) -> Table:
    """Returns a table with a query a row; rows to predict may be so already."""
    column = data.query_column
    if column is None or (column not in table.columns and not with_labels):
        return table
    if column not in table.columns:
        raise table.missing_column(column)
    kept = [columns[role] for role in ("query", "id", "group") if role in columns]
    return join_rows(table, column, kept=kept, wording=DOCUMENTS)


def _needed(columns: Mapping[str, str], with_labels: bool) -> list[str]:
    if "positives" in columns:
        return ["query", "positives", *(["negatives"] if "negatives" in columns else [])]
    return ["query", "documents", *(["label"] if with_labels else [])]


def _documents(cells: RowCells, with_labels: bool) -> tuple[tuple[str, ...], tuple[float, ...] | None]:
    if "positives" not in cells.columns:
        return _read(cells, "documents"), cells.read("label", _relevances, None) if with_labels else None
    good, bad = (_read(cells, role) for role in ("positives", "negatives"))
    return (*good, *bad), (1.0,) * len(good) + (0.0,) * len(bad) if with_labels else None


def _read(cells: RowCells, role: str) -> tuple[str, ...]:
    return cells.read(role, _texts, _NONE) if role in cells.columns else _NONE


def _texts(cell: Any) -> tuple[str, ...]:
    """Returns the texts of a list, or one text alone."""
    cell = plain(cell)
    if isinstance(cell, str) and not cell.lstrip().startswith("["):
        return (cell,)
    return tuple(map(text_of, list_of(cell, "texts")))


def _relevances(cell: Any) -> tuple[float, ...]:
    """Returns the numbers of a list, 0 or more.

    Raises:
        WrongCell: it is no list of such numbers.
    """
    return tuple(map(_relevance, list_of(cell, "numbers")))


def _relevance(item: Any) -> float:
    try:
        number = float(item)
    except (TypeError, ValueError):
        what = "holds nothing in one place" if item in (None, "") else f"{describe(item)} in place of a number"
        raise WrongCell(what, "write 0 for documents that are not relevant, 1 or more for others", cell=item) from None
    if not (math.isfinite(number) and number >= 0):
        raise WrongCell("holds a relevance below 0", "write 0 for documents that are not relevant", cell=item)
    return number


# --- checks -------------------------------------------------------------------------------------------------


def check(splits: Splits, labels: Any, task: Task, data: TextRankingData, problems: Problems) -> None:
    """Reports everything that is wrong with the examples of a run, by file and row."""
    candidates.check_candidates(splits, problems, WORDING, "document")
    for split in splits.values():
        _check_relevances(split, problems)
    train = splits.get("train")
    if train is not None and len(train) and not any(map(_teaches, train.examples)):
        problems.error(
            "train has no query of which one document is more relevant than another",
            where=train.source,
            remedy="check data.columns: of each query some documents are relevant, and others are not",
        )


def _check_relevances(split: Split, problems: Problems) -> None:
    for example in split.examples:
        relevances = example.relevances
        if relevances is not None and len(relevances) != len(example.candidates):
            problems.error(
                f"{split.name}: a query has {len(example.candidates)} documents and {len(relevances)} relevances",
                where=split.where(example),
                remedy="write a relevance for each document",
                kind=f"{split.name}: number of relevances",
            )
        elif relevances is not None and not any(relevances):
            problems.warn(
                f"{split.name}: queries of which no document is relevant",
                where=split.where(example),
                remedy="nothing is learnt from them, and no score counts them",
            )
        elif relevances is not None and split.name == "train" and not _teaches(example):
            problems.warn(
                "train: queries whose documents are all equally relevant",
                where=split.where(example),
                remedy="give them documents that are not relevant, such as those of other queries",
            )


def _teaches(example: CandidatesExample) -> bool:
    return example.relevances is not None and len(set(example.relevances)) > 1


def check_inputs(split: Split, problems: Problems) -> None:
    """Reports rows that cannot be predicted: those without a query or documents."""
    candidates.check_texts(split, problems, WORDING.one, "document")


def input_example(position: int, item: Any) -> CandidatesExample:
    """Returns an input of `Predictor.predict` as an example: a query and its documents.

    Raises:
        DataError: it is something else.
    """
    if isinstance(item, Mapping) and set(item) == {"query", "documents"}:
        item = (item["query"], item["documents"])
    if not isinstance(item, (list, tuple)) or len(item) != 2 or not isinstance(item[0], str):
        raise DataError(f"inputs, item {position}: expected (QUERY, [DOCUMENT, ...]), got {shown(item)}.")
    try:
        return CandidatesExample(id=position, text=item[0], candidates=_texts(item[1]), line=position)
    except WrongCell as wrong:
        raise DataError(f"inputs, item {position}: the documents: {wrong}. Fix: {wrong.remedy}.") from None


def baselines(train: Split | None, split: Split) -> dict[str, Any]:
    """Returns BM25 of the documents, which is what a search without a model gives."""
    if sum(len(example.candidates) for example in split.examples) > MOST_CANDIDATES:
        return {}
    queries, documents = zip(*((example.text, example.candidates) for example in split.examples), strict=True)
    return {"bm25": bm25(queries, documents)}


def adapter_options(train: Split, labels: Any, data: TextRankingData, settings: Settings) -> dict[str, Any]:
    """Returns what the adapter is made with: a document is cut at its end, so that its query stays."""
    return {"cut_side": "right", "augment": options_of(data.augment)}


KIND = Kind(
    name="text-ranking",
    roles={
        "query": Role(description="what is looked for", column="query"),
        "documents": Role(description="the list of documents, or one of them", column="documents"),
        "label": Role(description="how relevant each document is: 0 is not at all", column="labels"),
        "positives": Role(description="relevant documents, where they have a column of their own"),
        "negatives": Role(description="documents that are not relevant"),
        "id": Role(description="the query's own id, kept in predictions"),
    },
    data=TextRankingData,
    read=read_examples,
    labels=candidates.one_score,
    saved_labels=saved_labels,
    check=check,
    check_inputs=check_inputs,
    input_example=input_example,
    probe=candidates.probe,
    lengthened=candidates.lengthened,
    adapter_options=adapter_options,
    of_plain_checkpoint=candidates.of_plain_checkpoint,
    task_adapters=candidates.task_adapters("RankingObjective"),
    metrics=GROUPS["text-ranking"],
    baselines=baselines,
    reading=lambda group: "ranking",
    blocks=lambda group: ("rank-histogram", "ranking-errors"),
)
