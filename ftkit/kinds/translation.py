"""Translation: a text in one language, and the same text in another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import Field

from ftkit.data.check import Problems, check_size
from ftkit.data.parallel_check import check_empty, check_pairs
from ftkit.data.readers import Table
from ftkit.data.row_cells import RowCells
from ftkit.data.spec import TextDataSpec
from ftkit.errors import DataError, name_list
from ftkit.kinds import written
from ftkit.kinds.kind import Kind, Plain, Role, Settings
from ftkit.kinds.label_settings import check_smoothing
from ftkit.kinds.task import Task
from ftkit.metrics.groups import GROUPS
from ftkit.models.spec import CheckpointSpec
from ftkit.types import LabelSpace, Split, TextToTextExample

TRANSLATION = "translation"  # the column of {"en": ..., "de": ...}, as datasets on the Hub have it


class TranslationData(TextDataSpec):
    """The `data` section of translation."""

    source_lang: str | None = Field(
        None, description="The language of the sources, as the tokenizer spells it, such as en or en_XX."
    )
    target_lang: str | None = Field(None, description="The language of the targets.")
    prompt_template: str | None = Field(
        None,
        description="What a model reads, with {source} where the text goes. Decoders need one, or a chat template.",
    )
    max_target_length: int | None = Field(
        None, gt=1, description="Tokens kept of each target in training. Default: as many as the checkpoint can write."
    )
    bleu_tokenizer: str | None = Field(
        None, description="sacreBLEU's tokenizer. Default: that of the target language; 13a for most."
    )

    @property
    def text_extensions(self) -> tuple[str, ...]:
        """A file of texts may be named after its language, such as `test.de`."""
        return tuple(f".{language}" for language in (self.source_lang, self.target_lang) if language is not None)


# --- rows -> examples ---------------------------------------------------------------------------------------


def read_examples(
    table: Table, task: Task, columns: Mapping[str, str], data: TranslationData, *, with_labels: bool
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
        columns = _found_columns(table, columns, data, with_labels)
    for position, row in enumerate(table.rows):
        prepared = task.prepared(row.values)
        pair = prepared.get(TRANSLATION)
        cells = RowCells({**prepared, **pair} if isinstance(pair, Mapping) else prepared, columns)
        source = cells.text("source")
        targets = cells.read("target", written.targets_of, written.NO_TARGET) if with_labels else ()
        yield TextToTextExample(
            id=cells.id(position),
            source=source,
            target=targets[0] if targets else None,
            other_targets=targets[1:],
            line=row.line,
            group=cells.group(),
            cell_errors=cells.errors,
        )


def _found_columns(
    table: Table, columns: Mapping[str, str], data: TranslationData, with_labels: bool
) -> dict[str, str]:
    """Returns role -> the column or language key that the file has for it."""
    available = _keys(table)
    found = dict(columns)
    for role, language in (("source", data.source_lang), ("target", data.target_lang)):
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


# --- checks -------------------------------------------------------------------------------------------------


def check(splits: Mapping[str, Split], labels: None, task: Task, data: TranslationData, problems: Problems) -> None:
    """Reports everything that is wrong with the pairs of a run, by file and line.

    Raises:
        ConfigError: sacreBLEU's tokenizer for the target language cannot be used.
    """
    from ftkit.metrics.translation import bleu_tokenizer

    bleu_tokenizer(data.target_lang, data.bleu_tokenizer)
    for split in splits.values():
        check_size(split, problems)
    check_pairs(splits, data.source_lang, data.target_lang, problems)


# --- adapter and people -------------------------------------------------------------------------------------


def adapter_options(train: Split, labels: None, data: TranslationData, settings: Settings) -> dict[str, Any]:
    """Returns what the adapter is made with, all of it saved with the run.

    Raises:
        ConfigError: a setting that means nothing here.
    """
    check_smoothing(settings.label_smoothing)
    return {
        "source_lang": data.source_lang,
        "target_lang": data.target_lang,
        "prompt_template": data.prompt_template,
        "max_target_length": data.max_target_length,
        "label_smoothing": settings.label_smoothing,
        "generation": dict(settings.generation),
    }


def of_plain_checkpoint(labels: LabelSpace | None, spec: CheckpointSpec, data: TranslationData, where: str) -> Plain:
    """Returns what a translator is made with."""
    options = {
        "source_lang": data.source_lang,
        "target_lang": data.target_lang,
        "prompt_template": data.prompt_template,
    }
    return written.plain_writer(labels, spec, options)


KIND = Kind(
    name="translation",
    roles={
        "source": Role(description="the text to translate", column="source"),
        "target": Role(description="its translation", column="target"),
        "id": Role(description="the row's own id, kept in predictions"),
    },
    data=TranslationData,
    settings=frozenset({"generation", "label_smoothing"}),
    read=read_examples,
    normalize=written.normalize,
    check=check,
    check_scores=written.check_scores,
    check_inputs=check_empty,
    input_example=written.input_example,
    probe=written.probe,
    adapter_options=adapter_options,
    of_plain_checkpoint=of_plain_checkpoint,
    task_adapters=written.TASK_ADAPTERS,
    metrics=GROUPS["translation"],
    reading=lambda group: "text",
    blocks=lambda group: ("text-errors",),
)
