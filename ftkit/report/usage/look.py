"""Images are captioned, or questions about them are answered, by a model that writes."""

from __future__ import annotations

import json
from typing import ClassVar, Literal

from ftkit.data.image_text import ImageTextExample
from ftkit.report.escape import literal, shell_word
from ftkit.report.recipe import AutoClass, Recipe
from ftkit.report.saved import Card
from ftkit.report.usage.loading import Processor, load_lines
from ftkit.report.usage.usage import Usage, file_input

PROCESSOR = Processor(
    "processor",
    "AutoProcessor",
    arguments=', backend="pil"',
    imports=("from transformers.image_utils import load_image",),
)
PLACEHOLDER = "photo.jpg"


class LookRecipe(Recipe):
    """How images are written about.

    Attributes:
        before: what a question is read after.
        after: what follows it.
        form: how the model is given a question: by a chat template; behind its images (prefix); as token ids behind a
            start token that stands for the image (ids) or for the beginning of what is written (start); beside its
            image, which an encoder reads with it (beside); or not at all.
        has_videos: whether the checkpoint's processor reads videos as well, which transformers opens by torchvision.
    """

    joined_class: ClassVar[str] = "VisionEncoderDecoderModel"
    names_decoder_config: ClassVar[bool] = True
    usage: Literal["look"] = "look"
    auto_class: AutoClass = "AutoModelForImageTextToText"
    before: str = ""
    after: str = ""
    form: Literal["chat", "prefix", "ids", "start", "beside", "none"] = "none"
    has_videos: bool = False


def _inputs(example: ImageTextExample) -> tuple[str, ...]:
    """Returns the first image's path from where the run was started, or its name, and the question."""
    return (file_input(example.image, example.name, PLACEHOLDER), example.question)


def _given(card: Card) -> tuple[str, str]:
    recipe = card.recipe
    assert isinstance(recipe, LookRecipe)
    image, question = (*(card.example.inputs if card.example is not None else ()), PLACEHOLDER, "")[:2]
    return image or PLACEHOLDER, (recipe.before + question + recipe.after).strip()


def _code(card: Card, name: str, is_folder: bool) -> list[str]:
    recipe = card.recipe
    assert isinstance(recipe, LookRecipe)
    image, question = _given(card)
    lines = [
        *(["# pip install torchvision: the processor reads videos, too."] if recipe.has_videos else []),
        *load_lines(card, name, is_folder, processor=PROCESSOR, generates=True),
        "",
        f"image = load_image({literal(image)})",
    ]
    goes_on = 'written = written[:, inputs["input_ids"].shape[1] :]'
    if recipe.form == "chat":
        text = f', {{"type": "text", "text": {literal(question)}}}' if question else ""
        lines += [
            f'messages = [{{"role": "user", "content": [{{"type": "image"}}{text}]}}]',
            "text = processor.apply_chat_template(messages, add_generation_prompt=True)",
            "bos = processor.tokenizer.bos_token",
            "adds = bos is None or not text.startswith(bos)",
            'inputs = processor(text=[text], images=[[image]], add_special_tokens=adds, return_tensors="pt")',
        ]
    elif recipe.form == "prefix":
        lines += [
            f"text = processor.image_token + {literal(question)}",
            'inputs = processor(text=[text], images=[[image]], return_tensors="pt")',
        ]
    elif recipe.form == "ids":
        lines += [
            'inputs = dict(processor.image_processor([image], return_tensors="pt"))',
            f"ids = processor.tokenizer({literal(question)}, add_special_tokens=False).input_ids",
            'inputs["input_ids"] = torch.tensor([[processor.tokenizer.cls_token_id, *ids]])',
        ]
    elif recipe.form == "start":
        lines += [
            'inputs = dict(processor.image_processor([image], return_tensors="pt"))',
            f"ids = processor.tokenizer({literal(question)}, add_special_tokens=False).input_ids",
            "text = model.config.text_config",
            "# The model drops the last token of what it goes on with.",
            'inputs["input_ids"] = torch.tensor([[text.bos_token_id, *ids, text.sep_token_id]])',
        ]
        goes_on = 'written = written[:, inputs["input_ids"].shape[1] - 1 :]'
    elif recipe.form == "beside":
        lines += [f'inputs = processor(text=[{literal(question)}], images=[image], return_tensors="pt")']
    else:
        lines += ['inputs = processor.image_processor([image], return_tensors="pt")']
    # BLIP's text half has settings of its own, which know nothing of the run's.
    search = ", generation_config=model.generation_config" if recipe.form in ("start", "beside") else ""
    return [
        *lines,
        "with torch.inference_mode():",
        f"    written = model.generate(**inputs{search})",
        *([] if recipe.form in ("beside", "none") else [goes_on]),
        "print(processor.batch_decode(written, skip_special_tokens=True)[0].strip())",
    ]


def _arguments(card: Card) -> str:
    """Returns the image's file, or where something is asked about it, both as JSON."""
    image, question = (*(card.example.inputs if card.example is not None else ()), PLACEHOLDER, "")[:2]
    if not question:
        return f"--input {shell_word(image)}"
    return f"--text {shell_word(json.dumps({'image': image, 'question': question}, ensure_ascii=False))}"


USAGE = Usage(
    recipe=LookRecipe,
    inputs=_inputs,
    code=_code,
    arguments=_arguments,
    files=("photos.jsonl", "written.jsonl"),
)
