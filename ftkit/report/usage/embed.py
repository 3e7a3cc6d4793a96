"""Texts become vectors, and their cosines say how alike they are."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ftkit.data.similarity import SimilarityExample
from ftkit.report.escape import literal, one_line, shell_word
from ftkit.report.recipe import AutoClass, Recipe
from ftkit.report.saved import Card
from ftkit.report.usage.loading import cut, load_lines
from ftkit.report.usage.usage import Usage


class EmbedRecipe(Recipe):
    """How texts become vectors.

    Attributes:
        pooling: how the vectors of tokens become one.
        normalize: whether its length is made 1.
        prompts: what stands before a text, by role.
    """

    usage: Literal["embed"] = "embed"
    auto_class: AutoClass = "AutoModel"
    pooling: Literal["mean", "cls", "max", "last"] = "mean"
    normalize: bool = False
    prompts: dict[Literal["text", "text_pair"], str] = Field(default_factory=dict)


_PLACEHOLDERS = ("Write a text here.", "Write another one here.")

_POOLING = {
    "mean": "vectors = (tokens * mask).sum(dim=1) / mask.sum(dim=1)",
    "cls": "vectors = tokens[:, 0]",
    "max": 'vectors = tokens.masked_fill(mask == 0, float("-inf")).amax(dim=1)',
    "last": 'vectors = tokens[torch.arange(len(tokens)), inputs["attention_mask"].sum(dim=1) - 1]',
}


def _inputs(example: SimilarityExample) -> tuple[str, ...]:
    """Returns the two texts."""
    return tuple(text for _, text in example.texts[:2])


def _given(card: Card) -> tuple[str, str]:
    found = () if card.example is None else card.example.inputs
    one, other = (*found, *_PLACEHOLDERS[len(found) :])[:2]
    return one, other


def _code(card: Card, name: str, is_folder: bool) -> list[str]:
    assert isinstance(card.recipe, EmbedRecipe)
    prompts = card.recipe.prompts
    texts = (prompts.get("text", "") + _given(card)[0], prompts.get("text_pair", "") + _given(card)[1])
    # The first or last token lies at one place of each row only where all rows are filled up on the right.
    padding = "padding=True" if card.recipe.pooling in ("mean", "max") else 'padding=True, padding_side="right"'
    has_mask = card.recipe.pooling in ("mean", "max")
    return [
        *load_lines(card, name, is_folder),
        "",
        "texts = [",
        *(f"    {literal(text)}," for text in texts),
        "]",
        f'inputs = tokenizer(texts, {padding}{cut(card)}, return_tensors="pt")',
        "with torch.inference_mode():",
        "    tokens = model(**inputs).last_hidden_state",
        *(['mask = inputs["attention_mask"].unsqueeze(-1)'] if has_mask else []),
        _POOLING[card.recipe.pooling],
        "vectors = torch.nn.functional.normalize(vectors, dim=-1)",
        "print((vectors[0] @ vectors[1]).item())",
    ]


def _arguments(card: Card) -> str:
    one, other = (shell_word(one_line(text)) for text in _given(card))
    return f"--text {one} --text-pair {other}"


def _note(card: Card) -> str:
    if card.method == "full":
        return "sentence-transformers opens it, too: `SentenceTransformer(run).encode(texts)`."
    return "`ftkit merge` makes a whole model of it, which sentence-transformers opens, too."


USAGE = Usage(
    recipe=EmbedRecipe,
    inputs=_inputs,
    quotes=_inputs,
    code=_code,
    arguments=_arguments,
    files=("pairs.csv", "cosines.jsonl"),
    note=_note,
    tags=("sentence-transformers",),
)
