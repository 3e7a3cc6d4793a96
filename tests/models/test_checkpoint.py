"""What a checkpoint is read to be, and how a broken one is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tiny
from ftkit.errors import CheckpointError
from ftkit.models.checkpoint import CheckpointSpec, inspect_checkpoint
from ftkit.models.spec import ModelSpec
from ftkit.types import LabelSpace

LABELS = LabelSpace(("a", "b"))
BrokenCopy = Callable[[str], Path]


def inspect(folder: Path | str) -> CheckpointSpec:
    return inspect_checkpoint(ModelSpec(checkpoint=str(folder)))


def build(folder: Path) -> frozenset[str]:
    return tiny.make_adapter(folder, LABELS).objective.build().new_parameters


def refusal(folder: Path | str, action: Callable[..., Any] = inspect) -> str:
    with pytest.raises(CheckpointError) as error:
        action(folder)
    return str(error.value)


@pytest.fixture
def copy(tmp_path: Path, checkpoint: Callable[[str], Path]) -> BrokenCopy:
    """`copy("bert")` is a folder to damage."""
    return lambda model_type: Path(shutil.copytree(checkpoint(model_type), tmp_path / model_type))


def edit_config(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


# --- what it is ---


@pytest.mark.parametrize(("model_type", "family"), tiny.MODEL_TYPES.items())
def test_family(model_type: str, family: str, checkpoint: Callable[[str], Path]) -> None:
    spec = inspect(checkpoint(model_type))
    assert (spec.family, spec.model_type) == (family, model_type)
    assert spec.architectures == (tiny.RECIPES[model_type].model_class,)
    assert spec.path == str(checkpoint(model_type))


@pytest.mark.parametrize("model_type", [name for name in tiny.MODEL_TYPES if name != "t5"])
def test_longest_input(model_type: str, checkpoint: Callable[[str], Path]) -> None:
    # RoBERTa's table has 130 rows, of which 2 lie before the first position.
    assert inspect(checkpoint(model_type)).max_positions == 128


@pytest.mark.parametrize("model_type", ["mpnet", "ibert", "xmod", "lilt"])
def test_the_longest_input_is_the_longest_that_is_computed(model_type: str, tmp_path: Path) -> None:
    import torch
    from transformers import AutoConfig, AutoModel

    sizes = {"vocab_size": 32, "hidden_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2, "pad_token_id": 1}
    config = AutoConfig.for_model(model_type, **sizes, max_position_embeddings=12, default_language="en_XX")
    model = AutoModel.from_config(config).eval()
    model.save_pretrained(tmp_path)
    longest = inspect(tmp_path).max_positions
    assert longest == 10
    model(input_ids=torch.full((1, longest), 5))
    with pytest.raises((IndexError, RuntimeError)):
        model(input_ids=torch.full((1, longest + 1), 5))


def test_relative_positions_have_no_limit(checkpoint: Callable[[str], Path]) -> None:
    assert inspect(checkpoint("t5")).max_positions is None


def test_spare_rows_count_as_vocabulary(checkpoint: Callable[[str], Path]) -> None:
    assert inspect(checkpoint("gpt2")).vocab_size == 382
    assert inspect(checkpoint("qwen2")).vocab_size == 382 + 8


def test_a_sharded_checkpoint_is_complete_when_its_shards_are(copy: BrokenCopy) -> None:
    folder = copy("bert")
    write_index(folder, "model-00001-of-00001.safetensors")
    (folder / "model.safetensors").rename(folder / "model-00001-of-00001.safetensors")
    assert inspect(folder).family == "encoder"
    assert "classifier.weight" in build(folder)


def write_index(folder: Path, *shards: str) -> None:
    index = {"metadata": {}, "weight_map": {f"weight_{shard}": shard for shard in shards}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


# --- what is wrong with the name ---


def test_a_misspelt_folder_offers_the_closest(copy: BrokenCopy) -> None:
    folder = copy("distilbert")
    message = refusal(folder.parent / "distlbert")
    assert f"no folder '{folder.parent / 'distlbert'}'" in message
    assert "Did you mean 'distilbert'?" in message


def test_a_file_is_not_a_folder(checkpoint: Callable[[str], Path]) -> None:
    message = refusal(checkpoint("bert") / "config.json")
    assert "is a file; name the folder that holds config.json" in message


def test_an_unknown_built_in_checkpoint() -> None:
    assert "No built-in checkpoint 'ftkit:brt'; there is" in refusal("ftkit:brt")


def test_an_unknown_hub_id_names_what_to_check() -> None:
    message = refusal("nobody/no-such-model")
    assert "cannot read 'nobody/no-such-model'" in message
    assert "spelling" in message
    assert "HF_TOKEN" in message


# --- what is wrong with the config ---


def test_no_config(copy: BrokenCopy) -> None:
    folder = copy("bert")
    (folder / "config.json").unlink()
    message = refusal(folder)
    assert "holds no config.json" in message
    assert "save_pretrained" in message


@pytest.mark.parametrize(
    ("content", "reason"),
    [("{", "not a valid JSON"), ("{}", "model_type"), ('{"model_type": "brt"}', "model type `brt`")],
)
def test_a_damaged_config(content: str, reason: str, copy: BrokenCopy) -> None:
    folder = copy("bert")
    (folder / "config.json").write_text(content)
    message = refusal(folder)
    assert str(folder) in message
    assert reason in message
    assert "Check its config.json" in message


@pytest.mark.parametrize("model_type", ["clipseg"])
def test_not_a_text_model(model_type: str, copy: BrokenCopy) -> None:
    folder = copy("bert")
    (folder / "config.json").write_text(json.dumps({"model_type": model_type}))
    message = refusal(folder)
    assert f"a '{model_type}' checkpoint is not a text model" in message
    assert "Known are encoders" in message


# --- what is wrong with the weights ---


def test_no_weights(copy: BrokenCopy) -> None:
    folder = copy("bert")
    (folder / "model.safetensors").unlink()
    message = refusal(folder)
    assert "no model.safetensors" in message
    assert "Copy the whole checkpoint folder" in message


def test_pickled_weights(copy: BrokenCopy) -> None:
    folder = copy("bert")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    message = refusal(folder)
    assert "pickled" in message
    assert "can run code" in message
    assert "save_pretrained" in message


def test_a_missing_shard(copy: BrokenCopy) -> None:
    folder = copy("bert")
    write_index(folder, "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    message = refusal(folder)
    assert "the weights are incomplete; missing 'model-00002-of-00002.safetensors'" in message


@pytest.mark.parametrize("content", ["", "{}", "[]"])
def test_a_damaged_shard_index(content: str, copy: BrokenCopy) -> None:
    folder = copy("bert")
    (folder / "model.safetensors.index.json").write_text(content)
    assert "model.safetensors.index.json is damaged" in refusal(folder)


@pytest.mark.parametrize("size", [0, 4, 5_000])
def test_truncated_weights(size: int, copy: BrokenCopy) -> None:
    folder = copy("bert")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:size])
    message = refusal(folder, build)
    assert f"cannot load the weights of '{folder}'" in message
    assert "Check that its model.safetensors is complete" in message


@pytest.mark.parametrize(
    ("model_type", "layer", "count"),
    [
        ("bert", "layer.1.", "16 of the 39"),
        ("gpt2", "h.1.", "12 of the 28"),
        ("t5", "encoder.block.1.", "8 of the 47"),
    ],
)
def test_weights_without_a_layer(model_type: str, layer: str, count: str, copy: BrokenCopy) -> None:
    from safetensors.torch import load_file, save_file

    folder = copy(model_type)
    weights = load_file(folder / "model.safetensors")
    kept = {name: tensor for name, tensor in weights.items() if layer not in name}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    message = refusal(folder, build)
    assert f"lacks {count} parameters of the model's body" in message
    assert layer in message


@pytest.mark.parametrize(
    ("model_type", "key"), [("bert", "num_hidden_layers"), ("gpt2", "n_layer"), ("t5", "num_layers")]
)
def test_weights_with_a_layer_too_many(model_type: str, key: str, copy: BrokenCopy) -> None:
    folder = copy(model_type)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, key: 1}))
    assert "parameters of layers that its config.json does not have" in refusal(folder, build)


def test_weights_of_another_model(copy: BrokenCopy) -> None:
    folder = copy("bert")
    shutil.copy(copy("gpt2") / "model.safetensors", folder)
    assert "Its weights do not belong to its config.json" in refusal(folder, build)


def test_weights_of_another_size(copy: BrokenCopy) -> None:
    folder = copy("bert")
    edit_config(folder, hidden_size=48)
    message = refusal(folder, build)
    assert "weights of other shapes than its config.json says" in message
    assert "bert.embeddings" in message


def test_a_classifier_of_other_labels_gets_a_new_head(tmp_path: Path, checkpoint: Callable[[str], Path]) -> None:
    first = tiny.make_adapter(checkpoint("bert"), LabelSpace(("x", "y", "z")))
    first.objective.build().model.save_pretrained(tmp_path)
    first.preprocessor.save(tmp_path)
    assert build(tmp_path) == {"classifier.weight", "classifier.bias"}
