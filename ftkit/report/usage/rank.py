"""A text and its candidates are read together, and every candidate gets a score."""

from __future__ import annotations

from typing import Literal

from ftkit.report.escape import literal
from ftkit.report.recipe import AutoClass, Recipe
from ftkit.report.saved import Card
from ftkit.report.usage.loading import cut, load_lines
from ftkit.report.usage.usage import Usage
from ftkit.types import CandidatesExample


class RankRecipe(Recipe):
    """How candidates are scored.

    Attributes:
        pair_joint: what stands between a text and its candidate, where the tokenizer does not mark it.
    """

    usage: Literal["rank"] = "rank"
    auto_class: AutoClass = "AutoModelForSequenceClassification"
    pair_joint: str | None = None


_PLACEHOLDERS = ("Write the text here.", "Write a candidate here.", "Write another one here.")


def _inputs(example: CandidatesExample) -> tuple[str, ...]:
    """Returns the text, and behind it each candidate as it is read."""
    return (example.text, *(candidate for _, candidate in example.pairs))


def _code(card: Card, name: str, is_folder: bool) -> list[str]:
    assert isinstance(card.recipe, RankRecipe)
    text, *candidates = card.example.inputs if card.example is not None else _PLACEHOLDERS
    joint = card.recipe.pair_joint
    given = "[text] * len(candidates), candidates"
    if joint is not None:
        given = f"[text + {literal(joint)} + candidate for candidate in candidates]"
    return [
        *load_lines(card, name, is_folder),
        "",
        f"text = {literal(text)}",
        "candidates = [",
        *(f"    {literal(candidate)}," for candidate in candidates),
        "]",
        f'inputs = tokenizer({given}, padding=True{cut(card)}, return_tensors="pt")',
        "with torch.inference_mode():",
        "    scores = model(**inputs).logits.squeeze(-1)",
        "print(candidates[scores.argmax().item()])",
    ]


USAGE = Usage(
    recipe=RankRecipe,
    inputs=_inputs,
    quotes=_inputs,
    code=_code,
    arguments=lambda card: "--input rows.jsonl",
    files=("rows.jsonl", "predictions.jsonl"),
)
