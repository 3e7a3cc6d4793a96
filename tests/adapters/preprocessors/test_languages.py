"""Language codes: which are known, what they do to a target, and what is said of others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import tiny
from ftkit.adapters.preprocessors.languages import language_codes
from ftkit.errors import ConfigError
from pairs import make_translator


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
        make_translator(checkpoint(model), source_lang=source, target_lang=target)


def test_codes_are_those_of_the_vocabulary(checkpoint: Callable[[str], Path]) -> None:
    nllb = make_translator(checkpoint("nllb"), source_lang="eng_Latn", target_lang="deu_Latn")
    assert sorted(language_codes(nllb.preprocessor.processor)) == ["deu_Latn", "eng_Latn", "fra_Latn"]
    assert language_codes(make_translator(checkpoint("marian")).preprocessor.processor) == []


def test_forced_first_token_is_saved(checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    from transformers import GenerationConfig

    adapter = make_translator(checkpoint("nllb"), source_lang="eng_Latn", target_lang="deu_Latn")
    adapter.objective.build().model.save_pretrained(tmp_path)
    saved = GenerationConfig.from_pretrained(tmp_path)
    assert saved.forced_bos_token_id == adapter.preprocessor.processor.convert_tokens_to_ids("deu_Latn")
    mbart = make_translator(checkpoint("mbart"), source_lang="en_XX", target_lang="de_DE").objective.build().model
    german = mbart.generation_config.decoder_start_token_id
    assert german == mbart.config.decoder_start_token_id
    assert german != adapter.preprocessor.processor.eos_token_id


def test_marian_of_several_target_languages(tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    folder = tiny.make_checkpoint("marian", tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    text = (folder / "tokenizer.json").read_text().replace('"▁card"', '">>deu<<"')
    (folder / "tokenizer.json").write_text(text)
    del tokenizer
    with pytest.raises(ConfigError, match=r"target_lang.*'dea'\. Did you mean 'deu'\?"):
        make_translator(folder, target_lang="dea")
    assert make_translator(folder, target_lang="deu").preprocessor.languages.prefix == ">>deu<< "
