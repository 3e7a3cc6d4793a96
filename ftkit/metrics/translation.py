"""sacreBLEU's metrics and tokenizers: BLEU, chrF++ and TER as WMT reports them.

Texts are scored as they are: case, spaces and punctuation untouched. BLEU (Papineni et al. 2002) counts words, so it
depends on a tokenizer; sacreBLEU (Post 2018, W18-6319) names it and everything else in a signature.
"""

from __future__ import annotations

import importlib.util
import itertools
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ftkit.errors import ConfigError, did_you_mean, name_list

if TYPE_CHECKING:
    from sacrebleu.metrics.base import Metric

TOKENIZERS = ("13a", "intl", "zh", "ja-mecab", "ko-mecab", "flores200", "flores101", "spm", "char", "none")
"""What `data.bleu_tokenizer` may name."""

# https://github.com/mjpost/sacrebleu#tokenization: what WMT uses for these languages.
_OF_LANGUAGE = {
    "zh": "zh",
    "zho": "zh",
    "yue": "zh",
    "ja": "ja-mecab",
    "jpn": "ja-mecab",
    "ko": "ko-mecab",
    "kor": "ko-mecab",
}
# Written without spaces between words, where 13a would take a clause for a word.
_WITHOUT_SPACES = ("th", "tha", "lo", "lao", "km", "khm", "my", "mya", "bo", "bod", "dz", "dzo", "shn")
_NEEDS = {"ja-mecab": ("MeCab", "sacrebleu[ja]"), "ko-mecab": ("mecab_ko", "sacrebleu[ko]")}
_NEEDS |= dict.fromkeys(("flores200", "flores101", "spm"), ("sentencepiece", "sentencepiece"))


def bleu_tokenizer(target_lang: str | None, declared: str | None = None) -> str:
    """Returns sacreBLEU's tokenizer for a target language, such as `zh`, `zh_CN` or `zho_Hans`.

    Raises:
        ConfigError: the declared one does not exist, or one needs a package that is not installed.
    """
    if declared is not None and declared not in TOKENIZERS:
        raise ConfigError(
            f"data.bleu_tokenizer: sacreBLEU has no tokenizer {declared!r}.{did_you_mean(declared, TOKENIZERS)} "
            f"There is {name_list(TOKENIZERS)}."
        )
    name = declared or _usual_tokenizer(target_lang)
    module, package = _NEEDS.get(name, (None, None))
    if module is not None and importlib.util.find_spec(module) is None:
        raise ConfigError(
            f"BLEU for target_lang {target_lang!r} is counted with sacreBLEU's tokenizer {name}, which needs a "
            f"package that is not installed.\nFix: pip install '{package}', or name another under data.bleu_tokenizer "
            "(char needs nothing)."
        )
    return name


def _usual_tokenizer(target_lang: str | None) -> str:
    language = (target_lang or "").replace("-", "_").partition("_")[0].lower()
    return _OF_LANGUAGE.get(language) or ("flores200" if language in _WITHOUT_SPACES else "13a")


def texts_of(reference: str | tuple[str, ...]) -> tuple[str, ...]:
    """Returns what was expected for a row: one text, or several of equal standing."""
    return (reference,) if isinstance(reference, str) else reference


def reference_streams(references: Iterable[str | tuple[str, ...]]) -> list[list[Any]]:
    """Returns references as sacreBLEU reads them: the first of every row, the second of every row, and so on.

    Example: "a house" and ("the rain", "rain") are [["a house", "the rain"], [None, "rain"]].
    """
    return [list(stream) for stream in itertools.zip_longest(*map(texts_of, references))]


def sacrebleu_metric(name: str, tokenizer: str = "13a") -> Metric:
    """Returns sacreBLEU's metric behind one of ftkit's names."""
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF
    from sacrebleu.metrics.ter import TER

    return {"bleu": lambda: BLEU(tokenize=tokenizer), "chrf++": lambda: CHRF(word_order=2), "ter": TER}[name]()
