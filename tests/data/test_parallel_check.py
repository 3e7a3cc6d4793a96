"""What is checked in parallel text: every problem with its lines."""

from __future__ import annotations

import pytest

from ftkit.data.language_guess import base_language, is_rather
from ftkit.data.parallel_check import check_pairs
from ftkit.data.problems import Problems
from ftkit.errors import DataError
from ftkit.types import Split, TextToTextExample

ENGLISH = [
    "A dog is in the house.",
    "The man and the woman are at the table.",
    "This is not for the children.",
    "They have been to the sea with a boat.",
    "Two men are on the street and it is cold.",
    "The child was in the garden with his ball.",
]
GERMAN = [
    "Ein Hund ist in dem Haus.",
    "Der Mann und die Frau sind an dem Tisch.",
    "Das ist nicht für die Kinder.",
    "Sie sind mit einem Boot auf dem Meer.",
    "Zwei Männer sind auf der Straße und es ist kalt.",
    "Das Kind war mit einem Ball in dem Garten.",
]
FRENCH = [
    "Un chien est dans la maison.",
    "Le garçon et la fille sont sur le pont.",
    "Ce n'est pas pour les enfants.",
    "Il est avec une femme dans le jardin.",
    "Deux hommes sont sur la plage et il pleut.",
    "Elle est sur le banc avec des fleurs.",
]


def make_split(sources: list[str], targets: list[str], name: str = "train") -> Split:
    pairs = enumerate(zip(sources, targets, strict=True))
    return Split(name, "pairs.tsv", [TextToTextExample(n, *pair, line=n + 1) for n, pair in pairs])


def check(*splits: Split, source_lang: str = "en", target_lang: str = "de") -> list[str]:
    """Returns warnings; raises errors."""
    problems = Problems()
    check_pairs({split.name: split for split in splits}, source_lang, target_lang, problems)
    problems.raise_if_any()
    return problems.warnings


def test_right_pairs_pass() -> None:
    assert check(make_split(ENGLISH, GERMAN)) == []
    assert check(make_split(ENGLISH, GERMAN), source_lang="eng_Latn", target_lang="de_DE") == []


@pytest.mark.parametrize("side", [0, 1])
def test_empty_sides_are_named_with_their_lines(side: int) -> None:
    columns = [list(ENGLISH), list(GERMAN)]
    columns[side][2] = columns[side][4] = " "
    with pytest.raises(DataError, match=r"is empty \(2 times\)\n   at pairs.tsv, line 3; pairs.tsv, line 5\n   fix: "):
        check(make_split(*columns))


def test_an_empty_reference_can_be_scored() -> None:
    (warning,) = check(make_split([*ENGLISH, "a"], [*GERMAN, ""], name="test"))
    assert "test: the target is empty, and is scored as such; at pairs.tsv, line 7" in warning


def test_identical_sides() -> None:
    copied = [*GERMAN[:3], "The HRW 2012 report: page 7", *GERMAN[4:]]
    sources = [*ENGLISH[:3], "The HRW 2012 report: page 7", *ENGLISH[4:]]
    (warning,) = check(make_split(sources, copied))
    assert "identical; at pairs.tsv, line 4" in warning
    assert check(make_split([*ENGLISH, "Berlin 1990"], [*GERMAN, "Berlin 1990"])) == []
    with pytest.raises(DataError, match="identical in 6 of 6 rows"):
        check(make_split(GERMAN, GERMAN))


def test_swapped_columns() -> None:
    with pytest.raises(DataError, match=r"swapped: sources are in de, targets in en\n   at pairs.tsv, line 1"):
        check(make_split(GERMAN, ENGLISH))


def test_lines_in_the_wrong_language() -> None:
    targets = [*GERMAN[:4], ENGLISH[5], GERMAN[5]]
    (warning,) = check(make_split(ENGLISH, targets))
    assert "the target is in en, not in de; at pairs.tsv, line 5" in warning


def test_a_column_in_a_third_language() -> None:
    with pytest.raises(DataError, match="the targets look like fr, not like de"):
        check(make_split(ENGLISH, FRENCH))


def test_leaks() -> None:
    warnings = check(make_split(ENGLISH, GERMAN), make_split(ENGLISH[:2], GERMAN[:2], "test"))
    assert any("leak: 2 of 2 pairs of test" in warning for warning in warnings)


@pytest.mark.parametrize(
    ("code", "base"), [("en", "en"), ("en_XX", "en"), ("eng_Latn", "en"), ("pt-BR", "pt"), ("xx", None), (None, None)]
)
def test_language_codes(code: str | None, base: str | None) -> None:
    assert base_language(code) == base


def test_scripts() -> None:
    assert is_rather("Собака в доме", "ru", "en")
    assert is_rather("犬が家にいます", "ja", "en")
    assert not is_rather("Berlin", "de", "en")
