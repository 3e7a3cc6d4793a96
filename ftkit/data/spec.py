"""The `data` section of a config: where the rows are and which columns matter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag


class HubSource(BaseModel):
    """One split of a dataset on the Hub, or of a local folder that `datasets.load_dataset` can read."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    hub: str = Field(description="Dataset id, such as stanfordnlp/sst2.")
    split: str = Field(description="Split name or slice, such as train or validation[:500].")
    name: str | None = Field(None, description="Configuration of the dataset, such as sst2 in nyu-mll/glue.")
    revision: str | None = Field(None, description="Branch, tag or commit of the dataset repository.")

    def __str__(self) -> str:
        return ":".join(part for part in (self.hub, self.name, self.split) if part)


class ParallelSource(BaseModel):
    """Two text files of one text a line: line N of the one belongs to line N of the other."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str = Field(description="The texts to translate, one a line.")
    target: str = Field(description="Their translations, one a line.")

    def __str__(self) -> str:
        return f"{self.source} | {self.target}"


def _sort_of(value: Any) -> str:
    """Decides what a mapping is meant to be by its keys, so that a mistake in it is told as one mistake."""
    keys = set(value) if isinstance(value, Mapping) else set()
    if isinstance(value, ParallelSource) or keys & {"source", "target"}:
        return "two files"
    if isinstance(value, (list, tuple)):
        return "several files"
    return "dataset" if keys or isinstance(value, HubSource) else "file"


Source = Annotated[
    Annotated[str, Tag("file")] | Annotated[HubSource, Tag("dataset")] | Annotated[ParallelSource, Tag("two files")],
    Discriminator(_sort_of),
]


TrainSource = Annotated[
    Annotated[str, Tag("file")]
    | Annotated[HubSource, Tag("dataset")]
    | Annotated[ParallelSource, Tag("two files")]
    | Annotated[Annotated[tuple[str, ...], Field(min_length=1)], Tag("several files")],
    Discriminator(_sort_of),
]
"""Sources to train on, of which a stream may have several."""


def _column_name(value: Any) -> Any:
    """Returns a position as the name that readers give to a column without one."""
    if not isinstance(value, int) or isinstance(value, bool):
        return value
    if value < 0:
        raise ValueError("a position counts from 0")
    return str(value)


Column = Annotated[str, Field(min_length=1), BeforeValidator(_column_name, json_schema_input_type=str | int)]
"""The name of a column, or its position from 0 where the file has no names."""

LabelColumns = Annotated[tuple[Column, ...], Field(min_length=1)]
"""A column for each label, with zeros and ones."""


class DataSpec(BaseModel):
    """Files or Hub splits, and how their columns map to the task; each kind adds keys of its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    train: TrainSource = Field(
        description="csv, tsv, jsonl, json, parquet, txt, conll or tmx file, {hub: ..., split: ...}, or "
        "{source: ..., target: ...}: two text files. With streaming also a pattern, a folder, or a list of them."
    )
    validation: Source | Annotated[float, Field(gt=0, lt=1)] | None = Field(
        None, description="A file, a Hub split, or the fraction of train to hold out (stratified, seeded)."
    )
    test: Source | Annotated[float, Field(gt=0, lt=1)] | None = Field(
        None,
        description="A file, a Hub split, or the fraction of train to hold out, before validation; scored once, after "
        "training.",
    )
    columns: dict[str, Column | LabelColumns] = Field(
        default_factory=dict,
        description="Role -> column, such as {text: body, label: intent}; by position, from 0, where a file has no "
        "header. Where each label has a column of zeros and ones, label is the list of these columns.",
    )
    group: Column | None = Field(
        None,
        description="The column that says which rows belong together, such as speaker, patient or document: a "
        "validation fraction holds out whole groups.",
    )
    encoding: str = Field("utf-8", description="Encoding of text files.")
    delimiter: str | None = Field(None, min_length=1, max_length=1, description="Cell separator of csv files.")
    header: bool = Field(
        True,
        description="Whether the first row of csv, tsv and xlsx files names the columns; if not, data.columns has "
        "their positions, from 0.",
    )

    streaming: bool = Field(
        False,
        description="Read train while training on it, shard by shard, instead of before: data that are never held or "
        "indexed whole. Needs train.max_steps.",
    )
    shuffle_buffer: int | None = Field(
        None, gt=0, description="With streaming: rows that are shuffled together, and held. Default: 10,000."
    )
    check_rows: int | None = Field(
        None, ge=10, description="With streaming: the first rows of train, checked before the run. Default: 1,000."
    )
    on_bad_row: Literal["error", "skip"] | None = Field(
        None,
        description="With streaming: a row that cannot be trained on ends the run, its work saved (error, the "
        "default), or is left out and counted (skip).",
    )
    validation_rows: int | None = Field(
        None, gt=0, description="Score no more rows of validation than these: a sample that the seed fixes."
    )
    test_rows: int | None = Field(None, gt=0, description="The same of test.")

    @property
    def role_columns(self) -> dict[str, str]:
        """Role -> column as the config says it; `group: speaker` is `columns: {group: speaker}`."""
        columns = {role: column for role, column in self.columns.items() if isinstance(column, str)}
        return {**columns, **({} if self.group is None else {"group": self.group})}

    @property
    def label_columns(self) -> tuple[str, ...] | None:
        """The columns of the labels, where each has its own; None where one column holds them."""
        columns = self.columns.get("label")
        return None if columns is None or isinstance(columns, str) else columns

    @property
    def longest_input(self) -> int | None:
        """Positions kept of each input; None: as many as the checkpoint can read."""
        return None

    @property
    def media(self) -> str | None:
        """What the files are that rows name, `image` or `audio`; None where rows hold what is read themselves."""
        return None

    @property
    def annotated(self) -> bool:
        """Whether rows are images with boxes, which several files may hold together, such as those of Pascal VOC."""
        return False

    @property
    def outlined(self) -> bool:
        """Whether rows are images with masks, which a file may hold as outlines, such as COCO's JSON."""
        return False

    @property
    def paired_folders(self) -> Mapping[str, tuple[str, ...]]:
        """Column -> names of the folder that holds its files, where a row is a pair of files; else nothing."""
        return {}

    @property
    def text_extensions(self) -> tuple[str, ...]:
        """Extensions of files with one text a line, beside `.txt`; none unless a kind has some."""
        return ()


class TextDataSpec(DataSpec):
    """The `data` section of a kind that reads texts."""

    max_length: int | None = Field(
        None, gt=1, description="Tokens kept of each input. Default: as many as the checkpoint can read."
    )

    @property
    def longest_input(self) -> int | None:
        """Tokens kept of each input; None: as many as the checkpoint can read."""
        return self.max_length


class UncheckedDataSpec(DataSpec):
    """The `data` section of a task whose kind is not known yet: keys that are its own are kept as they are."""

    model_config = ConfigDict(extra="allow", frozen=True)
