"""A question is answered by a stretch of a text, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from ftkit.data.questions import QuestionExample
from ftkit.report.escape import literal
from ftkit.report.recipe import AutoClass, Recipe
from ftkit.report.saved import Card
from ftkit.report.usage.loading import load_lines
from ftkit.report.usage.text import PLACEHOLDER, input_texts, text_arguments
from ftkit.report.usage.usage import Usage

Ids = tuple[int, ...]


class AnswerRecipe(Recipe):
    """How answers are found.

    Attributes:
        max_answer_length: tokens of the longest answer.
        ids_before: of the tokens before the question, between question and text, and after the text.
        token_types: of the tokens before, the question, the tokens between, the text, the tokens after; None where the
            model has none.
        no_answer_at_end: whether the last token says that there is no answer; else the first one does.
        no_answer_threshold: from which probability, against the best span, there is no answer; None: there always is.
    """

    usage: Literal["answer"] = "answer"
    auto_class: AutoClass = "AutoModelForQuestionAnswering"
    max_answer_length: int = 30
    ids_before: Ids = ()
    ids_between: Ids = ()
    ids_after: Ids = ()
    token_types: tuple[Ids, int, Ids, int, Ids] | None = None
    no_answer_at_end: bool = False
    no_answer_threshold: float | None = None


def _inputs(example: QuestionExample) -> tuple[str, ...]:
    return example.question, example.context


def _recipe(card: Card) -> AnswerRecipe:
    assert isinstance(card.recipe, AnswerRecipe)
    return card.recipe


def _code(card: Card, name: str, is_folder: bool) -> list[str]:
    """Returns lines that search for the best span by hand: transformers 5 has no pipeline that does."""
    recipe, (question, context, *_) = _recipe(card), (*input_texts(card), PLACEHOLDER)
    fits = "" if recipe.max_length is None else f"[: {recipe.max_length} - len(before) - {len(recipe.ids_after)}]"
    types = ", token_type_ids=types" if recipe.token_types is not None else ""
    return [
        *load_lines(card, name, is_folder),
        "",
        f"question = {literal(question)}",
        f"context = {literal(context)}",
        'asked = tokenizer(question, add_special_tokens=False)["input_ids"]',
        f"before = [{_joined(recipe.ids_before, 'asked', recipe.ids_between)}]",
        "text = tokenizer(context, add_special_tokens=False, return_offsets_mapping=True)",
        f'ids = text["input_ids"]{fits}',
        f"inputs = torch.tensor([[*before, *ids{_after(recipe.ids_after)}]])",
        *_type_lines(recipe),
        "with torch.inference_mode():",
        f"    outputs = model(input_ids=inputs, attention_mask=torch.ones_like(inputs){types})",
        *_real_logits(recipe),
        "",
        "# The best answer: the largest sum of a start and of an end that does not come before it.",
        "stop = len(before) + len(ids)",
        "sums = starts[len(before) : stop, None] + ends[None, len(before) : stop]",
        f"allowed = torch.ones_like(sums).triu().tril({recipe.max_answer_length - 1}).bool()",
        'best = sums.masked_fill(~allowed, float("-inf"))',
        "first, last = divmod(best.argmax().item(), len(ids))",
        'offsets = text["offset_mapping"]',
        "answer = context[offsets[first][0] : offsets[last][1]].strip()",
        *_silence(recipe),
        "print(answer)",
    ]


def _joined(*parts: Ids | str) -> str:
    """Returns the items of a list: ids, and lists by name."""
    found = [f"*{part}" if isinstance(part, str) else ", ".join(map(str, part)) for part in parts]
    return ", ".join(part for part in found if part)


def _after(ids: Ids) -> str:
    return "".join(f", {id_}" for id_ in ids)


def _type_lines(recipe: AnswerRecipe) -> Iterator[str]:
    if recipe.token_types is not None:
        before, first, between, second, after = recipe.token_types
        asked, text = f"[{first}] * len(asked)", f"[{second}] * len(ids)"
        parts = [list(before), asked, list(between), text, list(after)]
        yield f"types = torch.tensor([{' + '.join(str(part) for part in parts if part)}])"


def _real_logits(recipe: AnswerRecipe) -> list[str]:
    # Virtual tokens stand first.
    real = ", -inputs.shape[1] :" if recipe.num_virtual_tokens else ""
    return [f"starts, ends = outputs.start_logits[0{real}], outputs.end_logits[0{real}]"]


def _silence(recipe: AnswerRecipe) -> list[str]:
    if recipe.no_answer_threshold is None:
        return []
    place = -1 if recipe.no_answer_at_end else 0
    return [
        f"no_answer = torch.sigmoid(starts[{place}] + ends[{place}] - best.max()).item()",
        f'answer = "" if no_answer > {recipe.no_answer_threshold!r} else answer',
    ]


def _note(card: Card) -> str:
    length = _recipe(card).max_length
    reads = "" if length is None else f" It reads as much of the text as fits into {length} tokens;"
    return (
        "transformers 5 has no pipeline for question answering, so the code searches for the best answer by hand."
        f"{reads} `ftkit predict` reads texts\nof any length in windows, and lists the next best answers."
    )


USAGE = Usage(
    recipe=AnswerRecipe,
    inputs=_inputs,
    quotes=_inputs,
    code=_code,
    arguments=text_arguments,
    files=("questions.jsonl", "answers.jsonl"),
    note=_note,
)
