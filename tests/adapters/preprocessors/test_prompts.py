"""What stands around a source: templates, chat templates, and the prefixes of T5."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import tiny
from ftkit.errors import ConfigError
from pairs import make_pairs, make_sources, make_translator

CHAT = (
    "{% for message in messages %}<user>{{ message['content'] }}</user>{% endfor %}"
    "{% if add_generation_prompt %}<answer>{% endif %}"
)


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
    adapter = make_translator(checkpoint("gpt2"), prompt_template=template, source_lang="en", target_lang="de")
    row = adapter.preprocessor.encode(make_pairs(("rain", "card")), targets=True).rows[0]
    asked = adapter.preprocessor.encode(make_sources("rain"), targets=False).rows[0]["input_ids"]
    assert adapter.preprocessor.processor.decode(asked) == prompt
    assert row["input_ids"][: len(asked)] == asked
    assert adapter.preprocessor.processor.decode(row["input_ids"][len(asked) :]) == target
    assert row["labels"] == [-100] * len(asked) + row["input_ids"][len(asked) :]


def test_chat_template(tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    folder = tiny.make_checkpoint("qwen2", tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = CHAT
    tokenizer.save_pretrained(folder)
    options = {"source_lang": "English", "target_lang": "German", "generation": {"max_new_tokens": 20}}
    adapter = make_translator(folder, **options)
    asked = adapter.preprocessor.encode(make_sources("rain"), targets=False).rows[0]["input_ids"]
    assert adapter.preprocessor.processor.decode(asked) == (
        "<user>Translate from English to German. Answer with the translation alone.\n\nrain</user><answer>"
    )
    with pytest.raises(ConfigError, match=r"data\.source_lang and data\.target_lang are missing"):
        make_translator(folder)


def test_a_decoder_without_a_template(checkpoint: Callable[[str], Path]) -> None:
    with pytest.raises(ConfigError, match=r"prompt_template is missing.*without a chat template[^$]*Fix: for example"):
        make_translator(checkpoint("gpt2"))


@pytest.mark.parametrize("template", ["Translate:", "{sorce} ="])
def test_a_template_without_a_source(checkpoint: Callable[[str], Path], template: str) -> None:
    with pytest.raises(ConfigError, match=r"has no \{source\}, where the text goes"):
        make_translator(checkpoint("gpt2"), prompt_template=template)


def test_a_long_source_is_cut_and_the_template_stays(checkpoint: Callable[[str], Path]) -> None:
    adapter = make_translator(checkpoint("gpt2"), prompt_template="read {source} and say:")
    adapter.preprocessor.fit(make_pairs(("rain " * 400, "card"), ("rain", "card")))
    encoded = adapter.preprocessor.encode(make_pairs(("rain " * 400, "card"), ("rain", "card")), targets=True)
    assert encoded.cut == {"source": 1, "target": 0}
    text = adapter.preprocessor.processor.decode(encoded.rows[0]["input_ids"])
    assert text.startswith("read rain rain")
    assert text.endswith("and say: card<|endoftext|>")
    assert encoded.costs.max() <= tiny.MAX_POSITIONS


def test_t5_has_the_prefix_of_its_config(tmp_path: Path) -> None:
    import json

    folder = tiny.make_checkpoint("t5", tmp_path)
    config = json.loads((folder / "config.json").read_text())
    config["task_specific_params"] = {"translation_en_to_de": {"prefix": "add salt: ", "num_beams": 4}}
    (folder / "config.json").write_text(json.dumps(config))
    adapter = make_translator(folder, source_lang="en", target_lang="de")
    asked = adapter.preprocessor.encode(make_sources("rain"), targets=False).rows[0]["input_ids"]
    assert adapter.preprocessor.processor.decode(asked).startswith("add salt: rain")
    assert make_translator(folder, source_lang="en", target_lang="fr").preprocessor.prefix == ""
