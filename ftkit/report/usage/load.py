"""Any model is used with ftkit: for kinds that name no other way."""

from __future__ import annotations

from ftkit.report.escape import literal, shell_word
from ftkit.report.recipe import AutoClass, Recipe
from ftkit.report.saved import Card
from ftkit.report.usage.loading import named
from ftkit.report.usage.text import input_texts
from ftkit.report.usage.usage import Usage


class LoadRecipe(Recipe):
    """How ftkit loads a model: it needs to be told nothing."""

    usage: str = "load"
    auto_class: AutoClass = "AutoModel"


def _code(card: Card, name: str, is_folder: bool) -> list[str]:
    return [
        "import ftkit",
        "",
        named("run", name, is_folder=is_folder),
        f"print(ftkit.load(run).predict([{literal(input_texts(card)[0])}])[0])",
    ]


USAGE = Usage(
    recipe=LoadRecipe,
    inputs=lambda example: (example.summary(),),
    code=_code,
    arguments=lambda card: f"--text {shell_word(input_texts(card)[0])}",
    files=("rows.jsonl", "predictions.jsonl"),
    is_plain=False,
)
