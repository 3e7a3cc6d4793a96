"""The words of a text are given a tag each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ftkit.report.escape import literal
from ftkit.report.recipe import AutoClass, Recipe
from ftkit.report.saved import Card
from ftkit.report.usage.loading import load_lines
from ftkit.report.usage.text import PLACEHOLDER, text_arguments
from ftkit.report.usage.usage import Usage
from ftkit.types import TokenExample

TokenName = Literal["cls_token_id", "bos_token_id", "sep_token_id", "eos_token_id"]


class TagRecipe(Recipe):
    """How words are tagged.

    Attributes:
        space: what words begin with, so that they have the pieces that they have within a text.
        tokens_before: what the tokenizer puts before a text: attributes of it, or ids.
        tokens_after: what it puts after a text.
        label_piece: the piece of a word that bears its tag.
    """

    usage: Literal["tag"] = "tag"
    auto_class: AutoClass = "AutoModelForTokenClassification"
    space: str = ""
    tokens_before: tuple[TokenName | int, ...] = ()
    tokens_after: tuple[TokenName | int, ...] = ()
    label_piece: Literal["first", "last"] = "first"


def _inputs(example: TokenExample) -> tuple[str, ...]:
    return tuple(map(str, example.words))


def _code(card: Card, name: str, is_folder: bool) -> list[str]:
    recipe, example = card.recipe, card.example
    assert isinstance(recipe, TagRecipe)
    words = (example and example.inputs) or PLACEHOLDER.rstrip(".").split()
    word = f"{literal(recipe.space)} + word" if recipe.space else "word"
    first = recipe.label_piece == "first"
    place = "len(ids)" if first else "len(ids) - 1"
    positions = f"    positions.append({place})  # a word's tag is read at its {recipe.label_piece} piece"
    pieces = f'    ids += tokenizer({word}, add_special_tokens=False)["input_ids"]'
    # Virtual tokens stand first.
    real = ".logits[0, -len(ids) :]" if recipe.num_virtual_tokens else ".logits[0]"
    return [
        *load_lines(card, name, is_folder),
        "",
        f"words = [{', '.join(map(literal, words))}]",
        f"ids, positions = [{_tokens(recipe.tokens_before)}], []",
        "for word in words:",
        *([positions, pieces] if first else [pieces, positions]),
        *([f"ids += [{_tokens(recipe.tokens_after)}]"] if recipe.tokens_after else []),
        "with torch.inference_mode():",
        f"    logits = model(input_ids=torch.tensor([ids]), attention_mask=torch.ones(1, len(ids))){real}",
        "print([model.config.id2label[tag] for tag in logits[positions].argmax(-1).tolist()])",
    ]


def _tokens(tokens: Sequence[TokenName | int]) -> str:
    return ", ".join(str(token) if isinstance(token, int) else f"tokenizer.{token}" for token in tokens)


def _note(card: Card) -> str:
    assert isinstance(card.recipe, TagRecipe)
    piece = f"A word's tag is read at its {card.recipe.label_piece} piece."
    return (
        f"{piece} The scores below are those of the likeliest tags that their scheme allows, for\n"
        "words and texts of any length, as `ftkit predict` gives them."
    )


USAGE = Usage(
    recipe=TagRecipe,
    inputs=_inputs,
    code=_code,
    arguments=text_arguments,
    files=("texts.csv", "predictions.jsonl"),
    note=_note,
)
