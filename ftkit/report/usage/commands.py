"""The code and the commands of a card, in whichever way its model is used."""

from __future__ import annotations

from ftkit.report.escape import shell_word
from ftkit.report.saved import Card
from ftkit.report.usage.usage import find_usage


def python_code(card: Card, name: str, *, is_folder: bool) -> str:
    """Returns Python that loads the model with plain transformers or peft and predicts the card's example.

    The code is complete, runs as it stands, and predicts as the run does.

    Args:
        name: the run's folder, or its repository.
        is_folder: which of them.
    """
    return "\n".join(find_usage(card.recipe.usage).code(card, name, is_folder))


def predict_commands(card: Card, name: str) -> list[str]:
    """Returns how ftkit predicts the card's example and a file."""
    usage, word = find_usage(card.recipe.usage), _path_word(name)
    return [
        f"ftkit predict {word} {usage.arguments(card)}",
        f"ftkit predict {word} --input {usage.files[0]} --output {usage.files[1]}",
    ]


def repeat_commands(card: Card, name: str, *, is_folder: bool) -> list[str]:
    """Returns how the run is made again."""
    folder = _path_word(name if is_folder else name.rpartition("/")[2])
    pull = [] if is_folder else [f"ftkit pull {shell_word(name)} {folder}"]
    if card.merged is not None:
        return [f"ftkit merge {_path_word(card.merged.adapter)} {folder}"]
    return [*pull, f"ftkit train {folder}/ftkit.yaml output_dir={folder}-again"]


def _path_word(name: str) -> str:
    """Returns a folder or repository as a word of bash that is taken for no option."""
    return shell_word(f"./{name}" if name.startswith("-") else name)
