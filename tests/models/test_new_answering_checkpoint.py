"""Fresh checkpoints that answer questions about images."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

import ftkit
from ftkit.models.checkpoint import inspect_checkpoint
from ftkit.models.new_answering_checkpoint import make_answering_checkpoint
from ftkit.models.spec import ModelSpec


def test_a_fresh_blip_answers_and_its_files_say_of_which_kind_it_is(tmp_path: Path) -> None:
    texts = ["what colour is it?", "red", "images/1.png"]
    facts = make_answering_checkpoint(tmp_path / "blip", "tiny", texts, image_size=16)
    spec = inspect_checkpoint(ModelSpec(checkpoint=str(tmp_path / "blip")))
    assert (spec.family, spec.reads, spec.vocab_size) == ("encoder-decoder", "image+text", facts["vocab_size"])
    model = ftkit.load(tmp_path / "blip", max_new_tokens=3)  # no run: what it was trained for is in config.json
    image = Image.new("RGB", (40, 30))
    row, bad = model.predict([{"image": image, "question": "what colour is it?"}, "gone.png"])
    assert isinstance(row["prediction"], str)
    assert "there is no such file" in bad["error"]
    assert "images" not in model.adapter.preprocessor.processor.tokenizer.get_vocab()
