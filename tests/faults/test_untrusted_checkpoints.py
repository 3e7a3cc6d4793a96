"""What the files of a checkpoint, an adapter or an exported model ask for is not done unless the user says so."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import ftkit
from ftkit.config import yaml as strict_yaml
from ftkit.errors import UserError
from runs import run_config
from untrusted import AUTO_MAP, MODEL, change_json, hostile_copy, on_one_line, pickled, rows

pytestmark = pytest.mark.usefixtures("code_is_copied_elsewhere")
Checkpoint = Callable[[str], Path]
Command = Callable[..., tuple[int, str]]
FLAG = "--trust-remote-code"


@pytest.fixture
def command(command: Callable[..., tuple[int, str, str]]) -> Command:
    """`command("predict", run)` is its exit code, and what it said on one line."""
    return on_one_line(command)


# --- what a checkpoint's files ask for --------------------------------------------------------------------------


def test_a_model_of_a_known_type_is_loaded_without_its_code(
    whole: Path, tmp_path: Path, canary: Path, command: Command
) -> None:
    """The type has a class in transformers, so that the run's own is not needed."""
    run = hostile_copy(whole, tmp_path / "run", canary, model__trust_remote_code=True)
    change_json(run / "config.json", {"auto_map": AUTO_MAP})
    code, told = command("predict", run, "--text", "rain")
    assert (code, canary.exists()) == (0, False), told
    code, told = command("predict", run, "--text", "rain", FLAG)
    assert (code, canary.read_text()) == (0, "the model"), told


@pytest.mark.parametrize("verb", ["predict", "evaluate", "export", "ftkit.load", "a bank"])
def test_a_model_of_an_unknown_type_takes_the_flag(
    verb: str, whole: Path, adapter: Path, checkpoint: Checkpoint, tmp_path: Path, canary: Path, command: Command
) -> None:
    unknown = {"auto_map": AUTO_MAP, "model_type": "evil"}
    if verb == "a bank":
        base = Path(shutil.copytree(checkpoint("bert"), tmp_path / "base"))
        (base / "evil_model.py").write_text(MODEL.format(canary=str(canary), model_type="evil"))
        change_json(base / "config.json", unknown)
        run = hostile_copy(
            adapter, tmp_path / "run", canary, model__checkpoint=str(base), model__trust_remote_code=True
        )
        with pytest.raises(UserError) as raised:
            ftkit.AdapterBank(device="cpu").add("topics", run)
        told = str(raised.value)
    else:
        run = hostile_copy(whole, tmp_path / "run", canary, model__trust_remote_code=True)
        change_json(run / "config.json", unknown)
        if verb == "ftkit.load":
            with pytest.raises(UserError) as raised:
                ftkit.load(run)
            told = str(raised.value)
        else:
            given = {"predict": ("--text", "rain"), "evaluate": ("--data", rows(whole)), "export": (tmp_path / "out",)}
            code, told = command(verb, run, *given[verb])
            assert code == 2
    assert not canary.exists()
    assert "config.json of" in told
    assert FLAG in told
    assert "model.trust_remote_code: true" not in told


def test_a_config_that_trains_is_told_its_own_key(whole: Path, tmp_path: Path, canary: Path, command: Command) -> None:
    run = hostile_copy(whole, tmp_path / "run", canary)
    change_json(run / "config.json", {"auto_map": AUTO_MAP, "model_type": "evil"})
    (tmp_path / "mine.yaml").write_text(strict_yaml.dump(run_config(tmp_path, run, output_dir=str(tmp_path / "next"))))
    code, told = command("check", tmp_path / "mine.yaml")
    assert (code, canary.exists()) == (2, False)
    assert "say model.trust_remote_code: true" in told
    assert FLAG not in told


def test_a_tokenizer_is_made_without_its_code(whole: Path, tmp_path: Path, canary: Path, command: Command) -> None:
    run = hostile_copy(whole, tmp_path / "run", canary)
    own = {"auto_map": {"AutoTokenizer": ["evil_model.Tokenizer", None]}, "tokenizer_class": "EvilTokenizer"}
    change_json(run / "tokenizer_config.json", own)
    code, told = command("predict", run, "--text", "rain")
    assert (code, canary.exists()) == (0, False), told
    assert ftkit.load(run).predict(["rain"]) == ftkit.load(whole).predict(["rain"])
    code, told = command("predict", run, "--text", "rain", FLAG)
    assert canary.read_text() == "the model", told


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"attn_implementation": "stranger/kernel"}, "attn_implementation: 'stranger/kernel'"),
        ({"_attn_implementation": "kernels-community/flash-attn2"}, "attn_implementation: 'kernels-community"),
        ({"experts_implementation": "sonicmoe"}, "experts_implementation: 'sonicmoe'"),
        ({"quantization_config": {"quant_method": "fp8"}}, "quantization_config.quant_method: 'fp8'"),
    ],
)
def test_kernels_are_not_fetched(
    asked: dict[str, Any], named: str, whole: Path, tmp_path: Path, canary: Path, command: Command
) -> None:
    run = hostile_copy(whole, tmp_path / "run", canary)
    change_json(run / "config.json", asked)
    code, told = command("predict", run, "--text", "rain")
    assert code == 2
    assert named in told
    assert FLAG in told


def test_pickled_weights_are_not_opened(whole: Path, tmp_path: Path, canary: Path, command: Command) -> None:
    run = hostile_copy(whole, tmp_path / "run", canary)
    pickled(run / "pytorch_model.bin", canary)
    pickled(run / "training_args.bin", canary)
    pickled(run / "adapter_model.bin", canary)
    code, told = command("predict", run, "--text", "rain")
    assert (code, canary.exists()) == (0, False), told
    (run / "model.safetensors").unlink()
    code, told = command("predict", run, "--text", "rain")
    assert (code, canary.exists()) == (2, False)
    assert "the weights are pickled (pytorch_model.bin), which can run code when opened" in told


def test_a_pickled_adapter_is_not_opened(adapter: Path, tmp_path: Path, canary: Path, command: Command) -> None:
    run = hostile_copy(adapter, tmp_path / "run", canary)
    pickled(run / "adapter_model.bin", canary)
    (run / "adapter_model.safetensors").unlink()
    code, told = command("predict", run, "--text", "rain")
    assert (code, canary.exists()) == (2, False)
    assert "adapter_model.safetensors is missing" in told


def test_a_pickled_adapter_beside_a_whole_model_is_not_opened(
    whole: Path, adapter: Path, tmp_path: Path, canary: Path, command: Command
) -> None:
    run = hostile_copy(whole, tmp_path / "run", canary)
    shutil.copy(adapter / "adapter_config.json", run)
    pickled(run / "adapter_model.bin", canary)
    code, told = command("predict", run, "--text", "rain")
    assert (code, canary.exists()) == (2, False)
    assert "adapter_model.bin is pickled" in told


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"megatron_config": {"a": 1}, "megatron_core": "evil"}, "megatron_core: 'evil'"),
        ({"tokenizer_kwargs": {"trust_remote_code": True}}, "tokenizer_kwargs"),
        ({"auto_mapping": {"base_model_class": "T", "parent_library": "evil"}}, "auto_mapping"),
    ],
)
@pytest.mark.parametrize("where", ["an adapter", "a whole model"])
def test_an_adapter_imports_no_module(
    where: str,
    asked: dict[str, Any],
    named: str,
    whole: Path,
    adapter: Path,
    tmp_path: Path,
    canary: Path,
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = hostile_copy(adapter if where == "an adapter" else whole, tmp_path / "run", canary)
    shutil.copy(adapter / "adapter_config.json", run)
    change_json(run / "adapter_config.json", asked)
    monkeypatch.syspath_prepend(str(run))
    code, told = command("predict", run, "--text", "rain")
    assert (code, canary.exists()) == (2, False)
    assert f"adapter_config.json asks for code: {named}" in told


def test_custom_generation_code_is_not_run(checkpoint: Checkpoint, tmp_path: Path, canary: Path) -> None:
    """Beside a model that writes texts, where transformers looks for it."""
    folder = Path(shutil.copytree(checkpoint("marian"), tmp_path / "model"))
    (folder / "custom_generate").mkdir()
    (folder / "custom_generate" / "generate.py").write_text(
        f"from pathlib import Path\nPath({str(canary)!r}).write_text('generate')\ndef generate(model, **kw): ...\n"
    )
    predictor = ftkit.load(folder, task="translation", source_lang="en", target_lang="de", max_new_tokens=4)
    assert set(predictor.predict(["rain today"])[0]) >= {"prediction"}
    assert not canary.exists()


def test_a_chat_template_cannot_reach_python(checkpoint: Checkpoint, tmp_path: Path, canary: Path) -> None:
    """Templates are a language of their own, and run in a sandbox."""
    folder = Path(shutil.copytree(checkpoint("gpt2"), tmp_path / "model"))
    escape = "{{ ''.__class__.__mro__[1].__subclasses__() }}" + "{{ messages[0]['content'] }}"
    change_json(folder / "tokenizer_config.json", {"chat_template": escape})
    with pytest.raises(UserError, match=r"The chat template of .* cannot be used: .*unsafe"):
        ftkit.load(folder, task="translation", source_lang="en", target_lang="de")
    assert not canary.exists()


# --- exported models --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["../secret.bin", "{folder}/secret.bin"])
def test_an_exported_model_reads_no_file_outside_of_its_folder(place: str, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    from ftkit.inference.onnx_model import OnnxModel

    (tmp_path / "secret.bin").write_bytes(bytes(16))
    (tmp_path / "model").mkdir()
    weight = onnx.TensorProto(name="w", data_type=1, dims=[4], data_location=onnx.TensorProto.EXTERNAL)
    weight.external_data.add(key="location", value=place.format(folder=tmp_path))
    sides = [onnx.helper.make_tensor_value_info(name, 1, [4]) for name in ("x", "logits")]
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Add", ["x", "w"], ["logits"])], "g", sides[:1], sides[1:], [weight]
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    file = tmp_path / "model" / "model.onnx"
    file.write_bytes(model.SerializeToString())
    with pytest.raises(UserError, match=r"cannot be loaded by ONNX Runtime: .*External data path"):
        OnnxModel(file)


@pytest.mark.parametrize("content", ["{}", "[]", '{"precision": "../x"}', "no json"])
def test_a_damaged_export_is_one_message(content: str, whole: Path, tmp_path: Path, canary: Path) -> None:
    run = hostile_copy(whole, tmp_path / "run", canary)
    (run / "export.json").write_text(content)
    with pytest.raises(UserError, match=r"export\.json is damaged: it does not say the model's precision"):
        ftkit.load(run)
