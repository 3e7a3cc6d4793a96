"""Prompts, language codes, cutting and search: the parts of text to text that one family has alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tiny
from ftkit.adapters.languages import language_codes
from ftkit.adapters.table import find_adapter
from ftkit.errors import CheckpointError, ConfigError
from ftkit.models.checkpoint import inspect_checkpoint
from ftkit.models.spec import ModelSpec
from ftkit.types import Split, TextToTextExample

CHAT = (
    "{% for message in messages %}<user>{{ message['content'] }}</user>{% endfor %}"
    "{% if add_generation_prompt %}<answer>{% endif %}"
)


def make_split(*pairs: tuple[str, str], name: str = "train") -> Split:
    return Split(name, "pairs.tsv", [TextToTextExample(index, *pair) for index, pair in enumerate(pairs)])


def make_adapter(folder: Path, decoder: Path | None = None, **options: Any) -> Any:
    spec = inspect_checkpoint(ModelSpec(checkpoint=str(folder), decoder=decoder and str(decoder)))
    return find_adapter("translation", spec.family, spec.name)(spec, None, **options)


# --- prompts ---


@pytest.mark.parametrize(
    ("template", "prompt", "target"),
    [
        ("{source} is", "rain is", " card<|endoftext|>"),
        ("{source} is ", "rain is", " card<|endoftext|>"),  # a space before the target belongs to its first word
        ("{source}\n", "rain\n", "card<|endoftext|>"),
        ("{source_lang}: {source}\n{target_lang}:", "en: rain\nde:", " card<|endoftext|>"),
    ],
)
def test_templates(checkpoint: Callable[[str], Path], template: str, prompt: str, target: str) -> None:
    adapter = make_adapter(checkpoint("gpt2"), prompt_template=template, source_lang="en", target_lang="de")
    row = adapter.encode(make_split(("rain", "card"))).rows[0]
    asked = adapter.encode_prompt(make_split(("rain", "card"))).rows[0]["input_ids"]
    assert adapter.tokenizer.decode(asked) == prompt
    assert row["input_ids"][: len(asked)] == asked
    assert adapter.tokenizer.decode(row["input_ids"][len(asked) :]) == target
    assert row["labels"] == [-100] * len(asked) + row["input_ids"][len(asked) :]


def test_chat_template(tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    folder = tiny.make_checkpoint("qwen2", tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = CHAT
    tokenizer.save_pretrained(folder)
    options = {"source_lang": "English", "target_lang": "German", "generation": {"max_new_tokens": 20}}
    adapter = make_adapter(folder, **options)
    asked = adapter.encode_prompt(make_split(("rain", ""))).rows[0]["input_ids"]
    assert adapter.tokenizer.decode(asked) == (
        "<user>Translate from English to German. Answer with the translation alone.\n\nrain</user><answer>"
    )
    with pytest.raises(ConfigError, match=r"data\.source_lang and data\.target_lang are missing"):
        make_adapter(folder)


def test_a_decoder_without_a_template(checkpoint: Callable[[str], Path]) -> None:
    with pytest.raises(ConfigError, match=r"prompt_template is missing.*without a chat template[^$]*Fix: for example"):
        make_adapter(checkpoint("gpt2"))


@pytest.mark.parametrize("template", ["Translate:", "{sorce} ="])
def test_a_template_without_a_source(checkpoint: Callable[[str], Path], template: str) -> None:
    with pytest.raises(ConfigError, match=r"has no \{source\}, where the text goes"):
        make_adapter(checkpoint("gpt2"), prompt_template=template)


def test_a_long_source_is_cut_and_the_template_stays(checkpoint: Callable[[str], Path]) -> None:
    adapter = make_adapter(checkpoint("gpt2"), prompt_template="read {source} and say:")
    encoded = adapter.encode(make_split(("rain " * 400, "card"), ("rain", "card")))
    assert (encoded.num_truncated, encoded.num_truncated_targets) == (1, 0)
    text = adapter.tokenizer.decode(encoded.rows[0]["input_ids"])
    assert text.startswith("read rain rain")
    assert text.endswith("and say: card<|endoftext|>")
    assert encoded.lengths.max() <= tiny.MAX_POSITIONS


def test_t5_has_the_prefix_of_its_config(tmp_path: Path) -> None:
    import json

    folder = tiny.make_checkpoint("t5", tmp_path)
    config = json.loads((folder / "config.json").read_text())
    config["task_specific_params"] = {"translation_en_to_de": {"prefix": "add salt: ", "num_beams": 4}}
    (folder / "config.json").write_text(json.dumps(config))
    adapter = make_adapter(folder, source_lang="en", target_lang="de")
    assert adapter.tokenizer.decode(adapter.encode_prompt(make_split(("rain", ""))).rows[0]["input_ids"]).startswith(
        "add salt: rain"
    )
    assert make_adapter(folder, source_lang="en", target_lang="fr").prefix == ""


# --- languages ---


@pytest.mark.parametrize(
    ("model", "source", "target", "message"),
    [
        ("mbart", "en_XX", "de", r"data\.target_lang: .* knows no language 'de'\. Did you mean 'de_DE'\?"),
        ("mbart", "en_X", "de_DE", r"data\.source_lang: .* 'en_X'\. Did you mean 'en_XX'\?"),
        ("nllb", "eng_Latn", "de", r"Did you mean 'deu_Latn'\?"),
        ("nllb", None, "deu_Latn", r"data\.source_lang: .* 3 languages; say which"),
    ],
)
def test_unknown_language_codes(
    checkpoint: Callable[[str], Path], model: str, source: str | None, target: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        make_adapter(checkpoint(model), source_lang=source, target_lang=target)


def test_codes_are_those_of_the_vocabulary(checkpoint: Callable[[str], Path]) -> None:
    nllb = make_adapter(checkpoint("nllb"), source_lang="eng_Latn", target_lang="deu_Latn")
    assert sorted(language_codes(nllb.tokenizer)) == ["deu_Latn", "eng_Latn", "fra_Latn"]
    assert language_codes(make_adapter(checkpoint("marian")).tokenizer) == []


def test_forced_first_token_is_saved(checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    from transformers import GenerationConfig

    adapter = make_adapter(checkpoint("nllb"), source_lang="eng_Latn", target_lang="deu_Latn")
    adapter.build().model.save_pretrained(tmp_path)
    saved = GenerationConfig.from_pretrained(tmp_path)
    assert saved.forced_bos_token_id == adapter.tokenizer.convert_tokens_to_ids("deu_Latn")
    mbart = make_adapter(checkpoint("mbart"), source_lang="en_XX", target_lang="de_DE").build().model
    german = mbart.generation_config.decoder_start_token_id
    assert german == mbart.config.decoder_start_token_id
    assert german != adapter.tokenizer.eos_token_id


def test_marian_of_several_target_languages(tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    folder = tiny.make_checkpoint("marian", tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    text = (folder / "tokenizer.json").read_text().replace('"▁card"', '">>deu<<"')
    (folder / "tokenizer.json").write_text(text)
    del tokenizer
    with pytest.raises(ConfigError, match=r"target_lang.*'dea'\. Did you mean 'deu'\?"):
        make_adapter(folder, target_lang="dea")
    assert make_adapter(folder, target_lang="deu").languages.prefix == ">>deu<< "


# --- lengths ---


@pytest.mark.parametrize("model", ["marian", "bart", "gpt2"])
def test_a_target_longer_than_the_model_is_cut_and_counted(checkpoint: Callable[[str], Path], model: str) -> None:
    import torch

    from ftkit.engine.batching import pad

    options = {"prompt_template": "{source}\n"} if model == "gpt2" else {}
    adapter = make_adapter(checkpoint(model), **options)
    encoded = adapter.encode(make_split(("rain", "the cold rain " * 200), ("rain", "card")))
    assert (encoded.num_truncated, encoded.num_truncated_targets) == (0, 1)
    assert encoded.lengths.max() == tiny.MAX_POSITIONS
    batch = pad(encoded.rows.to_list(), adapter.padding)
    labels = batch.pop("labels")
    losses = adapter.loss(adapter.build().model(**batch), labels)
    assert torch.isfinite(losses).all()
    assert adapter.max_new_tokens < tiny.MAX_POSITIONS


def test_lengths_can_be_set(checkpoint: Callable[[str], Path]) -> None:
    options = {"max_length": 4, "max_target_length": 3, "generation": {"max_new_tokens": 7, "num_beams": 2}}
    adapter = make_adapter(checkpoint("marian"), **options)
    row = adapter.encode(make_split(("the cold rain and wind", "the cold rain and wind"))).rows[0]
    assert (len(row["input_ids"]), len(row["labels"])) == (4, 3)
    assert row["input_ids"][-1] == adapter.tokenizer.eos_token_id
    config = adapter.build().model.generation_config
    assert (config.max_new_tokens, config.num_beams) == (7, 2)


def test_nothing_is_written_beyond_the_positions(checkpoint: Callable[[str], Path]) -> None:
    adapter = make_adapter(checkpoint("bart"), generation={"max_new_tokens": 10_000})
    assert adapter.max_new_tokens == tiny.MAX_POSITIONS - 1


# --- checkpoints that cannot write ---


def test_an_encoder_alone_cannot_write(checkpoint: Callable[[str], Path]) -> None:
    with pytest.raises(
        ConfigError, match=r"translation does not work with .*family encoder[^$]*Fix: .*model\.decoder"
    ):
        make_adapter(checkpoint("bert"))


def test_a_decoder_without_cross_attention(checkpoint: Callable[[str], Path]) -> None:
    with pytest.raises(CheckpointError, match=r"model\.decoder: .*no cross-attention .*'llama'.*BERT, RoBERTa"):
        make_adapter(checkpoint("bert"), checkpoint("llama"))


def test_only_an_encoder_can_be_joined(checkpoint: Callable[[str], Path]) -> None:
    with pytest.raises(CheckpointError, match=r"of family encoder-decoder; model\.checkpoint has to name an encoder"):
        make_adapter(checkpoint("t5"), checkpoint("bert"))


def test_a_checkpoint_without_its_writing_half(checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    import shutil

    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(checkpoint("t5"), tmp_path / "half")
    weights = load_file(folder / "model.safetensors")
    kept = {name: tensor for name, tensor in weights.items() if not name.startswith("decoder.")}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=r"lacks \d+ parameters that writing text needs, such as decoder\."):
        make_adapter(folder).build()
