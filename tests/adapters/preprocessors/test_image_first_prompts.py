"""PaliGemma's prompts: what its processor makes of images, a question and an answer as their suffix."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch

import tiny_image_text
from ftkit.adapters.preprocessors.tokens import NO_LOSS
from ftkit.data.images import open_image
from ftkit.errors import ConfigError
from tiny import batch_of


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return tiny_image_text.make_adapter(
        tiny_image_text.make_checkpoint("paligemma2", tmp_path_factory.mktemp("seeing") / "paligemma2"),
        prompt_template="answer en {question}",
    )


def test_a_batch_is_what_the_processor_makes_of_prefix_and_suffix(adapter: Any, tmp_path: Path) -> None:
    rows = [
        *tiny_image_text.examples(tmp_path / "asked", 3),
        *tiny_image_text.examples(tmp_path / "captions", 2, question=""),
    ]
    ours = batch_of(adapter, adapter.preprocessor.encode(rows, targets=True))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the processor reads a tensor by numpy
        theirs = adapter.preprocessor.processor(
            text=[f"<image>answer en {tiny_image_text.QUESTION}"] * 3 + ["<image>answer en"] * 2,
            images=[[open_image(row.image, row.name)] for row in rows],
            suffix=[row.target for row in rows],
            padding="longest",
            return_tensors="pt",
        )
    labels = theirs.pop("labels")
    assert sorted(ours.inputs) == sorted(theirs)
    for name, tensor in theirs.items():
        torch.testing.assert_close(ours.inputs[name], tensor)
    assert torch.equal(ours.labels, labels)
    assert (labels == NO_LOSS).any()


def test_a_question_is_seen_from_its_end_to_its_beginning(adapter: Any, tmp_path: Path) -> None:
    """The answer's tokens see what stands before them; those of the prefix see the whole prefix, and no answer."""
    model = adapter.objective.build().model.eval()
    encoded = adapter.preprocessor.encode(tiny_image_text.examples(tmp_path / "asked", 1), targets=True)
    inputs = batch_of(adapter, encoded).inputs
    ids = inputs["input_ids"]
    starts = int(inputs["token_type_ids"].argmax())

    def hidden(place: int) -> torch.Tensor:
        changed = ids.clone()
        changed[0, place] = ids[0, place] + 1
        with torch.inference_mode():
            return model(**{**inputs, "input_ids": changed}).logits[0]

    with torch.inference_mode():
        plain = model(**inputs).logits[0]
    asked, answered = hidden(starts - 2), hidden(starts)
    assert not torch.allclose(asked[0], plain[0], atol=1e-6), "an image's token sees the question behind it"
    torch.testing.assert_close(answered[:starts], plain[:starts])


def test_a_chat_template_that_is_not_read_is_refused(adapter: Any) -> None:
    with pytest.raises(ConfigError, match="data.chat_template means nothing to"):
        tiny_image_text.make_adapter(Path(adapter.preprocessor.spec.path), chat_template="chatml")
