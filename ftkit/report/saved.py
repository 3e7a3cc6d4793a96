"""`report.json`: all that the page and the card of a run show, as plain values from which both are made again."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, FiniteFloat, ValidationError

from ftkit.data.files import atomic_write_text
from ftkit.errors import UserError
from ftkit.report.recipe import Recipe
from ftkit.report.safe_svg import is_safe_svg
from ftkit.report.tables import ErrorRow, LabelRow
from ftkit.report.texts import encodable

REPORT_FILE, PAGE_FILE, CARD_FILE = "report.json", "report.html", "README.md"
_MAX_BYTES = 16_000_000  # some ten times what the largest report takes


class Values(BaseModel):
    """Plain values, all of them checked: a report may come from a stranger."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _only_drawn(plots: Any) -> Any:
    """Leaves out plots that are not the plain shapes that ftkit draws."""
    if not isinstance(plots, (list, tuple)):
        return plots
    return [plot for plot in plots if is_safe_svg(plot[0] if isinstance(plot, (list, tuple)) and plot else plot)]


_Svgs = Annotated[tuple[str, ...], BeforeValidator(_only_drawn)]
_NotedSvgs = Annotated[tuple[tuple[str, str], ...], BeforeValidator(_only_drawn)]
_Svg = Annotated[str | None, AfterValidator(lambda svg: svg if is_safe_svg(svg) else None)]
Pairs = tuple[tuple[str, str], ...]
DataRows = tuple[tuple[str, str, str, str], ...]


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
    """Plots and tables of one split's predictions; see the template."""

    name: str
    plots: _NotedSvgs
    confusion: _Svg
    is_matrix: bool
    labels: tuple[LabelRow, ...]
    num_labels: int
    units: str
    errors_caption: str
    errors: tuple[ErrorRow, ...]
    error_titles: tuple[str, str]


class Page(Values):
    """What report.html shows."""

    subtitle: str
    headline: Headline | None
    scores: ScoreTable
    facts: Pairs
    data: DataRows
    warnings: tuple[str, ...]
    proof: Proof | None
    curves: _Svgs
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
        words: of a tagger, instead of `text`.
        is_cut: whether it is shown shorter than it is.
    """

    split: str
    id: str
    text: str
    text_pair: str | None = None
    words: tuple[str, ...] | None = None
    expected: str
    predicted: str
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
        method: the tuner.
        merged: of a checkpoint that `ftkit merge` wrote.
        languages: codes for the Hub.
        direction: source and target language of a translation, as the run spells them.
        headline: the end of a sentence, such as `Accuracy 0.9231 on test (3,080 rows)`.
        labels: the first of them, cut; `num_labels` counts all.
        proof: the largest difference that was found, as a text.
    """

    kind: str
    problem_type: str
    family: str
    base: Base
    method: str
    merged: Merged | None = None
    recipe: Recipe
    languages: tuple[str, ...]
    direction: tuple[str, str] | None
    headline: str | None
    headline_notes: tuple[str, ...]
    labels: tuple[str, ...]
    num_labels: int
    splits: Pairs
    scores: dict[str, tuple[str, ...]]
    bleu_signature: str | None
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

    format: Literal[1] = 1
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
        first = error.errors()[0]
        if first["loc"] == ("format",):
            raise UserError(
                f"{path} has another format than this ftkit writes (expected 1). Update ftkit: pip install -U ftkit."
            ) from None
        where = ".".join(str(part) for part in first["loc"])
        raise _damaged(path, f"{where}: {first['msg']}" if where else first["msg"]) from None


def _damaged(path: Path, reason: str) -> UserError:
    return UserError(f"{path} is damaged: {reason[:200]}. Copy the run directory again; nothing was written.")


def write_report_file(folder: Path, report: Report) -> None:
    """Writes report.json, whole or not at all."""
    atomic_write_text(folder / REPORT_FILE, report.to_json())


def plain(value: Any) -> Any:
    """Returns values as they are after a trip to disk: texts that UTF-8 can hold."""
    if isinstance(value, str):
        return encodable(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return plain(dataclasses.asdict(value))
    if isinstance(value, dict):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [plain(item) for item in value]
    return value


# --- texts of users -----------------------------------------------------------------------------------------

# A check names the word at a place: `test.conll, line 3, word 2 ('Bo')`.
_NAMED_WORD = re.compile(r"""(, word \d+) \((?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")\)""")


def without_texts(report: Report) -> Report:
    """Returns a report without the users' texts: no example, no ids, of the errors the line and the labels."""
    page, card = report.page, report.card
    warnings = tuple(_NAMED_WORD.sub(r"\1", warning) for warning in card.warnings)
    results = page.results
    if results is not None:
        results = results.model_copy(update={"errors": tuple(row.without_texts() for row in results.errors)})
    return report.model_copy(
        update={
            "has_texts": False,
            "page": page.model_copy(update={"results": results, "warnings": warnings}),
            "card": card.model_copy(update={"example": None, "warnings": warnings}),
        }
    )
