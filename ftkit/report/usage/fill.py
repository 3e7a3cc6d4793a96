"""Hidden tokens of a text are found."""

from __future__ import annotations

from typing import Literal

from ftkit.report.escape import literal, shell_word
from ftkit.report.recipe import AutoClass, Recipe
from ftkit.report.saved import Card
from ftkit.report.usage.loading import cut, load_lines, named, trusting
from ftkit.report.usage.usage import Usage
from ftkit.types import TextExample

PLACEHOLDER = "Paris is the {mask} of France."


class FillRecipe(Recipe):
    """How hidden tokens are found.

    Attributes:
        mask: how one is written.
    """

    usage: Literal["fill"] = "fill"
    auto_class: AutoClass = "AutoModelForMaskedLM"
    mask: str = "[MASK]"


def _inputs(example: TextExample) -> tuple[str, ...]:
    return (example.text,)


def _text(card: Card) -> str:
    assert isinstance(card.recipe, FillRecipe)
    return PLACEHOLDER.format(mask=card.recipe.mask)


def _code(card: Card, name: str, is_folder: bool) -> list[str]:
    text = literal(_text(card))
    if card.method == "full":
        return [
            "from transformers import pipeline",
            "",
            named("run", name, is_folder=is_folder),
            f'fill = pipeline("fill-mask", model=run{trusting(card)})',
            f'print([(found["token_str"], round(found["score"], 3)) for found in fill({text})])',
        ]
    # Virtual tokens stand first.
    virtual = card.recipe.num_virtual_tokens
    real = f".logits[0, {virtual}:]" if virtual else ".logits[0]"
    return [
        *load_lines(card, name, is_folder),
        "",
        f'inputs = tokenizer({text}{cut(card)}, return_tensors="pt")',
        "with torch.inference_mode():",
        f"    logits = model(**inputs){real}",
        'hidden = logits[inputs["input_ids"][0] == tokenizer.mask_token_id]',
        "print([tokenizer.decode(token) for token in hidden.topk(5).indices[0]])",
    ]


USAGE = Usage(
    recipe=FillRecipe,
    inputs=_inputs,
    code=_code,
    arguments=lambda card: f"--text {shell_word(_text(card))}",
    files=("texts.csv", "predictions.jsonl"),
)
