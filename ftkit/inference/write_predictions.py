"""Predictions of a file or of typed texts, written row by row in input order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ftkit.adapters.objective import Prediction
from ftkit.console import note
from ftkit.data.prediction_file import PredictionFile
from ftkit.data.readers import fingerprint
from ftkit.data.spec import Source
from ftkit.engine.shared_work import agreed
from ftkit.errors import DataError
from ftkit.inference.predictor import Input, Predictor
from ftkit.kinds.kind import Kind
from ftkit.models.fingerprint import folder_fingerprint, graph_fingerprint
from ftkit.progress import each
from ftkit.version import __version__


@dataclass(frozen=True)
class TypedTexts:
    """Texts that the user typed instead of naming a file.

    Attributes:
        texts: what is predicted.
        pairs: the second text of each; empty where the texts stand alone.
    """

    texts: Sequence[str]
    pairs: Sequence[str] = ()

    def inputs(self, kind: Kind) -> list[Input]:
        """Returns what `Predictor.predict` takes."""
        if self.pairs:
            return list(zip(self.texts, self.pairs, strict=True))
        return [kind.typed(text) for text in self.texts]


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes:
        num_rows: rows of the file, those of an interrupted call included.
        num_made_safe: cells that got an apostrophe, so that no spreadsheet runs them.
    """

    num_rows: int
    num_made_safe: int


def write_predictions(
    predictor: Predictor, given: Source | TypedTexts, file: PredictionFile, *, options: Sequence[Any]
) -> Written:
    """Predicts all rows of a source, or typed texts, and writes them as they come.

    Args:
        options: values that change predictions; rows of an interrupted call are gone on with only by the same.

    Raises:
        DataError: no row can be predicted.
        UserError: the file cannot be written, or the rows that are there follow from something else.
    """
    if file.holds_vectors:
        predictor.give_vectors()
    num_rows = num_bad = 0
    with file.opened(lambda: _facts(predictor, given, options)) as (writer, num_done):
        if file.resumes:
            num_done = agreed(num_done)
        if num_done:
            note(f"going on behind the {num_done:,} rows that are there")
        for row in _predicted(predictor, given, file.on_bad_row, num_done):
            writer.write(row)
            num_rows += 1
            num_bad += "error" in row
        if num_rows == num_bad and not num_done:
            raise DataError(_nothing_predicted(given, predictor.kind.reads))
    return Written(num_done + num_rows, writer.num_made_safe)


def _predicted(
    predictor: Predictor, given: Source | TypedTexts, on_bad_row: Any, num_done: int
) -> Iterator[Prediction]:
    """Returns the rows behind the first `num_done`."""
    if isinstance(given, TypedTexts):
        return iter(predictor.predict(given.inputs(predictor.kind), on_bad_row=on_bad_row))
    rows = predictor.predict_source(given, on_bad_row=on_bad_row, num_done=num_done)
    return each(rows, f"predicting {given}")


def _nothing_predicted(given: Source | TypedTexts, reads: str) -> str:
    if not isinstance(given, TypedTexts):
        return f"No row of {given} can be predicted; see the warning above."
    fix = " Fix: give what is more than one text as --text and --text-pair, or as rows of a file: --input."
    if reads != "text":
        fix = " Fix: name files, or a table of them, by --input."
    if given.pairs or not any(text.strip() for text in given.texts):
        fix = ""
    return f"No row of the texts can be predicted; see the warning above.{fix}"


def _facts(predictor: Predictor, given: Source | TypedTexts, options: Sequence[Any]) -> dict[str, Any]:
    """Returns what predictions follow from."""
    assert not isinstance(given, TypedTexts), "nobody goes on with texts that were typed"
    return {
        "input": fingerprint(given),
        "run": folder_fingerprint(predictor.folder) + graph_fingerprint(predictor.folder),
        "options": repr(tuple(options)),
        "data": predictor.config.data.model_dump(mode="json"),
        "ftkit": __version__,
    }
