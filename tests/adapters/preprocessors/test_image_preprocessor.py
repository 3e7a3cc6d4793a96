"""The image preprocessor: literal pixels, rows without pixels, seeded changes, and checkpoints that do not fit."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoModelForImageClassification

import tiny_images
from ftkit.adapters.preprocessors.image import ImagePreprocessor
from ftkit.data.images import ImageExample
from ftkit.errors import CheckpointError, DataError
from ftkit.models.checkpoint import inspect_checkpoint
from ftkit.models.spec import ModelSpec
from ftkit.types import LabelSpace

LABELS = LabelSpace(("blue", "green", "red"))
Make = Callable[..., ImagePreprocessor]


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    return {name: tiny_images.make_checkpoint(name, tmp_path_factory.mktemp(name)) for name in tiny_images.RECIPES}


@pytest.fixture(scope="module")
def make(folders) -> Make:
    def made(name: str = "vit", labels: LabelSpace = LABELS, **options: Any) -> ImagePreprocessor:
        return ImagePreprocessor(inspect_checkpoint(ModelSpec(checkpoint=str(folders[name]))), labels, **options)

    return made


@pytest.fixture
def examples(tmp_path) -> list[ImageExample]:
    photos = tiny_images.make_photos(tmp_path / "photos", per_class=2)
    files = sorted(photos.glob("*/*.png"))
    return [
        ImageExample(id=index, image=str(file), name=f"{file.parent.name}/{file.name}", label=file.parent.name)
        for index, file in enumerate(files)
    ]


@pytest.mark.parametrize("name", tiny_images.RECIPES)
def test_black_and_white_become_the_ends_of_the_scale(make, name, tmp_path):
    Image.new("RGBA", (90, 20), (0, 0, 0, 0)).save(tmp_path / "transparent.png")
    Image.new("L", (20, 90), 0).save(tmp_path / "black.png")
    examples = [
        ImageExample(id=0, image=str(tmp_path / "transparent.png"), name="w", label="green"),
        ImageExample(id=1, image=(tmp_path / "black.png").read_bytes(), name="b", label="blue"),
    ]
    preprocessor = make(name)
    encoded = preprocessor.encode(examples, targets=True)
    batch = preprocessor.collate(encoded.rows.__getitems__([0, 1]), training=False, rngs=None)
    processor = preprocessor.processor
    ends = [(value - np.array(processor.image_mean)) / np.array(processor.image_std) for value in (1.0, 0.0)]
    expected = torch.tensor(np.array(ends), dtype=torch.float32)[:, :, None, None].expand(-1, -1, 32, 32)
    assert list(batch.inputs) == ["pixel_values"]
    torch.testing.assert_close(batch.inputs["pixel_values"], expected)
    assert batch.labels.tolist() == [1, 0]
    assert (batch.labels.dtype, batch.lengths, len(batch), batch.num_positions) == (torch.int64, None, 2, 8)


def test_rows_hold_no_pixels_and_open_no_file(make):
    examples = [ImageExample(id=0, image="/nowhere/1.png", name="1.png", label="red")]
    encoded = make().encode(examples, targets=True)
    assert encoded.rows[0] == {"image": "/nowhere/1.png", "name": "1.png", "labels": 2}
    assert encoded.costs.tolist() == [4]
    assert make().encode(examples, targets=False).rows[0] == {"image": "/nowhere/1.png", "name": "1.png"}
    with pytest.raises(DataError, match="1.png: no such file"):
        make().collate([encoded.rows[0]], training=False, rngs=None)


def test_rows_travel_to_workers(make, examples):
    rows = make().encode(examples, targets=True).rows
    assert pickle.loads(pickle.dumps(rows))[3] == rows[3]
    assert len(rows) == 6


def test_several_labels_a_row_are_yes_or_no_for_each(make, examples):
    space = LabelSpace(LABELS.names, "multi_label_classification")
    two = [ImageExample(id=0, image=examples[0].image, name="x", label=("red", "blue"))]
    preprocessor = make(labels=space)
    batch = preprocessor.collate([preprocessor.encode(two, targets=True).rows[0]], training=True, rngs=None)
    assert batch.labels.tolist() == [[1.0, 0.0, 1.0]]
    assert batch.labels.dtype == torch.float32


def test_a_picture_is_changed_in_training_alone_and_by_its_generator(make, examples):
    preprocessor = make(augment={"horizontal_flip": {}, "resized_crop": {}})
    rows = preprocessor.encode(examples, targets=True).rows.__getitems__(range(6))

    def pixels(training: bool, seed: int) -> torch.Tensor:
        rngs = [np.random.default_rng([seed, row]) for row in range(6)]
        batch = preprocessor.collate(rows, training=training, rngs=rngs)
        return batch.inputs["pixel_values"]

    plain = make().collate(rows, training=True, rngs=None).inputs["pixel_values"]
    assert torch.equal(pixels(False, 1), plain)
    assert torch.equal(pixels(True, 1), pixels(True, 1))
    assert not torch.equal(pixels(True, 1), pixels(True, 2))
    assert not torch.equal(pixels(True, 1), plain)


def test_what_was_saved_makes_the_same_pixels(make, examples, tmp_path):
    preprocessor = make("convnext")
    preprocessor.save(tmp_path)
    from transformers import AutoImageProcessor

    again = AutoImageProcessor.from_pretrained(tmp_path, backend="pil")
    images = [Image.open(example.image) for example in examples]
    rows = preprocessor.encode(examples, targets=False).rows.__getitems__(range(6))
    batch = preprocessor.collate(rows, training=False, rngs=None)
    assert torch.equal(again(images, return_tensors="pt")["pixel_values"], batch.inputs["pixel_values"])


# --- checkpoints that do not fit ------------------------------------------------------------------------------


def broken(folder: Path, copy: Path, file: str, **changes: Any) -> ModelSpec:
    copy.mkdir()
    for path in folder.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    values = json.loads((copy / file).read_text())
    (copy / file).write_text(json.dumps({key: value for key, value in {**values, **changes}.items() if value != ...}))
    return ModelSpec(checkpoint=str(copy))


@pytest.mark.parametrize(("name", "file", "changes", "message"), [
    ("vit", "config.json", {"image_size": 64}, r"3 channels and 32 x 32 pixels: Input image size \(32\*32\) doesn't"),
    ("resnet", "config.json", {"num_channels": 1}, "ftkit reads colour images, of 3 channels"),
])  # fmt: skip
def test_a_model_that_cannot_read_what_its_processor_makes(folders, tmp_path, name, file, changes, message):
    spec = inspect_checkpoint(broken(folders[name], tmp_path / "copy", file, **changes))
    with pytest.raises(CheckpointError, match=message):
        ImagePreprocessor(spec, LABELS).fit([])


@pytest.mark.parametrize("name", tiny_images.RECIPES)
def test_a_model_reads_what_its_processor_makes(name, make, folders, examples):
    preprocessor = make(name)
    preprocessor.fit([])
    batch = preprocessor.collate(
        preprocessor.encode(examples, targets=False).rows.__getitems__([0, 1]), training=False, rngs=None
    )
    model = AutoModelForImageClassification.from_pretrained(folders[name]).eval()
    assert model(**batch.inputs).logits.isfinite().all()


@pytest.mark.parametrize(("changes", "message"), [
    ({"size": {"shortest_edge": 32}, "image_processor_type": "BitImageProcessor", "do_center_crop": False},
     r"48 x 32 pixels becomes \(3, 32, 48\), of 32 x 48 \(3, 48, 32\)"),
    ({"do_resize": False}, "does not make every image one size"),
    ({"image_processor_type": "DINOv3ViTImageProcessor"}, "no image processor that works by Pillow alone.*'vit'"),
    ({"image_processor_type": "NoSuchImageProcessor"}, "Unrecognized image processor"),
    ({"auto_map": {"AutoImageProcessor": "code.Processor"}, "image_processor_type": ...}, None),
])  # fmt: skip
def test_processors_that_cannot_be_used(folders, tmp_path, changes, message):
    spec = inspect_checkpoint(broken(folders["vit"], tmp_path / "copy", "preprocessor_config.json", **changes))
    if message is None:  # transformers falls back to the processor of the model's type; no code is run
        assert ImagePreprocessor(spec, LABELS).shape == (3, 32, 32)
        return
    with pytest.raises(CheckpointError, match=message):
        ImagePreprocessor(spec, LABELS)


def test_a_checkpoint_without_a_processor(folders, tmp_path):
    spec = inspect_checkpoint(broken(folders["vit"], tmp_path / "copy", "preprocessor_config.json"))
    (tmp_path / "copy" / "preprocessor_config.json").unlink()
    with pytest.raises(CheckpointError, match="needs preprocessor_config.json beside config.json"):
        ImagePreprocessor(spec, LABELS)
