"""Tells from its commonest words or its letters which language a text is not in. Sure or silent: it never guesses.

It serves one question, whether a column holds the language that it should; for that, few words are enough.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Iterable

# Words of grammar: frequent, and rarely borrowed. A word of several languages speaks for each of them.
_WORDS = {
    "cs": "je se na že to ale jsem jako jsou pro byl podle která který nebo také před už jeho však ve při",
    "da": "og det er en at på af til med ikke den som jeg har de var han vi der fra et mig hvad også blev efter hun",
    "de": "der die das und ist ein eine einen einem einer nicht mit auf von zu den dem sich auch es sie er wir im am "
    "für wird sind als bei aus nach über vor in an was am so hat",
    "en": "the and is of a an to in that it with for on was are as at his her they be this from by have not their two",
    "es": "el la los las de que y un una en por con para no es su se del lo como más pero al está son hay sus",
    "fi": "ja on ei se että oli hän mutta ovat kun niin myös mitä joka tämä olla jos kuin sen ole ovat kanssa",
    "fr": "le la les des et un une est dans en du que qui pour pas sur au avec il elle ce ne se plus par sont deux",
    "hu": "és az egy nem hogy is van de ez meg csak volt el már mint aki még ki ezt kell lehet",
    "it": "il la le gli di che e un una è per non con del della sono si da in al nel lo più ma anche come alla due",
    "nl": "de het een en van is in op te dat met voor niet zijn die aan er ook als bij maar om naar uit twee hij",
    "no": "og det er en på av til med ikke den som jeg har de var han vi fra et meg hva også ble etter hun noen",
    "pl": "i w na nie się z to jest że do jak ale po co tak od za czy przez są był dla ze tego jego",
    "pt": "o a os as de que e um uma em do da não para com se no na por mais como dos mas foi ao ele está são duas",
    "ro": "și în de la nu că este cu un o pe din mai care să sunt pentru au ca dar ce lui fost",
    "sv": "och att det är en på av till med inte den som jag har de var han vi från ett mig vad också efter hon i",
    "tr": "ve bir bu da de için ile çok ne daha gibi var olan ben sen değil ama kadar olarak o mi",
}
_SCRIPTS = {
    "cyrillic": ("\u0400-\u04ff", ("ru", "uk", "bg", "sr", "mk", "be", "kk", "mn")),
    "greek": ("\u0370-\u03ff", ("el",)),
    "arabic": ("\u0600-\u06ff", ("ar", "fa", "ur", "ps")),
    "hebrew": ("\u0590-\u05ff", ("he", "yi")),
    "devanagari": ("\u0900-\u097f", ("hi", "mr", "ne")),
    "thai": ("\u0e00-\u0e7f", ("th",)),
    "hangul": ("\uac00-\ud7af", ("ko",)),
    "kana": ("\u3040-\u30ff", ("ja",)),
    "han": ("\u4e00-\u9fff", ("zh", "ja")),
}
_THREE_LETTERS = {
    "ces": "cs", "dan": "da", "deu": "de", "eng": "en", "spa": "es", "fin": "fi", "fra": "fr", "hun": "hu",
    "ita": "it", "nld": "nl", "nob": "no", "pol": "pl", "por": "pt", "ron": "ro", "swe": "sv", "tur": "tr",
    "rus": "ru", "ukr": "uk", "bul": "bg", "srp": "sr", "mkd": "mk", "bel": "be", "ell": "el", "arb": "ar",
    "pes": "fa", "urd": "ur", "heb": "he", "hin": "hi", "mar": "mr", "npi": "ne", "tha": "th", "kor": "ko",
    "jpn": "ja", "zho": "zh", "yue": "zh",
}  # fmt: skip
_TOKEN = re.compile(r"[^\W\d_]+")
_SURE = 2  # words of one language more than of the other, before a text counts as its


def base_language(code: str | None) -> str | None:
    """Returns the two letters of a language code, `en` for `en_XX`, `eng_Latn` and `en-GB`; None if not known."""
    if code is None:
        return None
    first = code.replace("-", "_").partition("_")[0].lower()
    first = _THREE_LETTERS.get(first, first)
    return first if first in known_languages() else None


@functools.cache
def known_languages() -> frozenset[str]:
    """Returns the languages that can be told from others."""
    return frozenset(_WORDS) | {code for _, codes in _SCRIPTS.values() for code in codes}


def is_rather(text: str, language: str, other: str) -> bool:
    """Tells whether a text is clearly in `language` and not in `other`, both as `base_language` gives them."""
    here, there = _evidence(text, language), _evidence(text, other)
    return here >= there + _SURE and here >= 2 * there


def _evidence(text: str, language: str) -> int:
    """Returns how many words of a text speak for a language, or how many of its letters."""
    letters = [marks for marks, codes in _SCRIPTS.values() if language in codes]
    if letters:
        return len(re.findall(f"[{''.join(letters)}]", text))
    words = Counter(word.lower() for word in _TOKEN.findall(text))
    return _count(words, _word_set(language))


def _count(words: Counter[str], known: frozenset[str]) -> int:
    return sum(count for word, count in words.items() if word in known)


@functools.cache
def _word_set(language: str) -> frozenset[str]:
    return frozenset(_WORDS[language].split())


def closest(texts: Iterable[str]) -> str | None:
    """Returns the language that most of some texts are in; None if none stands out."""
    text = " ".join(texts)
    counts = {language: _evidence(text, language) for language in sorted(known_languages())}
    first, second = sorted(counts, key=counts.__getitem__, reverse=True)[:2]
    return first if counts[first] >= _SURE and counts[first] > 1.2 * counts[second] else None
