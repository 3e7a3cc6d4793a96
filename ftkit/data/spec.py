"""The `data` section of a config: where the rows are and which columns matter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from ftkit.tag_schemes import Repair, Scheme
from ftkit.types import ProblemType

LearntScheme = Literal["IO", "IOB2", "IOBES", "BILOU"]
LabelPiece = Literal["first", "last"]


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
    return "dataset" if keys or isinstance(value, HubSource) else "file"


Source = Annotated[
    Annotated[str, Tag("file")] | Annotated[HubSource, Tag("dataset")] | Annotated[ParallelSource, Tag("two files")],
    Discriminator(_sort_of),
]


class DataSpec(BaseModel):
    """Files or Hub splits, and how their columns map to the task."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    train: Source = Field(
        description="csv, tsv, jsonl, json, parquet, txt, conll or tmx file, {hub: ..., split: ...}, or "
        "{source: ..., target: ...}: two text files."
    )
    validation: Source | Annotated[float, Field(gt=0, lt=1)] | None = Field(
        None, description="A file, a Hub split, or the fraction of train to hold out (stratified, seeded)."
    )
    test: Source | None = Field(None, description="A file or Hub split; scored once, after training.")
    columns: dict[str, str] = Field(
        default_factory=dict,
        description="Role -> column, such as {text: body, label: intent}. Roles: text, text_pair, label, id; for "
        "token-classification tokens, tags, text, spans, id; for translation source, target, id.",
    )
    group: str | None = Field(
        None,
        min_length=1,
        description="The column that says which rows belong together, such as speaker, patient or document: a "
        "validation fraction holds out whole groups.",
    )
    problem_type: ProblemType | None = Field(
        None, description="What the labels are; single_label_classification unless said otherwise."
    )
    labels: tuple[str, ...] | None = Field(
        None, description="All label names, in output order. Default: those of train, sorted naturally."
    )
    label_separator: str = Field(",", min_length=1, description="Separates multi-label names in one text cell.")
    max_length: int | None = Field(
        None, gt=1, description="Tokens kept of each input. Default: as many as the checkpoint can read."
    )
    tag_scheme: LearntScheme | None = Field(
        None, description="Token classification: the scheme that is learnt, predicted and scored. Default: IOB2."
    )
    source_tag_scheme: Scheme | None = Field(
        None, description="Token classification: the scheme of the files' tags. Default: recognised, and recorded."
    )
    repair_tags: Repair | None = Field(
        None, description="Token classification: what a tag becomes that breaks its scheme. Default: it stays."
    )
    label_piece: LabelPiece | None = Field(
        None, description="Which piece of a word bears its tag. Default: first; last where attention is causal."
    )
    window_overlap: int | None = Field(
        None, ge=0, description="Token classification: tokens that windows of a long text share. Default: a quarter."
    )
    source_lang: str | None = Field(
        None, description="Translation: the language of the sources, as the tokenizer spells it, such as en or en_XX."
    )
    target_lang: str | None = Field(None, description="Translation: the language of the targets.")
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
    encoding: str = Field("utf-8", description="Encoding of text files.")
    delimiter: str | None = Field(None, min_length=1, max_length=1, description="Cell separator of csv files.")

    @property
    def role_columns(self) -> dict[str, str]:
        """Role -> column as the config says it; `group: speaker` is `columns: {group: speaker}`."""
        return {**self.columns, **({} if self.group is None else {"group": self.group})}


SplitName = Literal["train", "validation", "test"]
