"""Images are compared with texts: the names of labels in prompts, or captions."""

from __future__ import annotations

from typing import Literal

from ftkit.data.image_pairs import PLACE, ImagePairExample, in_prompts
from ftkit.report.escape import literal, shell_word
from ftkit.report.recipe import AutoClass, Recipe
from ftkit.report.saved import Card
from ftkit.report.usage.loading import Processor, cut, load_lines, named, trusting
from ftkit.report.usage.see import image_inputs, photo
from ftkit.report.usage.usage import Usage

MOST_NAMED = 30
"""Labels that a card's code names; of more it names these."""

_PROCESSORS = Processor(
    "tokenizer",
    "AutoTokenizer",
    imports=("from transformers import AutoImageProcessor", "from transformers.image_utils import load_image"),
)


class CompareRecipe(Recipe):
    """How images are compared with texts.

    Attributes:
        candidate_labels: what is chosen from; empty: the run was trained on captions.
        prompts: what labels become.
        padding: of texts.
        activation: what makes scores of logits.
        has_pipeline: transformers' pipeline can load the model.
    """

    usage: Literal["compare"] = "compare"
    auto_class: AutoClass = "AutoModelForZeroShotImageClassification"
    candidate_labels: tuple[str, ...] = ()
    prompts: tuple[str, ...] = ()
    padding: bool | Literal["max_length"] = True
    activation: Literal["softmax", "sigmoid"] = "softmax"
    has_pipeline: bool = True


def _inputs(example: ImagePairExample) -> tuple[str, ...]:
    return image_inputs(example)  # type: ignore[arg-type]


def _code(card: Card, name: str, is_folder: bool) -> list[str]:
    recipe = card.recipe
    assert isinstance(recipe, CompareRecipe)
    names = recipe.candidate_labels[:MOST_NAMED] or ("cat", "dog")
    prompts = recipe.prompts or (PLACE,)
    if card.method == "full" and len(prompts) == 1 and recipe.has_pipeline:
        return _by_pipeline(card, name, is_folder, names, prompts[0])
    texts = [text for label in names for text in in_prompts(label, prompts)]
    padding = literal(recipe.padding) if isinstance(recipe.padding, str) else "True"
    last = "logits.softmax(dim=-1)" if recipe.activation == "softmax" else "logits.sigmoid()"
    return [
        *load_lines(card, name, is_folder, processor=_PROCESSORS),
        f'images = AutoImageProcessor.from_pretrained(run, backend="pil"{trusting(card)})',
        "",
        f"labels = [{', '.join(map(literal, names))}]",
        "texts = [",
        *(f"    {literal(text)}," for text in texts),
        "]",
        f'inputs = tokenizer(texts, padding={padding}{cut(card)}, return_tensors="pt")',
        f'pixels = images(load_image({literal(photo(card))}), return_tensors="pt")',
        "with torch.inference_mode():",
        "    image = model.get_image_features(**pixels).pooler_output",
        "    words = model.get_text_features(**inputs).pooler_output",
        "normalize = torch.nn.functional.normalize",
        f"words = normalize(words, dim=-1).unflatten(0, (len(labels), {len(prompts)})).mean(dim=1)",
        "logits = model.logit_scale.exp() * normalize(image, dim=-1) @ normalize(words, dim=-1).T",
        *(["logits = logits + model.logit_bias"] if recipe.activation == "sigmoid" else []),
        f"score, label = max(zip({last}.flatten().tolist(), labels))",
        'print({"label": label, "score": score})',
    ]


def _by_pipeline(card: Card, name: str, is_folder: bool, names: tuple[str, ...], prompt: str) -> list[str]:
    trust = trusting(card)
    template = prompt.replace("{", "{{").replace("}", "}}").replace("{{label}}", "{}")
    return [
        "from transformers import AutoImageProcessor, pipeline",
        "",
        named("run", name, is_folder=is_folder),
        f'images = AutoImageProcessor.from_pretrained(run, backend="pil"{trust})',
        f'classify = pipeline("zero-shot-image-classification", model=run, image_processor=images{trust})',
        f"labels = [{', '.join(map(literal, names))}]",
        f"template = {literal(template)}",
        f"print(classify({literal(photo(card))}, candidate_labels=labels, hypothesis_template=template)[0])",
    ]


def _note(card: Card) -> str:
    assert isinstance(card.recipe, CompareRecipe)
    if card.recipe.candidate_labels:
        return "Any other labels can stand in the place of these."
    return "It was trained on captions; any labels can be chosen among."


def _arguments(card: Card) -> str:
    assert isinstance(card.recipe, CompareRecipe)
    more = "" if card.recipe.candidate_labels else " --labels cat,dog"
    return f"--input {shell_word(photo(card))}{more}"


USAGE = Usage(
    recipe=CompareRecipe,
    inputs=_inputs,
    code=_code,
    arguments=_arguments,
    files=("photos/", "predictions.jsonl"),
    note=_note,
)
