"""What the user says in a call about what is opened; it wins over what a run says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
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
"""Choices that say what a checkpoint which ftkit did not make was trained for."""

_OF_FREE_CHOICES = ("labels", "prompts")  # of a model without an output for each label


@dataclass(frozen=True, kw_only=True)
class Choices:
    """What the user says in this call. It wins over what a run says, and only it may name code.

    Attributes:
        task: a kind, `file.py:NAME`, `package.module:NAME` or an entry point.
        metrics: names of metrics to compute; those that ftkit did not write run somebody's code.
        columns: role -> column of the user's files; of labels also a list of columns, one for each.
        encoding: of text files.
        delimiter: between the cells of csv files.
        positive_label: which of two labels precision, recall, F1 and ROC AUC are of.
        header: whether the first row of a table names its columns.
        source_lang: of a checkpoint that is no run: the language of the sources.
        target_lang: likewise, of the translations.
        prompt_template: likewise, what a decoder reads.
        chat_template: likewise, how a conversation becomes a text.
        documents: what a document is in a file of plain text.
        no_answer: likewise, whether it learnt to say that a text does not answer a question.
        answer_language: the language without spaces, such as zh, whose characters a score of answers compares.
        language: likewise, the language that is spoken.
        max_length: likewise, how many tokens of an input, or of a window of a long one, it reads.
        normalize: what is made of transcripts before they are compared.
        labels: what a model chooses among that was trained to compare images with texts.
        prompts: what these labels become.
        base: folder or Hub id of a trained adapter's base, where it is not where the run knows it.
        trust_remote_code: whether code may run that the run or checkpoint asks for.
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
    base: str | None = None
    trust_remote_code: bool = False

    def __post_init__(self) -> None:
        if self.delimiter is not None and len(self.delimiter) != 1:
            raise ConfigError(f"data.delimiter: expected one character, such as ';', got {self.delimiter!r}.")
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
        own = ("positive_label", "documents", "answer_language", "normalize", *_OF_FREE_CHOICES)
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


def with_columns(config: RunConfig, choices: Choices, kind: Kind) -> RunConfig:
    """Returns a config whose columns are those that the user names, and else as they are.

    Raises:
        ConfigError: a role does not exist.
    """
    assert config.run is not None
    kind.check_roles(choices.columns)
    # The kind's own come first: a ftkit.yaml from elsewhere may lack some.
    named = {role: column for role, column in choices.columns.items() if isinstance(column, str)}
    columns = {**kind.own_columns, **config.run.columns, **named}
    facts = config.run.model_copy(update={"columns": columns})
    return config.model_copy(update={"run": facts})
