"""Rows of a fine-tuned head: what plain transformers predicts with it survives another order of labels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

import tiny_audio
import tiny_images
from ftkit.kinds.table import find_kind
from ftkit.models.checkpoint import inspect_checkpoint
from ftkit.models.head_rows import keep_known_rows
from ftkit.models.loading import LoadedModel
from ftkit.models.spec import ModelSpec
from ftkit.types import LabelSpace

NAMES = ("neutral", "entailment", "contradiction")

CELLS = {
    "bert": ("text-classification", ["classifier.weight", "classifier.bias"]),
    "roberta": ("text-classification", ["classifier.out_proj.weight", "classifier.out_proj.bias"]),
    "gpt2": ("text-classification", ["score.weight"]),
    "t5": ("text-classification", ["classification_head.out_proj.weight", "classification_head.out_proj.bias"]),
    "deberta-v2": ("token-classification", ["classifier.weight", "classifier.bias"]),
    "llama": ("token-classification", ["score.weight", "score.bias"]),
    "vit": ("image-classification", ["classifier.weight", "classifier.bias"]),
    "resnet": ("image-classification", ["classifier.1.weight", "classifier.1.bias"]),
    "wav2vec2": ("audio-classification", ["classifier.weight", "classifier.bias"]),
    "whisper": ("audio-classification", ["classifier.weight", "classifier.bias"]),
}
"""Tiny checkpoint -> the kind it serves, and its output layer's parameters: of some the head has layers before it."""


@pytest.fixture(scope="module")
def finetuned(
    checkpoint: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., tuple[Path, Any]]:
    """`finetuned("bert")` is a checkpoint with a head as plain transformers saves it, and the model."""
    made: dict[Any, tuple[Path, Any]] = {}

    def make(name: str, names: tuple[str, ...] | None = NAMES) -> tuple[Path, Any]:
        if (name, names) not in made:
            folder = tmp_path_factory.mktemp(f"finetuned-{name}")
            kind = CELLS[name][0]
            if kind == "image-classification":
                base = tiny_images.make_checkpoint(name, tmp_path_factory.mktemp(name))
            elif kind == "audio-classification":
                base = tiny_audio.make_checkpoint(name, tmp_path_factory.mktemp(name))
            else:
                base = checkpoint(name)
            auto_class = getattr(transformers, _halves(kind, base).auto_class)
            labels = {"num_labels": 3} if names is None else {"id2label": dict(enumerate(names))}
            model = auto_class.from_pretrained(base, **labels)
            model.save_pretrained(folder)
            for file in base.iterdir():
                if not (folder / file.name).exists():
                    (folder / file.name).write_bytes(file.read_bytes())
            made[name, names] = folder, model.eval()
        return made[name, names]

    return make


def _halves(kind: str, folder: Path) -> Any:
    return find_kind(kind).task_adapter(inspect_checkpoint(ModelSpec(checkpoint=str(folder))))


def build(kind: str, folder: Path, labels: tuple[str, ...]) -> tuple[LoadedModel, str | None]:
    spec, space = inspect_checkpoint(ModelSpec(checkpoint=str(folder))), LabelSpace(labels)
    adapter = find_kind(kind).task_adapter(spec).make(spec, space, options={})
    return keep_known_rows(adapter.objective.build(), spec, space)


def logits(model: Any, kind: str) -> torch.Tensor:
    """Returns what a model computes of an input that it can read."""
    config = model.config
    if kind == "image-classification":
        inputs: Any = {"pixel_values": _waves(1, 3, 32, 32)}
    elif config.model_type == "whisper":
        inputs = {"input_features": _waves(1, config.num_mel_bins, 2 * config.max_source_positions)}
    elif kind == "audio-classification":
        inputs = {"input_values": _waves(1, 3200)}
    else:  # the classifier of an encoder-decoder looks for the text's end; that of a decoder takes it for padding
        inputs = {"input_ids": torch.tensor([[5, 6, 7, config.eos_token_id if config.is_encoder_decoder else 8]])}
    with torch.inference_mode():
        return model.eval()(**inputs).logits


def _waves(*shape: int) -> torch.Tensor:
    return torch.linspace(-9, 9, torch.Size(shape).numel()).sin().reshape(shape)


@pytest.mark.parametrize("name", CELLS)
def test_predictions_survive_another_order(name: str, finetuned: Callable[..., tuple[Path, Any]]) -> None:
    kind, outputs = CELLS[name]
    folder, plain = finetuned(name)
    labels = ("contradiction", "entailment", "neutral")
    loaded, told = build(kind, folder, labels)
    assert loaded.new_parameters == set(outputs)  # an adapter has to bring them along
    assert told is not None
    assert "knows 3 of 3 labels" in told
    expected = logits(plain, kind)[..., [NAMES.index(label) for label in labels]]
    # Some processors sum in an order that hangs on where weights lie in memory.
    torch.testing.assert_close(logits(loaded.model, kind), expected, rtol=1e-5, atol=1e-6)
    assert loaded.model.config.id2label == dict(enumerate(labels))


@pytest.mark.parametrize("name", CELLS)
def test_more_labels_keep_the_known_rows(name: str, finetuned: Callable[..., tuple[Path, Any]]) -> None:
    kind, outputs = CELLS[name]
    folder, plain = finetuned(name)
    loaded, told = build(kind, folder, ("contradiction", "new", "neutral", "newer"))
    assert loaded.new_parameters == set(outputs)
    assert told is not None
    assert "knows 2 of 4 labels" in told
    expected = logits(plain, kind)[..., [2, 0]]
    # A sum over four columns may be computed in another order than one over three.
    torch.testing.assert_close(logits(loaded.model, kind)[..., [0, 2]], expected, rtol=1e-5, atol=1e-5)
    before, now = dict(plain.named_parameters()), dict(loaded.model.named_parameters())
    for output in outputs:
        assert torch.equal(now[output][[0, 2]], before[output][[2, 0]])


def test_as_many_labels_of_which_some_are_new(finetuned: Callable[..., tuple[Path, Any]]) -> None:
    folder, plain = finetuned("bert")
    loaded, _ = build("text-classification", folder, ("neutral", "new", "entailment"))
    weight, before = loaded.model.classifier.weight, plain.classifier.weight
    assert torch.equal(weight[[0, 2]], before[[0, 1]])
    assert not torch.isclose(weight[1][None], before).any(dim=1).any()
    assert 0 < weight[1].std() < 2 * plain.config.initializer_range
    assert loaded.model.classifier.bias[1] == 0
    assert loaded.new_parameters == {"classifier.weight", "classifier.bias"}


@pytest.mark.parametrize(
    ("names", "labels", "is_new"),
    [
        (NAMES, NAMES, False),
        (NAMES, ("NEUTRAL", "Entailment", "contradiction"), False),
        (NAMES, ("x", "y", "z"), True),
        (None, ("x", "y", "z"), True),
        (None, ("0", "1", "2"), False),
    ],
)
def test_a_head_is_kept_as_it_is_or_its_output_layer_is_new(
    names: Any, labels: tuple[str, ...], is_new: bool, finetuned: Callable[..., tuple[Path, Any]]
) -> None:
    folder, plain = finetuned("bert", names)
    loaded, _ = build("text-classification", folder, labels)
    assert torch.equal(loaded.model.classifier.weight, plain.classifier.weight) is not is_new
    assert bool(loaded.new_parameters) is is_new


def test_a_checkpoint_without_a_head_is_told_nothing_about(checkpoint: Callable[[str], Path]) -> None:
    loaded, told = build("text-classification", checkpoint("bert"), ("LABEL_0", "LABEL_1"))
    assert told is None
    assert "classifier.weight" in loaded.new_parameters
