"""Audio checkpoints with a new head: nothing but the head is new, and nothing of the body is missing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tiny_audio
from ftkit.errors import CheckpointError
from ftkit.models.audio_input import audio_input, load_feature_extractor
from ftkit.models.checkpoint import inspect_checkpoint
from ftkit.models.loading import LoadedModel, load_with_head
from ftkit.models.spec import ModelSpec

HEADS = {"ast": {"classifier.layernorm.weight", "classifier.dense.weight"}}
USUAL_HEAD = {"projector.weight", "classifier.weight"}


@pytest.fixture
def changed(tmp_path: Path) -> Callable[..., Path]:
    """`changed("whisper", change)` is a checkpoint whose weights `change` was called with."""
    from safetensors.torch import load_file, save_file

    def make(name: str, change: Callable[[dict[str, Any]], object], **config: Any) -> Path:
        folder = tiny_audio.make_checkpoint(name, tmp_path / name)
        weights = load_file(folder / "model.safetensors")
        change(weights)
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
        settings = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**settings, **config}))
        return folder

    return make


def load(folder: Path) -> LoadedModel:
    spec = inspect_checkpoint(ModelSpec(checkpoint=str(folder)))
    return load_with_head("AutoModelForAudioClassification", spec, num_labels=3)


@pytest.mark.parametrize("name", tiny_audio.RECIPES)
def test_family_modality_and_head(name: str, tmp_path: Path) -> None:
    folder = tiny_audio.make_checkpoint(name, tmp_path)
    spec = inspect_checkpoint(ModelSpec(checkpoint=str(folder)))
    assert (spec.family, spec.reads) == (tiny_audio.RECIPES[name].family, "audio")
    weights = {parameter for parameter in load(folder).new_parameters if parameter.endswith("weight")}
    assert weights == HEADS.get(name, USUAL_HEAD)


@pytest.mark.parametrize(
    ("name", "parameter"),
    [
        ("whisper", "model.encoder.layers.1.fc1.weight"),
        ("whisper", "model.encoder.conv1.weight"),
        ("hubert", "encoder.layers.0.attention.k_proj.weight"),
        ("ast", "layernorm.weight"),
    ],
)
def test_a_body_that_lacks_a_weight_is_refused(changed: Callable[..., Path], name: str, parameter: str) -> None:
    with pytest.raises(CheckpointError, match=r"lacks 1 of the \d+ parameters of the model's body"):
        load(changed(name, lambda weights: weights.pop(parameter)))


@pytest.mark.parametrize(("name", "setting"), [("whisper", "encoder_layers"), ("hubert", "num_hidden_layers")])
def test_a_layer_too_many_is_refused_but_a_decoder_is_left_aside(
    changed: Callable[..., Path], name: str, setting: str
) -> None:
    with pytest.raises(CheckpointError, match=r"holds \d+ parameters of layers that its config.json does not have"):
        load(changed(name, lambda weights: None, **{setting: 1, "num_hidden_layers": 1}))


def test_a_checkpoint_without_the_vector_of_specaugment_is_trained_without_it(changed: Callable[..., Path]) -> None:
    loaded = load(changed("wav2vec2", lambda weights: weights.pop("masked_spec_embed")))
    assert loaded.model.config.apply_spec_augment is False
    assert {name for name in loaded.new_parameters if name.endswith("weight")} == USUAL_HEAD


def test_without_a_feature_extractor_the_message_names_the_file(tmp_path: Path) -> None:
    folder = tiny_audio.make_checkpoint("wav2vec2", tmp_path / "w")
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(CheckpointError, match=r"needs preprocessor_config.json beside config.json"):
        load_feature_extractor(inspect_checkpoint(ModelSpec(checkpoint=str(folder))))


def test_samples_that_become_positions_in_another_way_are_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "moonshine_streaming"}))
    (tmp_path / "model.safetensors").touch()
    extractor = {"feature_extractor_type": "Wav2Vec2FeatureExtractor"}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(extractor))
    spec = inspect_checkpoint(ModelSpec(checkpoint=str(tmp_path)))
    with pytest.raises(
        CheckpointError, match="of type 'moonshine_streaming' .*no conv_kernel.\nFix: start from wav2vec2"
    ):
        audio_input(spec, load_feature_extractor(spec))
