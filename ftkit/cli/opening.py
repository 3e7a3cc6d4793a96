"""The options of commands that open a run: what `ftkit.load` takes by name, as it is typed."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ftkit.cli import options


def _as_it_is(given: Any) -> Any:
    return given


@dataclass(frozen=True, kw_only=True)
class OpeningOption:
    """One option of a command, and the argument of `ftkit.load` that it becomes.

    Attributes:
        type: what typer makes of the words on the command line, with the help.
        default: where the option is left out.
        parsed: what typer made -> the argument of `ftkit.load`; it raises UserError.
    """

    type: Any
    default: Any = None
    parsed: Callable[[Any], Any] = _as_it_is


OPENING_OPTIONS: Mapping[str, OpeningOption] = {
    "metrics": OpeningOption(type=options.Metrics, parsed=options.metric_names),
    "num_beams": OpeningOption(type=options.NumBeams),
    "max_new_tokens": OpeningOption(type=options.MaxNewTokens),
    "task": OpeningOption(type=options.Task),
    "columns": OpeningOption(type=options.Columns, parsed=options.role_columns),
    "delimiter": OpeningOption(type=options.Delimiter, parsed=options.delimiter_character),
    "encoding": OpeningOption(type=options.Encoding),
    "positive_label": OpeningOption(type=options.PositiveLabel),
    "header": OpeningOption(type=options.Header, parsed=options.truth),
    "source_lang": OpeningOption(type=options.SourceLang),
    "target_lang": OpeningOption(type=options.TargetLang),
    "prompt_template": OpeningOption(type=options.PromptTemplate, parsed=options.prompt_text),
    "chat_template": OpeningOption(type=options.ChatTemplate),
    "documents": OpeningOption(type=options.Documents),
    "no_answer": OpeningOption(type=options.NoAnswer, default=False, parsed=lambda given: given or None),
    "answer_language": OpeningOption(type=options.AnswerLanguage),
    "language": OpeningOption(type=options.Language),
    "max_length": OpeningOption(type=options.MaxLength),
    "normalize": OpeningOption(type=options.Normalize),
    "labels": OpeningOption(type=options.Labels, parsed=options.label_names),
    "prompts": OpeningOption(type=options.Prompts),
    "threshold": OpeningOption(type=options.Threshold),
    "base": OpeningOption(type=options.Base),
    "trust_remote_code": OpeningOption(type=options.TrustRemoteCode, default=False),
}
"""Argument of `ftkit.load` -> its option. A command names those that it has."""


def opens_a_run(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Gives a command options of `OPENING_OPTIONS`, behind its own, in this order.

    The command takes them as one mapping: `opening`, argument of `ftkit.load` -> value. With `"base", "header"` and
    `--header true` typed, `opening` is `{"base": None, "header": True}`.
    """

    def with_options(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def called(**given: Any) -> None:
            opening = {name: OPENING_OPTIONS[name].parsed(given.pop(name)) for name in names}
            command(**given, opening=opening)

        own = inspect.signature(command, eval_str=True)  # typer makes the options that a signature shows
        shown = [parameter for name, parameter in own.parameters.items() if name != "opening"]
        shown += [_parameter(name, OPENING_OPTIONS[name]) for name in names]
        called.__signature__ = own.replace(parameters=shown)  # type: ignore[attr-defined]
        return called

    return with_options


def _parameter(name: str, option: OpeningOption) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=option.default, annotation=option.type)
