"""Texts of users within Markdown, Python and shell: shown as they are, never read as markup or code."""

from __future__ import annotations

import json
import re
import shlex
import unicodedata

_SPECIAL = str.maketrans({char: f"\\{char}" for char in "\\`*_[]<>|#$~&"})
# They end a line, steer the terminal, or turn the direction of the text that follows.
_UNSEEN_CATEGORIES = ("Cc", "Zl", "Zp", "Cs")
_DIRECTIONS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# At the start of a line they begin a list, a rule or a heading.
_BLOCK_START = re.compile(r"^((?=[-+=](?:[-+=\s]|$))|\d{1,9}(?=[.)](?:\s|$)))(.)")
# Between letters or digits `_` begins no emphasis, and names such as `card_arrival` stay readable.
_WITHIN_WORD = re.compile(r"(?<=[^\W_])\\_(?=[^\W_])")
_PLAIN = re.compile(r"[\w./:@+=-]+", re.ASCII)


def one_line(text: object) -> str:
    """Returns a text in one line: control characters, line ends and directions become spaces."""
    return "".join(" " if _is_unseen(char) else char for char in str(text))


def markdown_text(text: object) -> str:
    """Returns a text that Markdown shows as it is, also within a table.

    Example: `a|b <i>` becomes `a\\|b \\<i\\>`.
    """
    escaped = one_line(text).strip().translate(_SPECIAL)
    return _BLOCK_START.sub(r"\1\\\2", _WITHIN_WORD.sub("_", escaped))


def code_text(text: object, *, in_table: bool = True) -> str:
    """Returns a name as a code span, or, where a span could not hold it, as plain text.

    Args:
        in_table: a `|` would end the cell, within a span as well.
    """
    name = str(text)
    return f"`{name}`" if _PLAIN.fullmatch(name if in_table else name.replace("|", "/")) else markdown_text(name)


def literal(text: str) -> str:
    """Returns a text as a Python literal of one line that shows every character or its escape.

    Example: `a"b`, a line end and U+202E become `"a\\"b\\n\\u202e"`.
    """
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(char if char.isprintable() else _escaped(char) for char in quoted)


def shell_word(text: str) -> str:
    """Returns a text as one word of bash, in one line."""
    if text.isprintable():
        return shlex.quote(text)
    inner = "".join(char if char.isprintable() and char not in "\\'" else _bash_escaped(char) for char in text)
    return f"$'{inner}'"


def _is_unseen(char: str) -> bool:
    return char in _DIRECTIONS or unicodedata.category(char) in _UNSEEN_CATEGORIES


def _escaped(char: str) -> str:
    code = ord(char)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _bash_escaped(char: str) -> str:
    return f"\\{char}" if char in "\\'" else "".join(f"\\x{byte:02x}" for byte in char.encode("utf-8", "replace"))
