"""What comparing images with texts keeps to, whatever the checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import tiny_dual_encoders
from ftkit.adapters.task_adapter import TaskAdapter
from ftkit.data.image_pairs import ImagePairExample
from ftkit.kinds.table import find_kind
from ftkit.models.checkpoint import inspect_checkpoint
from ftkit.models.spec import ModelSpec

Checkpoint = Callable[[str], Path]
every_family = pytest.mark.parametrize("model_type", tiny_dual_encoders.RECIPES)
EXAMPLES = [
    ImagePairExample(place, Image.new("RGB", (40, 30), colour), colour, (f"a {colour} bar",), digest=colour)
    for place, colour in enumerate(("red", "green", "blue"))
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    folders: dict[str, Path] = {}

    def make(model_type: str) -> Path:
        if model_type not in folders:
            folders[model_type] = tiny_dual_encoders.make_checkpoint(model_type, tmp_path_factory.mktemp(model_type))
        return folders[model_type]

    return make


def make(folder: Path, **options: Any) -> TaskAdapter:
    spec = inspect_checkpoint(ModelSpec(checkpoint=str(folder)))
    return find_kind("zero-shot-image-classification").task_adapter(spec).make(spec, None, options=options)


def finished(adapter: TaskAdapter, model: Any, examples: Sequence[ImagePairExample], *, targets: bool = False) -> Any:
    encoded = adapter.preprocessor.encode(examples, targets=targets)
    rows = encoded.rows.__getitems__(range(len(examples)))
    with torch.inference_mode():
        adapter.objective.begin_predicting(model)
        found = adapter.objective.predict(model, adapter.preprocessor.collate(rows, training=False, rngs=None))
    arrays = {name: tensor.numpy() for name, tensor in (found or {}).items()}
    return adapter.objective.finish(arrays, encoded, 0, len(encoded))


def learnt(adapter: TaskAdapter, *, steps: int) -> tuple[Any, list[float]]:
    torch.manual_seed(0)
    loaded = adapter.objective.build()
    assert not loaded.new_parameters, "both towers come from the checkpoint"
    model = loaded.model.train()
    optimizer = torch.optim.AdamW([weight for weight in model.parameters() if weight.requires_grad], lr=5e-3)
    rows = adapter.preprocessor.encode(EXAMPLES, targets=True).rows.__getitems__(range(3))
    batch = adapter.preprocessor.collate(rows, training=True, rngs=None)
    losses = []
    for _ in range(steps):
        losses_B = adapter.objective.loss(model(**batch.inputs), batch)
        assert losses_B.shape == (3,)
        losses.append(losses_B.mean().item())
        losses_B.mean().backward()
        optimizer.step()
        adapter.objective.constrain(model)
        optimizer.zero_grad()
    return model.eval(), losses


@every_family
def test_learns_what_belongs_together_and_plain_transformers_sees_the_same(
    model_type: str, made: Checkpoint, tmp_path: Path
) -> None:
    import transformers

    adapter = make(made(model_type))
    adapter.preprocessor.fit(EXAMPLES)
    model, losses = learnt(adapter, steps=40)
    assert losses[-1] < 0.7 * losses[0]
    vectors = finished(adapter, model, EXAMPLES)["predictions"]
    assert [one.shape[0] for one in vectors] == [2, 2, 2]
    for example, together in zip(EXAMPLES, vectors, strict=True):
        alone = finished(adapter, model, [example])["predictions"][0]
        np.testing.assert_allclose(alone, together, atol=1e-5)
    model.save_pretrained(tmp_path)
    adapter.preprocessor.save(tmp_path)
    plain: Any = getattr(transformers, type(model).__name__).from_pretrained(tmp_path).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    padding = "max_length" if model_type == "siglip" else True
    texts = tokenizer([example.texts[0] for example in EXAMPLES], padding=padding, return_tensors="pt")
    images = transformers.AutoImageProcessor.from_pretrained(tmp_path, backend="pil")
    pixels = images([example.image for example in EXAMPLES], return_tensors="pt")
    with torch.inference_mode():
        logits = plain(**texts, **pixels).logits_per_image.numpy()
    facts = adapter.objective.facts(model)
    own = np.stack([[one[0] @ other[1] for other in vectors] for one in vectors])
    np.testing.assert_allclose(logits, own * facts["logit_scale"] + facts.get("logit_bias", 0), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("model_type", ["clip", "siglip"])
def test_labels_are_chosen_as_by_the_pipeline_of_transformers(model_type: str, made: Checkpoint) -> None:
    import transformers

    labels = ["red", "green", "blue"]
    adapter = make(made(model_type), form="labels", candidate_labels=labels, prompts=["a photo of a {label} bar"])
    model = adapter.objective.build().model.eval()
    examples = [ImagePairExample(0, example.image, "a picture") for example in EXAMPLES]
    found = adapter.objective.decode(finished(adapter, model, examples), examples)
    images = transformers.AutoImageProcessor.from_pretrained(made(model_type), backend="pil")
    tokenizer = transformers.AutoTokenizer.from_pretrained(made(model_type))
    classify = transformers.pipeline(
        "zero-shot-image-classification", model=model, image_processor=images, tokenizer=tokenizer
    )
    for example, prediction in zip(examples, found, strict=True):
        expected = classify(example.image, labels, hypothesis_template="a photo of a {} bar")
        assert prediction["label"] == expected[0]["label"]
        for one in expected:
            assert prediction["scores"][one["label"]] == pytest.approx(one["score"], abs=1e-5)


def test_several_prompts_of_a_label_are_averaged(made: Checkpoint) -> None:
    prompts = ["a photo of a {label} bar", "{label} below", "the {label} ."]
    labels = ["red", "green"]
    adapter = make(made("clip"), form="labels", candidate_labels=labels, prompts=prompts)
    model = adapter.objective.build().model.eval()
    example = ImagePairExample(0, EXAMPLES[0].image, "a picture", label="green", digest="red")
    scores = finished(adapter, model, [example], targets=True)
    embed = adapter.for_embedding()
    image = finished(embed, model, [ImagePairExample(0, example.image, "a picture")])["predictions"][0][0]
    texts = [
        finished(
            embed, model, [ImagePairExample(0, None, "", (prompt.replace("{label}", label),)) for prompt in prompts]
        )
        for label in labels
    ]
    means = np.stack([np.concatenate(list(one["predictions"])).mean(axis=0) for one in texts])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    logits = adapter.objective.facts(model)["logit_scale"] * means @ image
    expected = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    np.testing.assert_allclose(scores["scores"][0], expected, atol=1e-5)
    assert scores["loss"][0] == pytest.approx(-np.log(expected[1]), abs=1e-4)


def test_a_row_holds_an_image_and_its_texts(made: Checkpoint) -> None:
    preprocessor = make(made("clip")).preprocessor
    example = ImagePairExample(0, "a.png", "a.png", ("a red bar", "A Red  Bar", "below"), digest="x")
    encoded = preprocessor.encode([example], targets=True)
    (row,) = encoded.rows.__getitems__([0])
    tokens = [preprocessor.processor.tokenizer.convert_ids_to_tokens(ids) for ids in row["texts"]]
    assert tokens[0] == tokens[1] == ["<|startoftext|>", "a</w>", "red</w>", "bar</w>", "<|endoftext|>"]
    assert len(set(row["keys"].tolist())) == 3, "the image, and two different texts"
    assert row["keys"][1] == row["keys"][2]
    assert encoded.costs.tolist() == [2 * 2 + 5], "squares of 16 pixels, and tokens"


def test_what_is_longer_than_the_text_tower_reads_is_cut_and_counted(made: Checkpoint) -> None:
    preprocessor = make(made("clip")).preprocessor
    texts = ("red " * 30, "a red bar")
    encoded = preprocessor.encode([ImagePairExample(0, "a.png", "a.png", texts, digest="x")], targets=True)
    assert encoded.cut == {"text": 1}
    (row,) = encoded.rows.__getitems__([0])
    assert [len(ids) for ids in row["texts"]] == [16, 5]
    assert row["texts"][0][-1] == preprocessor.processor.tokenizer.eos_token_id


def test_in_training_one_text_of_a_row_is_drawn(made: Checkpoint, tmp_path: Path) -> None:
    preprocessor = make(made("siglip")).preprocessor
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    example = ImagePairExample(0, str(tmp_path / "a.png"), "a.png", ("red", "green bar"), digest="x")
    rows = preprocessor.encode([example] * 20, targets=True).rows.__getitems__(range(20))
    rngs = [np.random.default_rng([1, row]) for row in range(20)]
    batch = preprocessor.collate(rows, training=True, rngs=rngs)
    assert batch.inputs["input_ids"].shape == (20, 64), "SigLIP reads texts of one length"
    assert set(batch.inputs) == {"input_ids", "pixel_values"}
    drawn = {tuple(key) for key in batch.labels.tolist()}
    assert len(drawn) == 2
    again = preprocessor.collate(rows[3:5], training=True, rngs=[np.random.default_rng([1, row]) for row in (3, 4)])
    assert torch.equal(again.labels, batch.labels[3:5]), "whatever stands beside it"


def test_a_frozen_tower_stays_as_it_is(made: Checkpoint) -> None:
    adapter = make(made("clip"), frozen_tower="image")
    before = {name: weight.clone() for name, weight in adapter.objective.build().model.named_parameters()}
    model, _ = learnt(adapter, steps=2)
    moved = {name for name, weight in model.named_parameters() if not torch.equal(weight, before[name])}
    assert moved
    assert not {name for name in moved if name.startswith("vis")}
    assert "logit_scale" in moved


@pytest.mark.parametrize(("model_type", "stays"), [("clip", False), ("align", False), ("siglip", True)])
def test_the_logit_scale_is_bounded_but_of_siglip(model_type: str, stays: bool, made: Checkpoint) -> None:
    adapter = make(made(model_type))
    model = adapter.objective.build().model
    with torch.no_grad():
        if model_type == "align":
            model.temperature.fill_(1e-3)
        else:
            model.logit_scale.fill_(9.0)
    adapter.objective.constrain(model)
    scale = adapter.objective.facts(model)["logit_scale"]
    assert scale == pytest.approx(np.exp(9.0) if stays else 100.0, rel=1e-4)
