"""What processors make of images in a text where that is more than tokens: spaces and line breaks around them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import tiny_image_text
from ftkit.adapters.preprocessors.tokens import NO_LOSS
from ftkit.data.image_text import ImageTextExample, parts_of
from ftkit.errors import CheckpointError, DataError
from tiny import batch_of

# Of Idefics2: words stand right behind an image, and its processor puts a space between them.
IDEFICS2_TEMPLATE = (
    "{% for message in messages %}{{ message.role | capitalize }}"
    "{{ ':' if message.content[0].type == 'image' else ': ' }}"
    "{% for part in message.content %}{% if part.type == 'image' %}{{ '<image>' }}"
    "{% else %}{{ part.text }}{% endif %}{% endfor %}{{ '<end_of_utterance>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)
ENDS = {"gemma3": "<end_of_turn>", "gemma4": "<turn|>", "idefics2": "<end_of_utterance>"}
CHATS: dict[str, tuple[str, ...]] = {
    "a caption": ("<image>", "rain"),
    "line breaks beside an image": ("the game\n\n<image>\n\nwho won", "team"),
    "images side by side": ("<image><image>who won", "team"),
    "several turns": ("<image>who", "the team", "and who <image> <image> lost", "rain"),
}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    return tiny_image_text.maker(tmp_path_factory.mktemp("seeing"))


def example_of(said: Sequence[str], side: int = 40) -> ImageTextExample:
    *before, target = said
    roles = ("user", "assistant")
    messages = tuple({"role": roles[place % 2], "content": parts_of(text)} for place, text in enumerate(before))
    count = "".join(said).count("<image>")
    images = tuple(Image.new("RGB", (side + 8 * number, 32), "red") for number in range(count))
    return ImageTextExample(
        id=0,
        images=images,
        names=tuple(map(str, range(count))),
        sizes=tuple(image.size for image in images),
        messages=messages,
        target=target,
        line=1,
    )


def processed(processor: Any, example: ImageTextExample) -> Any:
    """Returns what a program without ftkit trains on: the conversation with its answers."""
    said = [{**message, "content": list(message["content"])} for message in example.messages]
    said.append({"role": "assistant", "content": [{"type": "text", "text": example.target}]})
    text = processor.tokenizer.apply_chat_template(said, tokenize=False)
    return processor(text=[text], images=[list(example.images)], add_special_tokens=False)


@pytest.mark.parametrize("name", ENDS)
def test_a_row_is_what_the_processor_makes_of_the_conversation(name: str, checkpoint: Any) -> None:
    adapter = tiny_image_text.make_adapter(
        checkpoint(name), chat_template=IDEFICS2_TEMPLATE if name == "idefics2" else None
    )
    processor = adapter.preprocessor.processor
    for what, said in CHATS.items():
        example = example_of(said)
        encoded = adapter.preprocessor.encode([example], targets=True)
        theirs, batch = processed(processor, example), batch_of(adapter, encoded)
        ids = theirs["input_ids"][0][:-1]  # but for the line break behind the last answer, which teaches nothing
        assert encoded.rows[0]["input_ids"] == ids, what
        for types in adapter.preprocessor.type_inputs:
            assert batch.inputs[types][0].tolist() == theirs[types][0][:-1], what
        assert encoded.costs.tolist() == [len(ids)], what
        assert sum(piece.num_tokens for piece in adapter.preprocessor.pieces(encoded.rows[0])) == len(ids), what
        learnt = [label for label in encoded.rows[0]["labels"] if label != NO_LOSS]
        written = "".join(f"{answer}{ENDS[name]}" for answer in said[1::2])
        assert processor.decode(learnt).replace(" ", "") == written.replace(" ", ""), what


def test_words_around_an_image_that_its_size_decides_are_refused(checkpoint: Any) -> None:
    adapter = tiny_image_text.make_adapter(checkpoint("gemma3"))
    # No file of a checkpoint sets it: the processor's own settings come first.
    crops = {"min_crop_size": 16, "max_num_crops": 4, "min_ratio_to_activate": 2.0}
    adapter.preprocessor.processor.images_kwargs = {
        "do_pan_and_scan": True,
        **{f"pan_and_scan_{key}": value for key, value in crops.items()},
    }
    adapter.preprocessor.encode([example_of(("<image>", "rain"))], targets=True)
    with pytest.raises(
        CheckpointError, match="other words around an image of 400 x 32 pixels than around a small one"
    ):
        adapter.preprocessor.encode([example_of(("<image>", "rain"), side=400)], targets=True)


@pytest.mark.parametrize("name", ["gemma3", "paligemma"])
def test_a_text_with_the_image_token_in_it_is_refused(name: str, checkpoint: Any) -> None:
    adapter = tiny_image_text.make_adapter(checkpoint(name))
    mark = adapter.preprocessor.processor.image_token
    one = example_of(("<image>", "rain"))
    asked = {"role": "user", "content": (*one.messages[0]["content"], {"type": "text", "text": f"what is {mark}"})}
    example = dataclasses.replace(one, messages=(asked,))
    with pytest.raises(DataError, match=f"line 1 .* 2 tokens '{mark}' for 1 images"):
        adapter.preprocessor.encode([example], targets=True)
