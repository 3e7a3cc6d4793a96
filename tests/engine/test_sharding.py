"""Which layers of a model are shared out, which models cannot be, and what DeepSpeed needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from transformers import AutoModelForSeq2SeqLM, AutoModelForSequenceClassification

import ftkit
from ftkit.engine.sharding import check_can_be_sharded, gathered, layer_classes, shards
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
    with gathered(model):  # a plain model is left alone
        pass


def test_a_table_that_more_than_input_and_output_share(checkpoint: Any) -> None:
    check_can_be_sharded(AutoModelForSequenceClassification.from_pretrained(checkpoint("bert")))
    with pytest.raises(ConfigError, match="share one table of embeddings"):
        check_can_be_sharded(AutoModelForSeq2SeqLM.from_pretrained(checkpoint("t5")))


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
