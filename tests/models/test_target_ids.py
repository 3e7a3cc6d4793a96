"""A text to write stays a text: what looks like a special token in it is spelled out, and ends nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from transformers import AutoTokenizer, ByT5Tokenizer

from ftkit.models.target_ids import target_ids

TEXTS = ["the rain", "", "the <s>rain</s> will stop <pad>"]


@pytest.mark.parametrize("model", ["t5", "bart", "marian", "nllb", "gpt2", "llama"])
def test_special_tokens_in_a_text_are_spelled_out(checkpoint: Callable[[str], Path], model: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(checkpoint(model))
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    plain, empty, spelled_out = target_ids(tokenizer, TEXTS, add_special_tokens=False)
    assert plain == tokenizer(TEXTS[0], add_special_tokens=False)["input_ids"], "other texts are as they were"
    assert empty == []
    assert not set(spelled_out) & set(tokenizer.all_special_ids)
    assert tokenizer.decode(spelled_out, skip_special_tokens=True).strip() == TEXTS[2]
    around = tokenizer(text_target=TEXTS[0])["input_ids"]
    assert target_ids(tokenizer, TEXTS)[0] == around
    start = around.index(plain[0])
    added = around[:start] + around[start + len(plain) :]
    assert [id_ for id_ in target_ids(tokenizer, TEXTS)[2] if id_ in tokenizer.all_special_ids] == added


def test_bert_s_tokens_in_a_text(checkpoint: Callable[[str], Path]) -> None:
    tokenizer = AutoTokenizer.from_pretrained(checkpoint("bert"))
    (ids,) = target_ids(tokenizer, ["rain [SEP] stop"])
    assert tokenizer.convert_ids_to_tokens(ids)[0::7] == ["[CLS]", "stop"]
    assert ids.count(tokenizer.sep_token_id) == 1


def test_a_tokenizer_written_in_python() -> None:
    tokenizer = ByT5Tokenizer()
    (ids,) = target_ids(tokenizer, ["a</s>b"])
    assert tokenizer.decode(ids[:-1]) == "a</s>b"
    assert ids.count(tokenizer.eos_token_id) == 1
    assert ids[-1] == tokenizer.eos_token_id


def test_words_that_were_added_to_the_vocabulary_stay_whole(checkpoint: Callable[[str], Path]) -> None:
    tokenizer = AutoTokenizer.from_pretrained(checkpoint("t5"))
    tokenizer.add_tokens(["[<order>]"])
    (ids,) = target_ids(tokenizer, ["the [<order>] rain"])
    assert tokenizer.convert_tokens_to_ids("[<order>]") in ids
