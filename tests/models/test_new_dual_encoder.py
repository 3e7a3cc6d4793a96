"""Fresh checkpoints that compare images with texts."""

from __future__ import annotations

from transformers import AutoConfig, AutoTokenizer

from ftkit.models.new_dual_encoder import make_dual_encoder


def test_a_tokenizer_of_few_texts_knows_all_others(tmp_path):
    """What it did not know would be the end of the text: labels that differ behind it would be equal."""
    make_dual_encoder(tmp_path / "clip", "tiny", ["a red square", "a blue one"])
    tokenizer, end = AutoTokenizer.from_pretrained(tmp_path / "clip"), AutoConfig.from_pretrained(tmp_path / "clip")
    for text in ("a photo of a zebra.", "Grün, 東京 & 42%"):
        ids = tokenizer(text).input_ids
        assert ids.index(tokenizer.eos_token_id) == len(ids) - 1, text
        assert tokenizer.decode(ids, skip_special_tokens=True).replace(" ", "") == text.lower().replace(" ", "")
    assert end.text_config.eos_token_id == tokenizer.eos_token_id != 2
