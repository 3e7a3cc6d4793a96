"""`report.json`: all that the page and the card of a run show, as plain values from which both are made again."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, Field, FiniteFloat, SerializeAsAny, ValidationError, field_validator

from ftkit.data.files import atomic_write_text
from ftkit.errors import UserError
from ftkit.report.named import UNKNOWN_NAME, first_message, named_by
from ftkit.report.recipe import Recipe
from ftkit.report.table import BLOCKS, READINGS, USAGES
from ftkit.report.texts import encodable
from ftkit.report.values import BlockValues, DataRows, Pairs, ReadingFacts, Svgs, Values
from ftkit.runs.files import CARD_FILE, PAGE_FILE, REPORT_FILE

FORMAT: Final = 2
_MAX_BYTES = 16_000_000  # some ten times what the largest report takes

AnyBlock = Annotated[SerializeAsAny[BlockValues], named_by("block", BLOCKS, lambda block: block.model)]
AnyFacts = Annotated[SerializeAsAny[ReadingFacts], named_by("reading", READINGS, lambda reading: reading.facts)]
AnyRecipe = Annotated[SerializeAsAny[Recipe], named_by("usage", USAGES, lambda usage: usage.recipe)]


# --- the page -----------------------------------------------------------------------------------------------


class Headline(Values):
    """The first thing a reader sees.

    Attributes:
        value: the primary metric as text.
        notes: sentences that put it into proportion.
        others: name and value of further scores.
    """

    metric: str
    split: str
    num_rows: str
    source: str
    value: str
    notes: tuple[str, ...]
    others: Pairs


class ScoreTable(Values):
    """The scores of every split: `splits` are the columns with their rows, `rows` metric name -> texts."""

    splits: Pairs
    rows: dict[str, tuple[str, ...]]


class Proof(Values):
    """What the reload from disk, or the comparison of a merge, found."""

    difference: str | None
    rows: str
    facts: dict[str, str]


class SplitSection(Values):
    """What the blocks of the run's kind show of one split's predictions, in their order."""

    name: str
    blocks: tuple[AnyBlock, ...]

    @field_validator("blocks")
    @classmethod
    def _without_empty(cls, blocks: tuple[BlockValues, ...]) -> tuple[BlockValues, ...]:
        return tuple(block for block in blocks if not block.is_empty)

    def without_texts(self) -> SplitSection:
        """Returns the section without the users' texts."""
        bare = (block.without_texts() for block in self.blocks)
        return self.model_copy(update={"blocks": tuple(block for block in bare if not block.is_empty)})


class Page(Values):
    """What report.html shows."""

    subtitle: str
    headline: Headline | None
    scores: ScoreTable
    facts: Pairs
    data: DataRows
    warnings: tuple[str, ...]
    proof: Proof | None
    curves: Svgs
    results: SplitSection | None
    config: str
    environment: dict[str, str]


# --- the card -----------------------------------------------------------------------------------------------


class Base(Values):
    """The checkpoint that training started from.

    Attributes:
        name: as it is shown: the Hub id, a built-in name, or the base name of a folder.
        on_hub: its Hub id; None of a folder and of a built-in checkpoint.
        revision: of the Hub's repository.
        decoder: the name of a second checkpoint that was joined, and its Hub id.
    """

    name: str
    on_hub: str | None = None
    revision: str | None = None
    decoder: str | None = None
    decoder_on_hub: str | None = None


class Example(Values):
    """One row of the last evaluated split: what it reads, and what was predicted and expected.

    Attributes:
        quotes: what a reader sees of it.
        inputs: what the card's code gives to the model: a text, two of a pair, words, the name of a file.
        answers_hold_texts: whether `expected` and `predicted` are more than labels and numbers.
        is_cut: whether it is shown shorter than it is.
    """

    split: str
    id: str
    quotes: Annotated[tuple[str, ...], Field(min_length=1)]
    inputs: Annotated[tuple[str, ...], Field(min_length=1)]
    expected: str
    predicted: str
    answers_hold_texts: bool
    is_cut: bool = False


class Result(Values):
    """One score, as the Hub's `EvalResult` names it."""

    dataset_type: str
    dataset_name: str
    dataset_config: str | None = None
    dataset_split: str | None = None
    dataset_revision: str | None = None
    metric_type: str
    metric_name: str
    metric_value: FiniteFloat
    num_rows: int


class Merged(Values):
    """How a checkpoint was merged from a trained adapter: by which method, and what it changed at most."""

    adapter: str
    method: str
    difference: str
    rows: str


class Card(Values):
    """What README.md says.

    Attributes:
        pipeline_tag: the Hub's word for what the model does, where that is not its kind.
        method: the tuner.
        merged: of a checkpoint that `ftkit merge` wrote.
        languages: codes for the Hub.
        headline: the end of a sentence, such as `Accuracy 0.9231 on test (3,080 rows)`.
        input_name: what one input is called: `text`, `image`.
        facts: what the card says of this kind of prediction alone.
        labels: the first of them, cut; `num_labels` counts all. None where the outputs have no names.
        proof: the largest difference that was found, as a text.
    """

    kind: str
    pipeline_tag: str | None = None
    problem_type: str
    input_name: str
    family: str
    base: Base
    method: str
    merged: Merged | None = None
    recipe: AnyRecipe
    facts: AnyFacts
    languages: tuple[str, ...]
    headline: str | None
    headline_notes: tuple[str, ...]
    labels: tuple[str, ...]
    num_labels: int
    splits: Pairs
    scores: dict[str, tuple[str, ...]]
    data: DataRows
    procedure: dict[str, str]
    warnings: tuple[str, ...]
    environment: dict[str, str]
    proof: str | None
    example: Example | None
    reads_pairs: bool
    datasets: tuple[str, ...]
    metrics: tuple[str, ...]
    results: tuple[Result, ...]


class Report(Values):
    """The report of one run.

    Attributes:
        title: the name of the run.
        texts_are_public: the run's data are on the Hub, or come with ftkit.
        has_texts: False where the users' texts were left out to be shared.
        generated_card: README.md as it was last written, by which later edits by hand are found.
    """

    format: Literal[2] = FORMAT
    title: str
    texts_are_public: bool
    has_texts: bool = True
    page: Page
    card: Card
    generated_card: str = ""

    def to_json(self) -> str:
        """Returns the content of report.json."""
        return encodable(self.model_dump_json(indent=2)) + "\n"


def read_report(folder: Path) -> Report:
    """Reads a run's report.json, which may come from anywhere.

    Raises:
        UserError: there is none, or it is damaged.
    """
    path = folder / REPORT_FILE
    if not path.is_file():
        raise UserError(
            f"{folder} holds no {REPORT_FILE}: the run was finished by an ftkit that did not write one. Its "
            f"{PAGE_FILE} and {CARD_FILE} stay as they are; a new run with the same config has all three."
        )
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise _damaged(path, f"it is larger than {_MAX_BYTES // 1_000_000} MB")
        return Report.model_validate_json(path.read_bytes())
    except OSError as error:
        raise _damaged(path, str(error.strerror)) from None
    except ValidationError as error:
        raise _refused(path, error) from None


def _refused(path: Path, error: ValidationError) -> UserError:
    """Returns the message for values that are not a report of this ftkit."""
    problems = error.errors()
    if any(problem["loc"] == ("format",) for problem in problems):
        return UserError(
            f"{path} has another format than this ftkit writes (expected {FORMAT}), and cannot be made again. "
            f"{PAGE_FILE} and {CARD_FILE} stay as they are. If a later ftkit wrote it, update: pip install -U ftkit. "
            f"If an earlier one did, train the run again, or go on without: remove {REPORT_FILE}."
        )
    unknown = next((problem["msg"] for problem in problems if problem["type"] == UNKNOWN_NAME), None)
    if unknown is not None:
        return UserError(f"{path} holds {unknown}, which this ftkit does not know. Update it: pip install -U ftkit.")
    return _damaged(path, first_message(error))


def last_card(data: bytes) -> str:
    """Returns README.md as it was written along with a report.json of whatever format; empty if that is not known."""
    try:
        return _Generated.model_validate_json(data).generated_card
    except ValidationError:
        return ""


class _Generated(BaseModel):
    generated_card: str


def _damaged(path: Path, reason: str) -> UserError:
    return UserError(f"{path} is damaged: {reason[:200]}. Copy the run directory again; nothing was written.")


def write_report_file(folder: Path, report: Report) -> None:
    """Writes report.json, whole or not at all."""
    atomic_write_text(folder / REPORT_FILE, report.to_json())


# --- texts of users -----------------------------------------------------------------------------------------

# A check names the word at a place: `test.conll, line 3, word 2 ('Bo')`.
_NAMED_WORD = re.compile(r"""(, word \d+) \((?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")\)""")


def without_texts(report: Report) -> Report:
    """Returns a report without the users' texts: no example, and of each block what tells nothing of the data."""
    page, card = report.page, report.card
    warnings = tuple(_NAMED_WORD.sub(r"\1", warning) for warning in card.warnings)
    results = None if page.results is None else page.results.without_texts()
    return report.model_copy(
        update={
            "has_texts": False,
            "page": page.model_copy(update={"results": results, "warnings": warnings}),
            "card": card.model_copy(update={"example": None, "warnings": warnings}),
        }
    )
