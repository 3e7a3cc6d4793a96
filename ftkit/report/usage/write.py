"""A text is written for a text: by a model that goes on writing a prompt, or by one that reads and then writes."""

from __future__ import annotations

from typing import Literal

from ftkit.report.escape import literal
from ftkit.report.recipe import Recipe
from ftkit.report.saved import Card
from ftkit.report.usage.loading import cut, load_lines
from ftkit.report.usage.text import input_texts, text_arguments
from ftkit.report.usage.usage import Usage
from ftkit.types import TextToTextExample


class WriteRecipe(Recipe):
    """How texts are written.

    Attributes:
        before: what stands before a source that is to be written on.
        after: what stands after it.
        is_chat: that already holds the special tokens.
        drops_end: the tokenizer ends every text, and a prompt goes on.
        has_target_tokenizer: what is written has a tokenizer of its own.
        goes_on: what is written follows the prompt in one sequence.
    """

    usage: Literal["write"] = "write"
    before: str = ""
    after: str = ""
    is_chat: bool = False
    drops_end: bool = False
    has_target_tokenizer: bool = False
    goes_on: bool = False


def _inputs(example: TextToTextExample) -> tuple[str, ...]:
    return (example.source,)


def _code(card: Card, name: str, is_folder: bool) -> list[str]:
    recipe, text = card.recipe, input_texts(card)[0]
    assert isinstance(recipe, WriteRecipe)
    affixes = [literal(affix) if affix else "" for affix in (recipe.before, recipe.after)]
    given = " + ".join(part for part in (affixes[0], literal(text), affixes[1]) if part)
    special = ", add_special_tokens=False" if recipe.is_chat else ""
    arguments = f"{special}{'' if recipe.goes_on else cut(card)}"
    ids = 'written[0, inputs["input_ids"].shape[1] :]' if recipe.goes_on else "written[0]"
    target_tokenizer = 'writer = AutoTokenizer.from_pretrained(run, subfolder="target_tokenizer")'
    writer = "writer" if recipe.has_target_tokenizer else "tokenizer"
    return [
        *load_lines(card, name, is_folder, generates=True),
        *([target_tokenizer] * recipe.has_target_tokenizer),
        "",
        f'inputs = tokenizer({given}{arguments}, return_token_type_ids=False, return_tensors="pt")',
        *(["inputs = {name: ids[:, :-1] for name, ids in inputs.items()}  # a prompt goes on"] * recipe.drops_end),
        "with torch.inference_mode():",
        "    written = model.generate(**inputs)",
        f"print({writer}.decode({ids}, skip_special_tokens=True).strip())",
    ]


USAGE = Usage(
    recipe=WriteRecipe,
    inputs=_inputs,
    code=_code,
    arguments=text_arguments,
    files=("texts.txt", "written.txt"),
)
