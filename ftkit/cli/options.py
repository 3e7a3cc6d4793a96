"""Options that several commands share: what the user says of columns, metrics, languages and trust."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from ftkit.data.spec import Source

NumBeams = Annotated[int | None, typer.Option(min=1, help="Beams, where texts are written; 1 is greedy.")]
MaxNewTokens = Annotated[int | None, typer.Option(min=1, help="Tokens written at most, for each text.")]
TrustRemoteCode = Annotated[
    bool,
    typer.Option(
        "--trust-remote-code",
        help="Run code that the run or checkpoint itself asks for. Without it opening one, wherever from, runs none.",
    ),
]
Task = Annotated[
    str | None,
    typer.Option(
        help="A kind, of a checkpoint that ftkit did not make; or path.py:NAME, of a run whose task prepares rows."
    ),
]
Columns = Annotated[
    list[str] | None,
    typer.Option(metavar="ROLE=COLUMN[,...]", help="Such as text=body,label=intent, or label=[a,b]; may be repeated."),
]
Delimiter = Annotated[str | None, typer.Option(help="Between the cells of csv files.")]
Encoding = Annotated[str | None, typer.Option(help="Of text files, such as cp1252.")]
PositiveLabel = Annotated[
    str | None,
    typer.Option(help="Which of two labels precision, recall, F1 and ROC AUC are of; by default the run's."),
]
Header = Annotated[
    str | None,
    typer.Option(
        metavar="true|false",
        help="Whether the first row of csv, tsv and xlsx files names the columns; if not, --columns text=0,label=1.",
    ),
]
SourceLang = Annotated[
    str | None, typer.Option(help="Of a checkpoint that ftkit did not make: the language it translates from.")
]
TargetLang = Annotated[str | None, typer.Option(help="Likewise: the language it translates to.")]
PromptTemplate = Annotated[
    str | None, typer.Option(help="Likewise: what a decoder reads, with {source} where the text goes.")
]
ChatTemplate = Annotated[
    str | None,
    typer.Option(help="Likewise: how a conversation becomes a text: chatml, plain, or a file of Jinja."),
]
Documents = Annotated[
    Literal["line", "blank_line", "file"] | None,
    typer.Option(help="What a document is in a file of plain text; line if left out."),
]
NoAnswer = Annotated[
    bool,
    typer.Option("--no-answer", help="Likewise: it learnt to say that a text does not answer a question (SQuAD 2)."),
]
AnswerLanguage = Annotated[
    str | None,
    typer.Option(help="Of answers in a language without spaces, such as zh: characters are compared, not words."),
]
Language = Annotated[
    str | None,
    typer.Option(help="Likewise, of one that hears several languages: the one that is spoken, such as de."),
]
MaxLength = Annotated[
    int | None,
    typer.Option(min=1, help="Likewise: how many tokens of an input, or of a window of a long one, it reads."),
]
Normalize = Annotated[
    str | None,
    typer.Option(metavar="none|basic|english", help="Of transcripts: what is made of them before they are compared."),
]
Labels = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME[,...]",
        help="What a model of zero-shot image classification chooses among; the run's own if left out. May be "
        "repeated.",
    ),
]
Prompts = Annotated[
    list[str] | None,
    typer.Option(metavar="TEXT", help="What these labels become: 'a photo of a {label}.'; may be repeated."),
]
Threshold = Annotated[
    float | None,
    typer.Option(
        metavar="SCORE",
        help="Of objects that are found: leave out those of a lower score; as the run says if left out, or all.",
    ),
]
Base = Annotated[
    str | None,
    typer.Option(
        metavar="PATH_OR_ID", help="Of a trained adapter: where its base is, if not where it was trained on it."
    ),
]
Metrics = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME[,...]", help="Such as accuracy,f1; the run's own if left out. May be repeated."),
]

PARAMETERS_OF_KEYS: Mapping[str, tuple[str, ...]] = {
    "data.columns": ("columns",),
    "data.delimiter": ("delimiter",),
    "data.encoding": ("encoding",),
    "data.positive_label": ("positive_label",),
    "data.header": ("header",),
    "data.source_lang": ("source_lang",),
    "data.target_lang": ("target_lang",),
    "data.prompt_template": ("prompt_template",),
    "data.chat_template": ("chat_template",),
    "data.documents": ("documents",),
    "data.no_answer": ("no_answer",),
    "data.answer_language": ("answer_language",),
    "data.language": ("language",),
    "data.max_length": ("max_length",),
    "data.normalize": ("normalize",),
    "data.labels": ("labels",),
    "data.prompts": ("prompts",),
    "data.train": ("input", "data"),
    "generation.max_new_tokens": ("max_new_tokens",),
    "generation.num_beams": ("num_beams",),
}
"""Key of a config -> the parameters of commands that say the same."""


def of_keys(context: typer.Context) -> dict[str, str]:
    """Returns key of a config -> option of the command that is called; nothing for commands that read a config."""
    command = getattr(context.command, "commands", {}).get(context.invoked_subcommand)
    parameters = {} if command is None else {parameter.name: parameter.opts for parameter in command.params}
    if "run" not in parameters:
        return {}
    return {
        key: parameters[name][0] for key, names in PARAMETERS_OF_KEYS.items() for name in names if name in parameters
    }


def data_source(given: str) -> Source:
    """Returns the rows that an option names: a file or folder, or `{hub: OWNER/NAME, split: test}` as in a config.

    Raises:
        UserError: it begins like such a mapping, and is none.
    """
    if not given.lstrip().startswith("{"):
        return given
    from pydantic import TypeAdapter, ValidationError

    from ftkit.config import yaml
    from ftkit.data.spec import Source
    from ftkit.errors import ConfigError, UserError

    try:
        return TypeAdapter(Source).validate_python(yaml.parse_value(given, given))
    except (ConfigError, ValidationError):
        raise UserError(
            f"{given!r} is no file, and no source of rows as a config names them: {{hub: OWNER/NAME, split: test}} or "
            "{source: FILE, target: FILE}."
        ) from None


def prompt_text(given: str | None) -> str | None:
    r"""Returns a prompt's template; `\n`, which a shell passes on as two characters, is a line break."""
    return None if given is None else given.replace("\\n", "\n")


def delimiter_character(given: str | None) -> str | None:
    r"""Returns what stands between cells; `\t`, which a shell passes on as two characters, is a tab."""
    return "\t" if given == "\\t" else given


def truth(given: str | None) -> bool | None:
    """Returns what `true` and `false` say.

    Raises:
        UserError: it is neither.
    """
    from ftkit.errors import UserError

    if given is not None and given not in ("true", "false"):
        raise UserError(f"--header: expected true or false, got {given!r}.")
    return None if given is None else given == "true"


def role_columns(given: list[str] | None) -> dict[str, str | tuple[str, ...]]:
    """Returns role -> column of `text=body,label=intent`, or the columns of `label=[toxic,insult]`.

    Names that hold a comma, or begin or end in a space, are written as in YAML: `{text: " body"}`.

    Raises:
        UserError: a part is no such pair, or a role is named twice.
    """
    from ftkit.errors import UserError

    columns: dict[str, str | tuple[str, ...]] = {}
    mappings = [text for text in given or () if text.lstrip().startswith("{")]
    for text in mappings:
        columns |= _as_in_yaml(text)
    for part in _parts([text for text in given or () if text not in mappings]):
        role, equals, column = (piece.strip() for piece in part.partition("="))
        if not (role and equals and column):
            raise UserError(f"--columns: expected ROLE=COLUMN such as text=body,label=intent, got {part!r}.")
        if role in columns:
            raise UserError(f"--columns: the role {role!r} is named twice. Name it once.")
        listed = column.startswith("[") and column.endswith("]")
        columns[role] = tuple(name.strip() for name in column[1:-1].split(",")) if listed else column
    return columns


def _as_in_yaml(text: str) -> dict[str, str | tuple[str, ...]]:
    """Returns role -> column of `{text: " body", label: [toxic, insult]}`; UserError if it is none."""
    import yaml

    from ftkit.errors import UserError

    try:
        found = yaml.load(text, yaml.BaseLoader)  # all scalars are texts: a column may be called 0
    except yaml.YAMLError:
        found = None
    if not isinstance(found, dict) or not all(map(_is_column, found.values())):
        raise UserError(f"--columns: expected a mapping such as {{text: body, label: intent}}, got {text!r}.")
    return {str(role): tuple(column) if isinstance(column, list) else column for role, column in found.items()}


def _is_column(value: object) -> bool:
    names = value if isinstance(value, list) else [value]
    return bool(names) and all(isinstance(name, str) and name for name in names)


def metric_names(given: list[str] | None) -> tuple[str, ...] | None:
    """Returns the names of metrics, or None where none is given.

    Raises:
        UserError: the option is there and empty.
    """
    from ftkit.errors import UserError

    if given is None:
        return None
    names = tuple(_parts(given))
    if not names:
        raise UserError("--metrics: no metric is named. Say for example --metrics accuracy,f1, or leave it out.")
    return names


def label_names(given: list[str] | None) -> tuple[str, ...] | None:
    """Returns the names of labels, or None where none is given."""
    return None if given is None else tuple(_parts(given))


def _parts(given: list[str] | None) -> list[str]:
    """Returns what stands between commas, those within brackets left alone."""
    return [part.strip() for text in given or () for part in re.split(r",(?![^\[]*\])", text) if part.strip()]
