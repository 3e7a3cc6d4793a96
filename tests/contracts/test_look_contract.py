"""What every model that writes about images keeps to, whatever its checkpoint. A new family only adds data."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

import tiny_image_text
from ftkit.adapters.preprocessors.tokens import NO_LOSS
from ftkit.data.image_text import user_message
from ftkit.data.images import open_image
from ftkit.engine.batching import BatchLimits
from ftkit.engine.predicting import predict_windows
from ftkit.models.image_text_processors import without_videos
from tiny import batch_of

LIMITS = BatchLimits(64, 100_000)
LEARNT = {
    "idefics3": "Ġcard <end_of_utterance>",
    "idefics2": "Ġcard <end_of_utterance>",
    "internvl": "c a r d <|im_end|>",
    "smolvlm": "Ġcard <end_of_utterance>",
    "qwen2_vl": "c a r d <|im_end|>",
    "qwen2_5_vl": "c a r d <|im_end|>",
    "qwen3_vl": "c a r d <|im_end|>",
    "llava": "Ġcard </s>",
    "llava_next": "Ġcard </s>",
    "llava_onevision": "Ġcard </s>",
    "git": "card [SEP]",
    "blip": "card [SEP]",
    "blip_vqa": "card [SEP]",
    "florence2": "<s> c a r d </s>",
    "vit-gpt2": "c a r d <|endoftext|>",
    "gemma3": "c a r d <end_of_turn>",
    "gemma4": "c a r d <turn|>",
    "paligemma": "c a r d <eos>",
    "paligemma2": "c a r d <eos>",
}
"""Family -> the tokens that bear loss where "card" is to be written."""

SEE_ALONE = ("vit-gpt2",)
BESIDE = ("blip_vqa", "florence2")
"""Their encoder reads a question beside an image: what their decoder writes begins with its own start."""

SEE_ONE = (*SEE_ALONE, *BESIDE, "git", "blip", "llava_onevision")
FAST = ("gemma4", "paligemma", "paligemma2", "smolvlm", "llava", "git")
RATES = dict.fromkeys(LEARNT, 5e-3) | dict.fromkeys(FAST, 1e-2)
"""Family -> the learning rate by which it learns in a hundred steps."""

every_case = pytest.mark.parametrize("name", LEARNT)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    return tiny_image_text.maker(tmp_path_factory.mktemp("seeing"))


@pytest.fixture
def pictures(name: str, tmp_path: Path) -> list[Any]:
    return tiny_image_text.examples(tmp_path / "pictures", 8, question=asked_of(name))


def adds_special(text: str) -> bool:
    """Tells whether a tokenizer is to add what a text begins with, as `apply_chat_template` decides."""
    return not text.startswith(("<s>", "<bos>"))


def asked_of(name: str, question: str = tiny_image_text.QUESTION) -> str:
    """Returns what a family is asked: nothing where it reads no text."""
    return "" if name in SEE_ALONE else question


@torch.inference_mode()
def written(adapter: Any, model: Any, examples: list[Any]) -> list[str]:
    encoded = adapter.preprocessor.encode(examples, targets=False)
    ((_, _, arrays),) = predict_windows(model, adapter, encoded, LIMITS)
    return [row["prediction"] for row in adapter.objective.decode(arrays, examples)]


@every_case
def test_the_answer_and_its_end_bear_loss_and_nothing_else(name: str, checkpoint: Any, pictures: Any) -> None:
    adapter = tiny_image_text.make_adapter(checkpoint(name))
    encoded = adapter.preprocessor.encode(pictures, targets=True)
    row = encoded.rows[2]  # "card"
    learnt = [label for label in row["labels"] if label != NO_LOSS]
    assert " ".join(adapter.preprocessor.target_tokenizer.convert_ids_to_tokens(learnt)) == LEARNT[name]
    assert adapter.count_items(encoded) == sum(
        sum(label != NO_LOSS for label in one["labels"]) for one in map(encoded.rows.__getitem__, range(8))
    )


@every_case
def test_the_loss_is_the_model_s_own(name: str, checkpoint: Any, pictures: Any) -> None:
    adapter = tiny_image_text.make_adapter(checkpoint(name), max_new_tokens=4)
    model = adapter.objective.build().model.eval()
    encoded = adapter.preprocessor.encode(pictures, targets=True)
    batch = batch_of(adapter, encoded)
    with torch.inference_mode():
        losses_B = adapter.objective.loss(model(**batch.inputs), batch)
        theirs = OWN_LOSS.get(name, _given_labels)(model, batch)
    assert losses_B.shape == (8,)
    assert losses_B.sum() / adapter.count_items(encoded) == pytest.approx(theirs.item(), rel=1e-4)


@every_case
def test_a_row_does_not_depend_on_its_neighbours(name: str, checkpoint: Any, tmp_path: Path) -> None:
    adapter = tiny_image_text.make_adapter(checkpoint(name), max_new_tokens=4)
    model = adapter.objective.build().model.eval()
    for parameter in model.parameters():
        parameter.data.mul_(4 if parameter.dim() > 1 else 1)  # so that what is written depends on what is read
    short, long = (
        tiny_image_text.examples(tmp_path / "pictures", 4, question=asked_of(name, text))
        for text in ("who", "will it rain today or will the sun shine")
    )
    rows = [short[0], long[1], short[2], long[3]]
    alone = [written(adapter, model, [row])[0] for row in rows]
    assert len({*alone}) > 1
    assert written(adapter, model, rows) == alone
    losses = []
    for chosen in (rows, rows[:1], rows[1:2]):
        batch = batch_of(adapter, adapter.preprocessor.encode(chosen, targets=True))
        with torch.inference_mode():
            losses.append(adapter.objective.loss(model(**batch.inputs), batch).numpy())
    np.testing.assert_allclose(losses[0][:2], [losses[1][0], losses[2][0]], rtol=1e-4)


@every_case
def test_what_an_image_shows_can_be_learnt(name: str, checkpoint: Any, pictures: Any) -> None:
    adapter = tiny_image_text.make_adapter(checkpoint(name), max_new_tokens=6)
    model = adapter.objective.build().model.train()
    shown = pictures[: len(tiny_image_text.COLOURS)]
    batch = batch_of(adapter, adapter.preprocessor.encode(shown, targets=True))
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATES[name])
    for _ in range(120):
        optimizer.zero_grad()
        loss = adapter.objective.loss(model(**batch.inputs), batch).mean()
        loss.backward()
        optimizer.step()
        if loss < 0.3:
            break
    assert written(adapter, model.eval(), shown) == [example.target for example in shown]


@every_case
def test_plain_transformers_reads_and_writes_the_same(
    name: str, checkpoint: Any, pictures: Any, tmp_path: Path
) -> None:
    from PIL import Image
    from transformers import PROCESSOR_MAPPING, AutoProcessor

    adapter = tiny_image_text.make_adapter(checkpoint(name), max_new_tokens=4)
    model = adapter.objective.build().model.eval()
    model.save_pretrained(tmp_path / "saved")
    adapter.preprocessor.save(tmp_path / "saved")
    auto_class = getattr(transformers, adapter.objective.recipe()["auto_class"])
    theirs = auto_class.from_pretrained(tmp_path / "saved").eval()
    assert type(theirs).__module__.startswith("transformers.")
    # transformers opens a processor of videos, too, by torchvision alone.
    has_videos = GIVEN[name] is _without_videos
    opened = without_videos(PROCESSOR_MAPPING[type(theirs.config)]) if has_videos else AutoProcessor
    processor = opened.from_pretrained(tmp_path / "saved", backend="pil")
    texts = []
    for example in pictures[:3]:
        image = Image.open(example.image)
        inputs = GIVEN[name](processor, image, tiny_image_text.QUESTION)
        out = theirs.generate(**inputs, generation_config=theirs.generation_config)
        if "input_ids" in inputs and name not in BESIDE:
            out = out[:, inputs["input_ids"].shape[1] - (name == "blip") :]
        text = processor.batch_decode(out, skip_special_tokens=True)[0]
        texts.append(" ".join(text.splitlines()).strip())
    assert texts == written(adapter, model, pictures[:3])


@pytest.mark.parametrize("name", [name for name in LEARNT if name not in SEE_ONE])
@pytest.mark.parametrize("num_beams", [1, 3])
def test_rows_of_several_images_do_not_depend_on_their_neighbours(
    name: str, num_beams: int, checkpoint: Any, pictures: Any
) -> None:
    adapter = tiny_image_text.make_adapter(checkpoint(name), max_new_tokens=4, generation={"num_beams": num_beams})
    assert adapter.preprocessor.prompts.sees_several
    model = adapter.objective.build().model.eval()
    for parameter in model.parameters():
        parameter.data.mul_(4 if parameter.dim() > 1 else 1)
    one, two = pictures[1], pictures[2]
    both = dataclasses.replace(
        one, images=one.images + two.images, names=one.names + two.names, messages=(user_message("who", 2),)
    )
    encoded = adapter.preprocessor.encode([both], targets=False)
    opened = [open_image(source, source) for source in both.images]
    processor = adapter.preprocessor.processor
    if adapter.preprocessor.prompts.form == "prefix":
        text = f"{2 * processor.image_token}who"
    else:
        said = [{**message, "content": list(message["content"])} for message in both.messages]
        text = processor.tokenizer.apply_chat_template(said, tokenize=False, add_generation_prompt=True)
    theirs = processor(text=[text], images=[opened], add_special_tokens=adds_special(text))["input_ids"][0]
    assert encoded.rows[0]["input_ids"] == list(theirs), (
        "images that follow one another are read as the processor says"
    )
    assert encoded.costs.tolist() == [len(theirs)]
    rows = [two, both, one]
    assert written(adapter, model, rows) == [written(adapter, model, [row])[0] for row in rows]
    batch = batch_of(adapter, adapter.preprocessor.encode(rows, targets=True))
    with torch.inference_mode():
        losses_B = adapter.objective.loss(model(**batch.inputs), batch)
        of_two = batch.take(np.array([2, 1]))
        assert of_two.inputs["input_ids"].shape[0] == 2
        torch.testing.assert_close(adapter.objective.loss(model(**of_two.inputs), of_two), losses_B[[2, 1]])


@every_case
def test_changes_of_training_images_are_seen_in_training_alone(name: str, checkpoint: Any, pictures: Any) -> None:
    changes = {"resized_crop": {"area": [0.2, 0.3]}, "rotate": {"degrees": 90}}
    plain, adapter = (
        tiny_image_text.make_adapter(checkpoint(name), **options) for options in ({}, {"augment": changes})
    )
    rows = adapter.preprocessor.encode(pictures, targets=True).rows.__getitems__([0, 1])

    def pixels(of: Any, *, training: bool) -> Any:
        rngs = [np.random.default_rng(seed) for seed in (1, 2)]
        return of.preprocessor.collate(rows, training=training, rngs=rngs).inputs["pixel_values"]

    assert adapter.preprocessor.augments
    assert torch.equal(pixels(adapter, training=False), pixels(plain, training=True))
    assert torch.equal(pixels(adapter, training=True), pixels(adapter, training=True))
    assert pixels(adapter, training=True).shape == pixels(plain, training=True).shape
    assert not torch.equal(pixels(adapter, training=True), pixels(plain, training=True))


def _by_chat_template(processor: Any, image: Any, question: str) -> Any:
    said = [{"role": "user", "content": [{"type": "image", "image": image}, {"type": "text", "text": question}]}]
    return processor.apply_chat_template(
        said, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
    )


def _without_videos(processor: Any, image: Any, question: str) -> Any:
    said = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": question}]}]
    text = processor.tokenizer.apply_chat_template(said, tokenize=False, add_generation_prompt=True)
    return processor(text=text, images=[image], add_special_tokens=adds_special(text), return_tensors="pt")


def _behind_images(processor: Any, image: Any, question: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it reads a tensor by numpy, in a way that one of the two wants otherwise
        return processor(text=f"<image>{question}", images=image, return_tensors="pt")


def _by_ids(processor: Any, image: Any, question: str) -> Any:
    ids = processor.tokenizer(question, add_special_tokens=False).input_ids
    pixels = processor.image_processor([image], return_tensors="pt").pixel_values
    return {"pixel_values": pixels, "input_ids": torch.tensor([[processor.tokenizer.cls_token_id, *ids]])}


def _behind_a_start(processor: Any, image: Any, question: str) -> Any:
    ids = processor.tokenizer(f"[DEC] {question}", add_special_tokens=False).input_ids
    pixels = processor.image_processor([image], return_tensors="pt").pixel_values
    return {"pixel_values": pixels, "input_ids": torch.tensor([[*ids, processor.tokenizer.sep_token_id]])}


def _beside(processor: Any, image: Any, question: str) -> Any:
    return processor(text=[question], images=[image], return_tensors="pt")


def _given_labels(model: Any, batch: Any) -> Any:
    return model(**batch.inputs, labels=batch.labels).loss


def _as_whole_answers(model: Any, batch: Any) -> Any:
    """Returns the loss of transformers' own forward, which shifts answers that begin with the decoder's start."""
    inputs = dict(batch.inputs)
    given_BT = inputs.pop("decoder_input_ids")
    labels = torch.cat([given_BT[:, :1], batch.labels], dim=1)
    inputs["decoder_input_ids"] = labels.clamp(min=0)
    return transformers.BlipForQuestionAnswering.forward(model, **inputs, labels=labels).loss


OWN_LOSS: dict[str, Callable[[Any, Any], Any]] = {"blip_vqa": _as_whole_answers}
"""Family -> how transformers computes the loss of a batch, where it is not by its labels alone."""


def _alone(processor: Any, image: Any, question: str) -> Any:
    return processor.image_processor([image], return_tensors="pt")


GIVEN: dict[str, Callable[[Any, Any, str], Any]] = {
    "idefics3": _by_chat_template,
    "idefics2": _by_chat_template,
    "internvl": _without_videos,
    "llava_onevision": _without_videos,
    "smolvlm": _without_videos,
    "qwen2_vl": _without_videos,
    "qwen2_5_vl": _without_videos,
    "qwen3_vl": _without_videos,
    "llava": _by_chat_template,
    "llava_next": _by_chat_template,
    "git": _by_ids,
    "blip": _behind_a_start,
    "blip_vqa": _beside,
    "florence2": _beside,
    "vit-gpt2": _alone,
    "gemma3": _by_chat_template,
    "gemma4": _without_videos,
    "paligemma": _behind_images,
    "paligemma2": _behind_images,
}
"""Family -> how a program without ftkit gives a model an image and a question."""
