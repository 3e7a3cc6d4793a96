"""Rows to predict: those that cannot be predicted are found, and marked or left out, by one rule for all kinds.

| `on_bad_row` | a row that cannot be predicted |
|---|---|
| `empty`, the default | has null in the place of its prediction, and `error` says why |
| `skip` | is left out |
| `error` | stops the prediction |

With the first two the others are predicted, in the order of the input, and a warning at the end counts and names them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from ftkit.adapters.objective import Prediction
from ftkit.adapters.rows import Encoded
from ftkit.adapters.task_adapter import TaskAdapter
from ftkit.console import warn
from ftkit.data.cells import describe
from ftkit.data.problems import Problems
from ftkit.data.row_cells import check_cells
from ftkit.errors import DataError, UserError, did_you_mean, name_list
from ftkit.kinds.kind import Kind
from ftkit.runs.results import cut_off_sentence, cut_sentence
from ftkit.types import Split

INPUTS = "inputs"
"""What messages call a list that was handed over in a call; its rows are its items."""
REQUESTS = "requests"
"""The same of what a bank is asked."""

OnBadRow = Literal["error", "skip", "empty"]


def check_on_bad_row(choice: str) -> OnBadRow:
    """Returns the choice.

    Raises:
        UserError: there is none of this name.
    """
    choices = get_args(OnBadRow)
    if choice not in choices:
        raise UserError(
            f"on_bad_row: there is no {choice!r}.{did_you_mean(choice, choices)} There is {name_list(choices)}."
        )
    return choice  # type: ignore[return-value]


def check_is_list(inputs: Any) -> None:
    """Refuses what gives something else than inputs when it is gone through: characters, keys, names of columns.

    Raises:
        UserError: it is one text, an object, a table, or nothing that can be gone through.
    """
    if isinstance(inputs, str):
        raise UserError("predict expects a list of texts, got one text. Write predict([text]).")
    if hasattr(inputs, "columns"):
        raise UserError("predict expects a list of inputs, got a table. Write predict(list(table[COLUMN])).")
    if isinstance(inputs, (bytes, Mapping)) or not isinstance(inputs, Iterable):
        what = describe(inputs).removeprefix("holds ")
        raise UserError(f"predict expects a list of inputs, got {what}. Write predict([INPUT]).")


@dataclass(frozen=True)
class NoExample:
    """An input of which no example could be made.

    Attributes:
        error: why not.
    """

    id: int
    error: str
    line: int = 0
    size: int = 0


def made(position: int, item: Any, kind: Kind, columns: Mapping[str, str] | None) -> Any:
    """Returns an input as an example, or as a `NoExample`.

    Args:
        columns: role -> column of the rows that the model was trained on; None where nobody knows.
    """
    try:
        example = kind.input_example(position, item)
    except DataError as error:
        return NoExample(position, str(error))
    if columns is None:
        return example
    for role in kind.optional_inputs:
        is_given = getattr(example, role) is not None
        if is_given != (role in columns):
            what = (
                f"a {role}, and the model was trained without one"
                if is_given
                else f"no {role}, and the model reads one"
            )
            return NoExample(position, f"{INPUTS}, item {position}: there is {what}.")
    return example


@dataclass(frozen=True)
class Window:
    """Some rows, in their order.

    Attributes:
        examples: of all rows.
        bad: position of a row that cannot be predicted -> why.
        encoded: the other rows; None where there are none.
    """

    examples: Sequence[Any]
    bad: Mapping[int, str]
    encoded: Encoded | None

    @property
    def good(self) -> list[Any]:
        """The examples that can be predicted."""
        return [example for position, example in enumerate(self.examples) if position not in self.bad]


class InputRows:
    """The rows of one call of `predict`, window by window, and what is to be told of them at the end."""

    def __init__(self, kind: Kind, adapter: TaskAdapter, source: str, on_bad_row: OnBadRow) -> None:
        self._kind, self._adapter, self._source, self._on_bad_row = kind, adapter, source, on_bad_row
        self._found, self._num_rows, self._num_bad = Problems(), 0, 0
        self._cut: Counter[str] = Counter()
        self._num_cut_off = 0

    # --- examples -> windows ---

    def window(self, examples: Sequence[Any]) -> Window:
        """Returns checked and encoded rows.

        Raises:
            DataError: rows cannot be predicted, and `on_bad_row` is error.
        """
        bad = {place: example.error for place, example in enumerate(examples) if isinstance(example, NoExample)}
        if bad and self._on_bad_row == "error":
            raise DataError(next(iter(bad.values())))
        good = [example for example in examples if not isinstance(example, NoExample)]
        problems = found_in(self._kind, Split("input", self._source, good))
        if problems:
            if self._on_bad_row == "error":
                problems.raise_if_any()
            bad |= self._reasons(examples, bad, self._check)
        try:
            return self._encoded(examples, bad)
        except DataError as error:  # a file that is there, and is no recording
            return self.without_unreadable(examples, bad, error)

    def without_unreadable(self, examples: Sequence[Any], bad: Mapping[int, str], error: DataError) -> Window:
        """Returns the rows whose files can be decoded.

        Args:
            error: what was raised when one of them could not be.

        Raises:
            DataError: `on_bad_row` is error; or none of the rows is to blame.
        """
        window = self.readable(examples, bad)
        if window is None:
            raise error
        return window

    def readable(self, examples: Sequence[Any], bad: Mapping[int, str]) -> Window | None:
        """Returns the rows whose files can be decoded; None where these are all of them.

        Raises:
            DataError: `on_bad_row` is error, and a file cannot be decoded.
        """
        more = self._reasons(examples, bad, self._read)
        if not more:
            return None
        if self._on_bad_row == "error":
            problems = Problems()
            for place, reason in more.items():
                self._blame(problems, examples[place], reason)
            problems.raise_if_any()
        return self._encoded(examples, {**bad, **more})

    def _encoded(self, examples: Sequence[Any], bad: Mapping[int, str]) -> Window:
        good = [example for place, example in enumerate(examples) if place not in bad]
        return Window(examples, bad, self._adapter.preprocessor.encode(good, targets=False) if good else None)

    def _reasons(
        self, examples: Sequence[Any], bad: Mapping[int, str], why: Callable[[Any], str | None]
    ) -> dict[int, str]:
        reasons = ((place, why(example)) for place, example in enumerate(examples) if place not in bad)
        return {place: reason for place, reason in reasons if reason is not None}

    def _check(self, example: Any) -> str | None:
        messages = found_in(self._kind, Split("input", self._source, [example])).messages
        return "; ".join(message.removeprefix("input: ") for message in messages) or None

    def _read(self, example: Any) -> str | None:
        """Decodes the file of one row."""
        preprocessor = self._adapter.preprocessor
        try:
            rows = preprocessor.encode([example], targets=False).rows
            preprocessor.collate(rows.__getitems__(list(range(len(rows)))), training=False, rngs=None)
        except DataError as error:
            return str(error)
        return None

    # --- predictions -> rows ---

    def in_order(self, window: Window, predictions: Iterable[Prediction]) -> Iterator[Prediction]:
        """Yields a row for each example, with its `id`, and none for those that are left out."""
        return (row for row in self.in_place(window, predictions) if row is not None)

    def in_place(self, window: Window, predictions: Iterable[Prediction]) -> Iterator[Prediction | None]:
        """Yields a row for each example, with its `id`; None for those that are left out."""
        self._num_rows += len(window.examples)
        self._cut.update({} if window.encoded is None else window.encoded.cut)
        predicted = iter(predictions)
        for place, example in enumerate(window.examples):
            if place not in window.bad:
                prediction = next(predicted)
                self._num_cut_off += prediction.get("cut_off") is True
                yield {"id": example.id, **prediction}
                continue
            self._num_bad += 1
            self._blame(self._found, example, window.bad[place])
            if self._on_bad_row == "skip":
                yield None
                continue
            nothing = self._adapter.objective.no_prediction(example)
            yield {"id": example.id, **nothing, "error": window.bad[place]}

    def _blame(self, problems: Problems, example: Any, reason: str) -> None:
        if self._source in (INPUTS, REQUESTS):
            where = f"item {example.id}"
        else:
            where = f"{self._source}, line {example.line}" if example.line else f"{self._source}, {example.id}"
        problems.error(reason, where=where, kind=_sort(reason, example))

    def tell(self) -> None:
        """Warns of rows that could not be predicted, and of what was cut off."""
        for sentence in self.warnings:
            warn(sentence)

    @property
    def warnings(self) -> list[str]:
        """What the user should know of these rows."""
        found = [
            cut_sentence(self._source, count, self._num_rows, self._adapter.preprocessor.cut_meanings[what])
            for what, count in self._cut.items()
            if count
        ]
        if self._num_cut_off:
            sentence = cut_off_sentence(self._source, self._num_cut_off / self._num_rows)
            rows = "This row says" if self._num_cut_off == 1 else f"These {self._num_cut_off:,} rows say"
            found.append(f'{sentence} {rows} "cut_off": true.')
        if self._num_bad:
            what = {"empty": 'have an "error" instead of a prediction', "skip": "are left out"}[self._on_bad_row]
            reasons = "\n".join(self._found.errors).replace("\n", "\n  ")
            found.append(
                f"{_share(self._num_bad, self._num_rows)} rows of {self._source} cannot be predicted and {what}:\n"
                f"  {reasons}"
            )
        return found


def found_in(kind: Kind, split: Split) -> Problems:
    """Returns what is wrong with rows to predict."""
    problems = Problems()
    kind.check_inputs(check_cells(split, problems), problems)
    return problems


def _share(count: int, total: int) -> str:
    return f"{count:,} of {total:,}"


def _sort(reason: str, example: Any) -> str:
    """Returns a reason without the name of its file, so that equal ones are counted together."""
    name = getattr(example, "name", None)
    return reason.replace(str(name), "") if name else reason
