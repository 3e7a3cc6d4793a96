"""Language codes, and what a target begins and ends with: an encoder-decoder's decoder is told both.

| model | decoder reads first | is to write | told by |
|---|---|---|---|
| Marian, T5 | pad | `a </s>` | for several target languages, `>>deu<<` before the source |
| BART | `</s>` | `<s> a </s>` | |
| mBART | `de_DE` | `a </s>` | the start token |
| mBART-50, NLLB, M2M-100 | `</s>` | `deu_Latn a </s>` | the forced first token |
| BERT2BERT | `[CLS]` | `a [SEP]` | |
| BERT2GPT | `<|endoftext|>` | `a <|endoftext|>` | |
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ftkit.errors import CheckpointError, ConfigError, did_you_mean, name_list
from ftkit.models.spec import CheckpointSpec
from ftkit.models.tokenizers import end_of_text

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_CODE = re.compile(r"[a-z]{2,3}_[A-Z][A-Za-z]{1,3}")  # en_XX, eng_Latn
_MARIAN_CODE = re.compile(r">>(.+)<<")


class Languages:
    """The languages of a run, set in the tokenizer of an encoder-decoder.

    Attributes:
        prefix: what a source begins with: the target's code, for Marian models of several target languages.
        start_id: what the decoder reads first.
        end_id: what ends a target.
        forced_first_id: what the decoder has to write first, if anything.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        target_tokenizer: PreTrainedTokenizerBase,
        spec: CheckpointSpec,
        source_lang: str | None,
        target_lang: str | None,
    ) -> None:
        """Checks the codes and tells them to the tokenizer.

        Raises:
            ConfigError: a code is missing or unknown.
            CheckpointError: nothing says how a target begins or ends.
        """
        self.prefix = _marian_prefix(tokenizer, spec, target_lang)
        target_id = None
        if (codes := language_codes(tokenizer)) and hasattr(tokenizer, "src_lang"):
            _check_code("source_lang", source_lang, codes, spec)
            _check_code("target_lang", target_lang, codes, spec)
            tokenizer.src_lang, tokenizer.tgt_lang = source_lang, target_lang
            target_id = _code_id(tokenizer, str(target_lang))
        # What the tokenizer puts around a target, seen on an empty one.
        around = target_tokenizer(text_target="", verbose=False)["input_ids"]
        self._drops_last = target_id is not None and around[-1:] == [target_id]
        self.forced_first_id = target_id if around[:1] == [target_id] else None
        self.start_id = _start_id(spec, target_tokenizer, target_id if self._drops_last else None)
        self.end_id = end_of_text(target_tokenizer, spec, or_sep=True)

    @property
    def generation_ids(self) -> dict[str, int]:
        """What the generation config has to say."""
        first = {} if self.forced_first_id is None else {"forced_bos_token_id": self.forced_first_id}
        return {"decoder_start_token_id": self.start_id, **first}

    def written(self, ids: list[int]) -> list[int]:
        """Returns the tokens that the decoder is to write, of those that the tokenizer gives for a target."""
        ids = ids[:-1] if self._drops_last else ids
        ids = ids[1:] if ids[:1] == [self.start_id] else ids
        return ids if ids[-1:] == [self.end_id] else [*ids, self.end_id]


def language_codes(tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """Returns the language codes that a tokenizer knows; none if it is not told languages."""
    vocab = tokenizer.get_vocab()
    known = getattr(tokenizer, "lang_code_to_id", None)
    if known:
        spelled = getattr(tokenizer, "lang_code_to_token", {})
        return [code for code in known if spelled.get(code, code) in vocab]
    return [token for token in tokenizer.all_special_tokens if _CODE.fullmatch(token)]


def _code_id(tokenizer: PreTrainedTokenizerBase, code: str) -> int:
    spelled = getattr(tokenizer, "lang_code_to_token", {})
    found = tokenizer.convert_tokens_to_ids(spelled.get(code, code))
    assert isinstance(found, int)
    return found


def _check_code(key: str, code: str | None, codes: Sequence[str], spec: CheckpointSpec) -> None:
    if code is None:
        raise ConfigError(
            f"data.{key}: {spec.name!r} reads and writes {len(codes)} languages; say which: {_some(codes)}."
        )
    if code not in codes:
        raise ConfigError(
            f"data.{key}: the tokenizer of {spec.name!r} knows no language {code!r}.{_closest(code, codes)} "
            f"It knows {_some(codes)}."
        )


def _closest(code: str, codes: Sequence[str]) -> str:
    """Offers the code of the same language before one of similar spelling: `de` is `de_DE`, `eng` is `eng_Latn`."""
    language = code.replace("-", "_").partition("_")[0].lower()
    same = [known for known in codes if known.partition("_")[0].lower() in (language, _THREE_LETTERS.get(language))]
    return f" Did you mean {same[0]!r}?" if same else did_you_mean(code, codes)


# Two letters (ISO 639-1) are what people write, three (ISO 639-3) what NLLB knows.
_THREE_LETTERS = {
    "ar": "arb", "cs": "ces", "da": "dan", "de": "deu", "el": "ell", "en": "eng", "es": "spa", "fa": "pes",
    "fi": "fin", "fr": "fra", "he": "heb", "hi": "hin", "hu": "hun", "id": "ind", "it": "ita", "ja": "jpn",
    "ko": "kor", "nl": "nld", "no": "nob", "pl": "pol", "pt": "por", "ro": "ron", "ru": "rus", "sv": "swe",
    "th": "tha", "tr": "tur", "uk": "ukr", "vi": "vie", "zh": "zho",
}  # fmt: skip


def _some(codes: Sequence[str]) -> str:
    return name_list(codes, limit=30)


def _marian_prefix(tokenizer: PreTrainedTokenizerBase, spec: CheckpointSpec, target_lang: str | None) -> str:
    """Returns what tells a Marian model of several target languages which one to write."""
    codes = [match[1] for token in tokenizer.get_vocab() if (match := _MARIAN_CODE.fullmatch(token))]
    if not codes or spec.model_type != "marian":
        return ""
    code = None if target_lang is None else target_lang.removeprefix(">>").removesuffix("<<")
    _check_code("target_lang", code, sorted(codes), spec)
    return f">>{code}<< "


def _start_id(spec: CheckpointSpec, tokenizer: PreTrainedTokenizerBase, language_id: int | None) -> int:
    candidates = [language_id, spec.decoder_start_token_id]
    if spec.decoder is not None:
        candidates = [tokenizer.cls_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id]
    found = next((id_ for id_ in candidates if id_ is not None), None)
    if found is None:
        raise CheckpointError(
            f"model.checkpoint: {spec.name!r} does not say what its decoder reads first. "
            "Set decoder_start_token_id in its config.json."
        )
    return found
