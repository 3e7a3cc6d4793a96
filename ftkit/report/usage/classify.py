"""Texts, and pairs of them, are given one label, several labels or a number."""

from __future__ import annotations

from typing import Literal

from ftkit.report.escape import literal
from ftkit.report.recipe import AutoClass, Recipe
from ftkit.report.saved import Card
from ftkit.report.usage.labels import label_lines, label_note
from ftkit.report.usage.loading import cut, load_lines, named, trusting
from ftkit.report.usage.text import input_texts, text_arguments
from ftkit.report.usage.usage import Usage
from ftkit.types import TextExample


class ClassifyRecipe(Recipe):
    """How texts are classified.

    Attributes:
        pair_joint: what stands between the texts of a pair, where the tokenizer does not mark it.
    """

    usage: Literal["classify"] = "classify"
    auto_class: AutoClass = "AutoModelForSequenceClassification"
    pair_joint: str | None = None


def _inputs(example: TextExample) -> tuple[str, ...]:
    return (example.text,) if example.text_pair is None else (example.text, example.text_pair)


def _code(card: Card, name: str, is_folder: bool) -> list[str]:
    return (_by_pipeline if card.method == "full" else _by_peft)(card, name, is_folder)


def _by_pipeline(card: Card, name: str, is_folder: bool) -> list[str]:
    texts, joint = _literals(card)
    given = texts[0]
    if len(texts) == 2:
        given = f'{{"text": {texts[0]}, "text_pair": {texts[1]}}}' if joint is None else joint.join(texts)
    lines = [
        "from transformers import pipeline",
        "",
        named("run", name, is_folder=is_folder),
        f'classify = pipeline("text-classification", model=run{cut(card)}{trusting(card)})',
    ]
    if card.problem_type == "multi_label_classification":
        return [
            *lines,
            f"scores = classify([{given}], top_k=None)[0]",
            'print([row["label"] for row in scores if row["score"] >= 0.5])',
        ]
    return [*lines, f"print(classify([{given}])[0])"]


def _by_peft(card: Card, name: str, is_folder: bool) -> list[str]:
    texts, joint = _literals(card)
    return [
        *load_lines(card, name, is_folder),
        "",
        f'inputs = tokenizer({(joint or ", ").join(texts)}{cut(card)}, return_tensors="pt")',
        *label_lines(card),
    ]


def _literals(card: Card) -> tuple[list[str], str | None]:
    """Returns the texts as literals, and what joins the two of a pair into one; None where they stay two."""
    assert isinstance(card.recipe, ClassifyRecipe)
    joint = card.recipe.pair_joint
    return [literal(text) for text in input_texts(card)], None if joint is None else f" + {literal(joint)} + "


USAGE = Usage(
    recipe=ClassifyRecipe,
    inputs=_inputs,
    quotes=_inputs,
    code=_code,
    arguments=text_arguments,
    files=("texts.csv", "predictions.jsonl"),
    note=label_note,
)
