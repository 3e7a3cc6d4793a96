"""Which layers of a model are shared out, which models cannot be, and what DeepSpeed needs."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from transformers import (
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
)
from transformers.integrations.deepspeed import is_deepspeed_zero3_enabled, set_hf_deepspeed_config

import ftkit
from ftkit.engine.sharding import (
    check_can_be_sharded,
    layer_classes,
    load_whole_models,
    loading_whole_models,
    modules_with_common_weights,
    shards,
)
from ftkit.errors import ConfigError
from runs import run_config


@pytest.mark.parametrize(
    ("model_type", "classes"),
    [("bert", ["BertLayer"]), ("llama", ["LlamaDecoderLayer"]), ("gpt2", ["GPT2Block"]), ("t5", ["T5Block"])],
)
def test_the_layers_are_found_and_not_the_embeddings(model_type: str, classes: list[str], checkpoint: Any) -> None:
    model = AutoModelForSequenceClassification.from_pretrained(checkpoint(model_type))
    assert layer_classes(model) == classes
    assert not shards(model)


@pytest.mark.parametrize(
    ("auto_class", "model_type", "groups"),
    [
        (AutoModelForSequenceClassification, "bert", []),
        (AutoModelForSeq2SeqLM, "t5", [["shared", "encoder.embed_tokens", "decoder.embed_tokens", "lm_head"]]),
        (AutoModelForCausalLM, "gpt2", [["transformer.wte", "lm_head"]]),
    ],
)
def test_modules_that_share_a_table_are_found(
    auto_class: Any, model_type: str, groups: list[list[str]], checkpoint: Any
) -> None:
    model = auto_class.from_pretrained(checkpoint(model_type))
    found = modules_with_common_weights(model)
    assert found == [[model.get_submodule(name) for name in names] for names in groups]


def test_weights_that_cannot_be_shared_out_are_told(checkpoint: Any) -> None:
    plugin = SimpleNamespace(
        transformer_cls_names_to_wrap=["BertLayer"], cpu_ram_efficient_loading=False, activation_checkpointing=False
    )
    with pytest.raises(
        ConfigError, match=r"BertForMaskedLM that lie inside one another share weights.*Leave train.fsdp"
    ):
        check_can_be_sharded(AutoModelForMaskedLM.from_pretrained(checkpoint("bert")), plugin)
    plugin.cpu_ram_efficient_loading = True
    with pytest.raises(ConfigError, match="cpu_ram_efficient_loading cannot be had of T5For"):
        check_can_be_sharded(AutoModelForSeq2SeqLM.from_pretrained(checkpoint("t5")), plugin)


def test_a_model_that_a_rank_loads_for_itself_is_whole_under_stage_3() -> None:
    stage_3 = HfDeepSpeedConfigStandIn()
    set_hf_deepspeed_config(stage_3)
    try:
        assert is_deepspeed_zero3_enabled()
        with loading_whole_models(SimpleNamespace(deepspeed_plugin=SimpleNamespace(dschf=stage_3))):  # type: ignore[arg-type]
            assert not is_deepspeed_zero3_enabled()
        assert is_deepspeed_zero3_enabled(), "the run's own model is shared out when it goes on"
    finally:
        load_whole_models()
    assert not is_deepspeed_zero3_enabled()


class HfDeepSpeedConfigStandIn:
    """What transformers asks of a config of DeepSpeed's, which may not be installed."""

    def is_zero3(self) -> bool:
        return True


@pytest.mark.parametrize("by", ["config", "launcher"])
def test_deepspeed_that_is_missing_is_told_before_anything_is_written(
    by: str, checkpoint: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = run_config(tmp_path, checkpoint("bert"))
    if by == "config":
        config["train"]["deepspeed"] = "zero3.json"
    else:
        monkeypatch.setenv("ACCELERATE_USE_DEEPSPEED", "true")
    with pytest.raises(ConfigError, match=r"DeepSpeed is not installed.*pip install 'ftkit\[deepspeed\]'"):
        ftkit.train(config)
    assert not (tmp_path / "run").exists()
