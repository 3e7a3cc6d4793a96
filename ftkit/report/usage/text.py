"""What the ways of using a model that reads texts share."""

from __future__ import annotations

from ftkit.report.escape import one_line, shell_word
from ftkit.report.saved import Card

PLACEHOLDER = "Write the text here."


def input_texts(card: Card) -> tuple[str, ...]:
    """Returns the text that the code predicts, or both of a pair; without an example what stands for them."""
    found = () if card.example is None else card.example.inputs
    num_texts = 2 if card.reads_pairs else 1
    return (*found, *(PLACEHOLDER for _ in range(num_texts - len(found))))[:num_texts]


def text_arguments(card: Card) -> str:
    """Returns `--text TEXT`, and `--text-pair TEXT` for pairs."""
    found = () if card.example is None else card.example.quotes
    text, pair = (*found, *(PLACEHOLDER,) * 2)[:2]
    return f"--text {shell_word(one_line(text))}" + (f" --text-pair {shell_word(pair)}" if card.reads_pairs else "")
