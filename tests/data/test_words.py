import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftkit.data.words import word_offsets


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Café (ESB), isn't it?", ["Café", "(", "ESB", ")", ",", "isn", "'", "t", "it", "?"]),
        ("e\u0301te\u0301 co-op", ["e\u0301te\u0301", "co", "-", "op"]),
        ("👩\u200d👩\u200d👧 👍🏽! 🇩🇪🇫🇷", ["👩\u200d👩\u200d👧", "👍🏽", "!", "🇩🇪", "🇫🇷"]),
        ("我爱北京", ["我", "爱", "北", "京"]),
        ("שלום עולם", ["שלום", "עולם"]),
        ("हिन्दी", ["हिन्दी"]),
        ("", []),
        (" \t\n", []),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert [text[start:end] for start, end in word_offsets(text)] == words


@given(st.text())
def test_only_white_space_is_left_out(text: str) -> None:
    offsets = word_offsets(text)
    assert offsets == sorted(offsets)
    covered = {position for start, end in offsets for position in range(start, end)}
    assert len(covered) == sum(end - start for start, end in offsets)
    assert all(text[position].isspace() for position in range(len(text)) if position not in covered)
    assert not any(text[position].isspace() for position in covered)
