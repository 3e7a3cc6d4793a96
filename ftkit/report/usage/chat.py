"""A model goes on writing: it answers a conversation, or goes on with a text."""

from __future__ import annotations

from typing import Literal

from ftkit.data.conversations import ConversationExample
from ftkit.report.escape import literal, one_line, shell_word
from ftkit.report.recipe import AutoClass, Recipe
from ftkit.report.saved import Card
from ftkit.report.usage.loading import load_lines, named, trusting
from ftkit.report.usage.text import PLACEHOLDER
from ftkit.report.usage.usage import Usage


class ChatRecipe(Recipe):
    """How a model is asked.

    Attributes:
        is_chat: it answers conversations; else it goes on with a text.
    """

    usage: Literal["chat"] = "chat"
    auto_class: AutoClass = "AutoModelForCausalLM"
    is_chat: bool = True


def _inputs(example: ConversationExample) -> tuple[str, ...]:
    """Returns a prompt; of a conversation role and text of each message up to the answer, one after another."""
    if not example.messages:
        return (example.prompt or example.summary(),)
    return tuple(part for message in example.asked for part in (message["role"], str(message["content"])))


def _code(card: Card, name: str, is_folder: bool) -> list[str]:
    assert isinstance(card.recipe, ChatRecipe)
    given = _messages(card) if card.recipe.is_chat else [f"prompt = {literal(_said(card))}"]
    write = _by_pipeline if card.method == "full" else _by_peft
    return write(card, name, is_folder, given)


def _messages(card: Card) -> list[str]:
    """Returns the lines that write the messages of the card's example, or of what stands for them."""
    found = card.example.inputs if card.example is not None else ()
    turns = list(zip(found[::2], found[1::2], strict=False)) or [("user", _said(card))]
    lines = [f'    {{"role": {literal(role)}, "content": {literal(text)}}},' for role, text in turns]
    return ["messages = [", *lines, "]"]


def _said(card: Card) -> str:
    """Returns what is said last in the card's example."""
    found = card.example.inputs if card.example is not None else ()
    return found[-1] if found else PLACEHOLDER


def _by_pipeline(card: Card, name: str, is_folder: bool, given: list[str]) -> list[str]:
    asked = given[0].partition(" =")[0]
    return [
        "from transformers import pipeline",
        "",
        named("run", name, is_folder=is_folder),
        f'write = pipeline("text-generation", model=run{trusting(card)})',
        *given,
        f'print(write({asked}, do_sample=False, return_full_text=False)[0]["generated_text"].strip())',
    ]


def _by_peft(card: Card, name: str, is_folder: bool, given: list[str]) -> list[str]:
    assert isinstance(card.recipe, ChatRecipe)
    shared = 'return_dict=True, return_tensors="pt"'
    if card.recipe.is_chat:
        inputs = f"inputs = tokenizer.apply_chat_template(messages, add_generation_prompt=True, {shared})"
    else:
        inputs = 'inputs = tokenizer(prompt, return_tensors="pt")'
    return [
        *load_lines(card, name, is_folder, generates=True),
        "",
        *given,
        inputs,
        "with torch.inference_mode():",
        "    written = model.generate(**inputs)",
        'print(tokenizer.decode(written[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True).strip())',
    ]


def _arguments(card: Card) -> str:
    return f"--text {shell_word(one_line(_said(card)))}"


USAGE = Usage(
    recipe=ChatRecipe,
    inputs=_inputs,
    code=_code,
    arguments=_arguments,
    files=("questions.jsonl", "answers.jsonl"),
)
