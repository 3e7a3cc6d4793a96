"""Scripts that put no spaces between words: there a character stands for itself where words are counted or masked."""

from __future__ import annotations

import re

RANGES = (
    "\u0e00-\u0eff"  # Thai, Lao
    "\u0f00-\u0fff"  # Tibetan
    "\u1000-\u109f\u1780-\u17ff\u1980-\u19df\u1a20-\u1aaf\ua9e0-\ua9ff\uaa60-\uaa7f"  # Burmese, Khmer, Tai
    "\u3005\u3007\u3040-\u30ff\u31f0-\u31ff\uff66-\uff9f"  # Japanese kana
    "\u3100-\u312f\u31a0-\u31bf"  # Bopomofo
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Chinese characters
)
"""For a class of characters in a regular expression."""

UNSPACED = re.compile(f"[{RANGES}]")
"""One character of a script without spaces. Korean has spaces."""
