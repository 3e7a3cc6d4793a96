"""Translation: a text in one language, and the same text in another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ftkit.data.check import Problems, check_size
from ftkit.data.parallel_check import check_pairs
from ftkit.data.readers import Table
from ftkit.data.spec import DataSpec
from ftkit.errors import ConfigError, DataError, name_list
from ftkit.tasks.settings import check_roles
from ftkit.tasks.task import Task
from ftkit.types import LabelSpace, ScoreType, Split, TextToTextExample

if TYPE_CHECKING:
    from ftkit.metrics.translation import TranslationScorer

TASK = Task(
    name="translation",
    kind="translation",
    columns={"source": "source", "target": "target"},
)

ROLES: Mapping[str, str] = {
    "source": "the text to translate",
    "target": "its translation",
    "id": "the row's own id, kept in predictions",
}

TRANSLATION = "translation"  # the column of {"en": ..., "de": ...}, as datasets on the Hub have it


def columns_of(task: Task, spec: DataSpec) -> dict[str, str]:
    """Returns role -> column: the kind's own names, then the task's, then the config's.

    Raises:
        ConfigError: a role does not exist.
    """
    check_roles(spec.columns, ROLES)
    return {**TASK.columns, **task.columns, **spec.columns}


def scored_as(task: Task, spec: DataSpec) -> ScoreType:
    """Returns what decides the metrics: the kind."""
    return "translation"


def blocks(problem_type: ScoreType) -> tuple[str, ...]:
    """Returns what the report shows of predictions, in order: names of the table of blocks."""
    return ("text-errors",)


def reading(problem_type: ScoreType) -> str:
    """Returns how the report tells predictions in words: a name of the table of readings."""
    return "text"


def make_scorer(names: Sequence[str], labels: LabelSpace | None, spec: DataSpec) -> TranslationScorer:
    """Returns what computes the metrics of a run.

    Raises:
        ConfigError: sacreBLEU's tokenizer for the target language cannot be used.
    """
    from ftkit.metrics.translation import TranslationScorer

    return TranslationScorer(names, target_lang=spec.target_lang, tokenizer=spec.bleu_tokenizer)


def saved_labels(config: Mapping[str, Any]) -> None:
    """Returns nothing: texts are written, not chosen."""


def fit_labels(train: Split, task: Task, spec: DataSpec) -> None:
    """Returns nothing: texts are written, not chosen."""


def resolve(
    splits: Mapping[str, Split], task: Task, spec: DataSpec, problems: Problems
) -> tuple[Mapping[str, Split], DataSpec]:
    """Returns splits and spec as they are."""
    return splits, spec


# --- rows -> examples ---------------------------------------------------------------------------------------


def read_examples(
    table: Table, task: Task, columns: Mapping[str, str], spec: DataSpec, *, with_labels: bool
) -> Iterator[TextToTextExample]:
    """Turns rows into examples one by one.

    A row has a column for each side, named by `data.columns`, by its role or by its language; or a column
    `translation` that holds both, as `{"en": ..., "de": ...}`.

    Args:
        columns: role -> column.
        with_labels: False for rows that are only to be translated; a file of plain text will do.

    Raises:
        DataError: a column is not in the file.
    """
    if task.prepare is None:
        columns = _found_columns(table, columns, spec, with_labels)
    for position, row in enumerate(table.rows):
        cells = task.prepare(dict(row.values)) if task.prepare is not None else row.values
        pair = cells.get(TRANSLATION)
        sides = pair if isinstance(pair, Mapping) else cells
        id_cell = cells.get(columns["id"]) if "id" in columns else None
        yield TextToTextExample(
            id=position if id_cell is None else id_cell,
            source=_text(sides.get(columns["source"])),
            target=_text(sides.get(columns["target"])) if with_labels else None,
            line=row.line,
        )


def _text(cell: Any) -> str:
    return "" if cell is None else str(cell)


def _found_columns(table: Table, columns: Mapping[str, str], spec: DataSpec, with_labels: bool) -> dict[str, str]:
    """Returns role -> the column or language key that the file has for it."""
    available = _keys(table)
    found = dict(columns)
    for role, language in (("source", spec.source_lang), ("target", spec.target_lang)):
        if role == "target" and not with_labels:
            continue
        choices = [columns[role], *_spellings(language)]
        if role == "source" and not with_labels:
            choices.append("text")  # a file of plain text
        match = next((name for name in choices if name in available), None)
        if match is None:
            raise _missing_side(table, columns[role], role, available)
        found[role] = match
    return found


def _keys(table: Table) -> tuple[str, ...]:
    """Returns the columns, or the languages inside the column `translation`."""
    if TRANSLATION not in table.columns:
        return table.columns
    first = next(iter(table.rows)).values[TRANSLATION]
    return tuple(first) if isinstance(first, Mapping) else table.columns


def _spellings(language: str | None) -> list[str]:
    """Returns how a column may name a language: `en_XX` and `eng_Latn` are `en` too."""
    if language is None:
        return []
    base = language.replace("-", "_").partition("_")[0]
    return [language, base, base.lower(), *([base[:2].lower()] if len(base) == 3 else [])]


def _missing_side(table: Table, column: str, role: str, available: Sequence[str]) -> DataError:
    if tuple(available) != table.columns or table.source.lower().endswith(".tmx"):
        return DataError(
            f"{table.source}: there is no {column!r} for the {role}; the texts are in {name_list(available)}.\n"
            f"Fix: say which one is the {role}: data.{role}_lang, or data.columns.{role}."
        )
    if table.columns == ("text",):
        return DataError(
            f"{table.source}: one text a line has no translations beside it. Name both files: "
            "{source: train.en, target: train.de}."
        )
    return table.missing_column(column, role=role)


def input_example(position: int, item: Any) -> TextToTextExample:
    """Returns an input of `Predictor.predict` as an example: a text.

    Raises:
        DataError: it is none.
    """
    if isinstance(item, str):
        return TextToTextExample(id=position, source=item, line=position)
    raise DataError(f"inputs, item {position}: expected a text, got {item!r}.")


# --- checks -------------------------------------------------------------------------------------------------


def check(splits: Mapping[str, Split], labels: None, task: Task, spec: DataSpec, problems: Problems) -> None:
    """Reports everything that is wrong with the pairs of a run, by file and line.

    Raises:
        ConfigError: sacreBLEU's tokenizer for the target language cannot be used.
    """
    from ftkit.metrics.translation import bleu_tokenizer

    bleu_tokenizer(spec.target_lang, spec.bleu_tokenizer)
    for split in splits.values():
        check_size(split, problems)
    check_pairs(splits, spec.source_lang, spec.target_lang, problems)


def check_inputs(split: Split, problems: Problems) -> None:
    """Reports nothing: an empty line is translated to an empty line, so that line N stays line N."""


def check_known_labels(split: Split, labels: None, problems: Problems) -> None:
    """Reports nothing: every text can be written."""


# --- adapter and people -------------------------------------------------------------------------------------


def adapter_options(
    train: Split,
    labels: None,
    spec: DataSpec,
    *,
    class_weights: str | Mapping[str, float] | None,
    label_smoothing: float,
    generation: Mapping[str, Any],
) -> dict[str, Any]:
    """Returns what the adapter is made with, all of it saved with the run.

    Raises:
        ConfigError: a setting that means nothing here.
    """
    if class_weights is not None:
        raise ConfigError("train.class_weights: a translation has no classes. Leave it out.")
    if not 0 <= label_smoothing < 1:
        raise ConfigError(f"train.label_smoothing_factor: expected 0 or more and less than 1, got {label_smoothing}.")
    return {
        "source_lang": spec.source_lang,
        "target_lang": spec.target_lang,
        "prompt_template": spec.prompt_template,
        "max_target_length": spec.max_target_length,
        "label_smoothing": label_smoothing,
        "generation": dict(generation),
    }


def shown_example(example: TextToTextExample, predicted: Any, labels: None) -> dict[str, Any]:
    """Returns `text`, `expected` and `predicted` of one example, for the end of a run on the screen."""
    return {"text": example.source, "expected": example.target, "predicted": str(predicted)}
