"""What the user says in a call about the model that is opened; it wins over what a run says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from ftkit.config.run_config import RunConfig
from ftkit.data.documents import Documents
from ftkit.errors import ConfigError, UserError, did_you_mean, name_list
from ftkit.kinds.kind import Kind
from ftkit.metrics.transcripts import Form

OF_PLAIN_CHECKPOINTS = (
    *("source_lang", "target_lang", "prompt_template", "chat_template", "no_answer", "language"),
    "max_length",
)
"""Options that say what a checkpoint which ftkit did not make was trained for."""

_OF_FREE_CHOICES = ("labels", "prompts")  # of a model without an output for each label


@dataclass(frozen=True, kw_only=True)
class OpeningOptions:
    """What the user says in this call, by name. It wins over what a run says, and only it may name code.

    Lists become tuples. What is left out is as the run says.

    Attributes:
        task: the kind, of a checkpoint that ftkit did not make; `file.py:NAME`, `package.module:NAME` or an entry
            point, of a run whose task prepares rows.
        metrics: names of what `evaluate` computes; those that ftkit did not write run somebody's code.
        columns: role -> column of the files to read, such as `{"text": "body"}`; of labels also a list of columns,
            one for each.
        encoding: of text files.
        delimiter: between the cells of csv files.
        positive_label: which of two labels precision, recall, F1 and ROC AUC are of.
        header: whether the first row of csv, tsv and xlsx files names the columns; if not, `columns` has positions,
            such as `{"text": "0"}`.
        source_lang: of a checkpoint that ftkit did not make: the language that it translates from.
        target_lang: likewise: the language that it translates to.
        prompt_template: likewise: what a decoder reads, with `{source}` where the text goes.
        chat_template: likewise: how a conversation becomes a text; see docs/text_generation.md.
        documents: what a document is in files of plain text: `line`, `blank_line` or `file`.
        no_answer: likewise: whether it learnt to say that a text does not answer a question, as on SQuAD 2.
        answer_language: of answers in a language without spaces, such as zh: `evaluate` compares characters.
        language: of a checkpoint that ftkit did not make, and that hears several: the one that is spoken.
        max_length: likewise: how many tokens of an input, or of a window of a long one, it reads.
        normalize: what is made of transcripts before `evaluate` compares them: `none`, `basic` or `english`.
        labels: what a model of zero-shot image classification chooses among.
        prompts: what these labels become, such as `["a photo of a {label}."]`.
        threshold: score below which boxes are neither given nor drawn.
        base: of a trained adapter, the folder or Hub id of its base, where that has moved.
        trust_remote_code: whether code may run that the run or checkpoint asks for.

    Raises:
        ConfigError: the delimiter is no single character, or there is no such choice of `documents` or `normalize`.
    """

    task: str | None = None
    metrics: tuple[str, ...] | None = None
    columns: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    encoding: str | None = None
    delimiter: str | None = None
    positive_label: str | None = None
    header: bool | None = None
    source_lang: str | None = None
    target_lang: str | None = None
    prompt_template: str | None = None
    chat_template: str | None = None
    documents: str | None = None
    no_answer: bool | None = None
    answer_language: str | None = None
    language: str | None = None
    max_length: int | None = None
    normalize: str | None = None
    labels: tuple[str, ...] | None = None
    prompts: tuple[str, ...] | None = None
    threshold: float | None = None
    base: str | Path | None = None
    trust_remote_code: bool = False

    def __post_init__(self) -> None:
        for name in ("metrics", *_OF_FREE_CHOICES):
            if (names := getattr(self, name)) is not None:
                object.__setattr__(self, name, tuple(names))
        object.__setattr__(self, "columns", dict(self.columns or {}))
        if self.delimiter is not None and len(self.delimiter) != 1:
            raise ConfigError(f"data.delimiter: expected one character, such as ';', got {self.delimiter!r}.")
        if self.threshold is not None and not 0 <= self.threshold < 1:
            raise ConfigError(f"data.threshold: expected a score from 0 to less than 1, got {self.threshold}.")
        for name, value, known in (
            ("documents", self.documents, get_args(Documents)),
            ("normalize", self.normalize, get_args(Form)),
        ):
            if value is not None and value not in known:
                raise ConfigError(
                    f"data.{name}: there is no {value!r}.{did_you_mean(value, known)} There is {name_list(known)}."
                )

    @property
    def data(self) -> dict[str, Any]:
        """Returns the keys of a config's `data` section that were given."""
        own = ("positive_label", "documents", "answer_language", "normalize", "threshold", *_OF_FREE_CHOICES)
        names = ("encoding", "delimiter", "header", *own, *OF_PLAIN_CHECKPOINTS)
        return {name: value for name in names if (value := getattr(self, name)) is not None}

    def data_of(self, kind: Kind) -> dict[str, Any]:
        """Returns the same for a kind.

        Raises:
            UserError: the kind does not have one of them.
        """
        for name in self.data:
            is_fixed = name in _OF_FREE_CHOICES and not kind.chooses_freely
            if name not in kind.data.model_fields or is_fixed:
                raise UserError(f"--{name.replace('_', '-')}: {kind.name} does not read it. Leave it out.")
        return self.data


def with_columns(config: RunConfig, opening: OpeningOptions, kind: Kind) -> RunConfig:
    """Returns a config whose columns are those that the user names, and else as they are.

    Raises:
        ConfigError: a role does not exist.
    """
    assert config.run is not None
    kind.check_roles(opening.columns)
    # The kind's own come first: a ftkit.yaml from elsewhere may lack some.
    named = {role: column for role, column in opening.columns.items() if isinstance(column, str)}
    columns = {**kind.own_columns, **config.run.columns, **named}
    facts = config.run.model_copy(update={"columns": columns})
    return config.model_copy(update={"run": facts})
