"""Cuts a text into words whose borders are fine enough for any labelled span."""

from __future__ import annotations

import unicodedata

# Scripts written without spaces: each character is a word, as in BERT's tokenizer for Chinese.
_UNSPACED = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x3040, 0x30FF),  # Hiragana, Katakana
    (0x3400, 0x4DBF),  # CJK, extension A
    (0x4E00, 0x9FFF),  # CJK
    (0xF900, 0xFAFF),  # CJK compatibility
    (0x20000, 0x3FFFF),  # CJK, further extensions
)
_JOINER = "\u200d"  # makes one emoji of two
_SKIN_TONES = range(0x1F3FB, 0x1F400)
_FLAG_LETTERS = range(0x1F1E6, 0x1F200)
_TAG_CHARACTERS = range(0xE0020, 0xE0080)


def word_offsets(text: str) -> list[tuple[int, int]]:
    """Returns where each word of a text begins and ends, in characters; what is left out is white space.

    Runs of letters and digits are words; every other character is one of its own. A combining mark belongs to the
    character before it, and so do the parts of an emoji.

    Example: `Café (ESB), isn't it?` is Café, (, ESB, ), `,`, isn, ', t, it, ?.
    """
    offsets: list[tuple[int, int]] = []
    end, in_run = 0, False
    for position, character in enumerate(text):
        if character.isspace():
            in_run = False
            continue
        touches = bool(offsets) and end == position
        is_run = character.isalnum() and not _is_unspaced(character)
        if touches and (_extends(text, position) or (is_run and in_run)):
            offsets[-1] = (offsets[-1][0], position + 1)
        else:
            offsets.append((position, position + 1))
            in_run = is_run
        end = position + 1
    return offsets


def _extends(text: str, position: int) -> bool:
    """Tells whether a character belongs to the one before it, whatever that is."""
    code, before = ord(text[position]), text[position - 1]
    if unicodedata.category(text[position]) in ("Mn", "Mc", "Me") or text[position] == _JOINER or before == _JOINER:
        return True
    if code in _FLAG_LETTERS:
        return _num_flag_letters_before(text, position) % 2 == 1
    return code in _SKIN_TONES or code in _TAG_CHARACTERS


def _num_flag_letters_before(text: str, position: int) -> int:
    start = position
    while start > 0 and ord(text[start - 1]) in _FLAG_LETTERS:
        start -= 1
    return position - start


def _is_unspaced(character: str) -> bool:
    code = ord(character)
    return code >= 0x0E00 and any(first <= code <= last for first, last in _UNSPACED)
