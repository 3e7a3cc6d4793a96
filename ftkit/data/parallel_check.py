"""Checks parallel texts before anything is trained: every problem names its lines and the fix."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

from ftkit.data.hashes import hash_of
from ftkit.data.language_guess import base_language, closest, is_rather
from ftkit.data.problems import Problems
from ftkit.types import Split, TextToTextExample

MANY = 0.5
"""From this share of rows on, a whole column is wrong and not some lines."""

WORDS_OF_A_SENTENCE = 4
"""Names, numbers and single words are often the same in two languages; sentences are not."""

_SAMPLE = 200


class PairWords(NamedTuple):
    """What messages call the sides of a pair, and say to do about them."""

    source: str = "source"
    target: str = "target"
    fill_in: str = "fill in the text, or delete the row; of two files, the line in both"
    write_anew: str = "translate or delete them; the model learns to copy"


TRANSLATED = PairWords()


def check_pairs(
    splits: Mapping[str, Split], source_lang: str | None, target_lang: str | None, problems: Problems
) -> None:
    """Reports empty and identical sides, columns in the wrong language, and pairs that leak.

    Args:
        splits: of `TextToTextExample`; rows without a target are left alone.
        source_lang: as the config spells it; languages that are not known are not checked.
    """
    for split in splits.values():
        check_empty(split, problems)
        check_identical(split, problems)
        check_languages(split, source_lang, target_lang, problems)
    train = splits.get("train")
    if train is not None:
        check_leaks(train, [split for split in splits.values() if split is not train], problems)


def check_empty(split: Split, problems: Problems, words: PairWords = TRANSLATED) -> None:
    """A pair of which one side is empty teaches the model to say nothing; of no source there is no translation.

    An empty reference can be scored: whatever is written for it is too much.
    """
    for example in split.examples:
        for side, text in ((words.source, example.source), (words.target, example.target)):
            if text is None or text.strip():
                continue
            message = f"{split.name}: the {side} is empty"
            if side == words.target and split.name == "test":
                problems.warn(f"{message}, and is scored as such", where=split.where(example), remedy=words.fill_in)
            else:
                problems.error(message, where=split.where(example), remedy=words.fill_in)


def check_identical(split: Split, problems: Problems, words: PairWords = TRANSLATED) -> None:
    """A source that was copied instead of translated teaches the model to copy."""
    said = f"{split.name}: {words.source} and {words.target} are identical"
    same = [
        example
        for example in split.examples
        if example.target is not None
        and example.source.strip() == example.target.strip()
        and len(example.source.split()) >= WORDS_OF_A_SENTENCE
    ]
    if same and len(same) >= MANY * len(split):
        problems.error(
            f"{said} in {len(same):,} of {len(split):,} rows",
            where=split.where(same[0]),
            remedy="check that data names two different files or columns",
        )
        return
    for example in same:
        problems.warn(said, where=split.where(example), remedy=words.write_anew)


def check_languages(split: Split, source_lang: str | None, target_lang: str | None, problems: Problems) -> None:
    """Reports sides that are in the other side's language: swapped columns, or single lines."""
    source, target = base_language(source_lang), base_language(target_lang)
    if source is None or target is None or source == target:
        return
    sides = {
        "source": [row for row in split.examples if is_rather(row.source, target, source)],
        "target": [row for row in split.examples if row.target and is_rather(row.target, source, target)],
    }
    if split.examples and all(len(rows) >= MANY * len(split) for rows in sides.values()):
        problems.error(
            f"{split.name}: source and target are swapped: sources are in {target_lang}, targets in {source_lang}",
            where=split.where(sides["source"][0]),
            remedy="swap them in data, or swap data.source_lang and data.target_lang",
        )
        return
    for side, language, wrong in (("source", source_lang, target_lang), ("target", target_lang, source_lang)):
        if not _is_another_language(split, side, str(language), problems):
            _report(split, side, str(language), str(wrong), sides[side], problems)


def _report(
    split: Split, side: str, language: str, wrong: str, rows: Sequence[TextToTextExample], problems: Problems
) -> None:
    report = problems.error if len(rows) >= MANY * len(split) else problems.warn
    for row in rows:
        report(
            f"{split.name}: the {side} is in {wrong}, not in {language}",
            where=split.where(row),
            remedy="translate or delete these lines; if it is the whole column, check data and the languages",
        )


def _is_another_language(split: Split, side: str, language: str, problems: Problems) -> bool:
    """Reports a column in a third language."""
    texts = [text for row in islice(split.examples, _SAMPLE) if (text := getattr(row, side))]
    found, expected = closest(texts), base_language(language)
    if found is None or expected is None or found == expected:
        return False
    if sum(is_rather(text, found, expected) for text in texts) < MANY * len(texts):
        return False
    problems.error(
        f"{split.name}: the {side}s look like {found}, not like {language}",
        where=split.where(split.examples[0]),
        remedy=f"check data and data.{side}_lang",
        kind=f"{split.name}: {side} language",
    )
    return True


def check_leaks(train: Split, others: Sequence[Split], problems: Problems) -> None:
    """A pair that is both trained on and scored makes the score too good."""
    for split in others:
        scored = {pair for example in split.examples for pair in _pair_hashes(example)}
        seen = {pair for example in train.examples for pair in _pair_hashes(example) if pair in scored}
        shared = [example for example in split.examples if not seen.isdisjoint(_pair_hashes(example))]
        if shared:
            problems.warn(
                f"leak: {len(shared):,} of {len(split):,} pairs of {split.name} are also in train, word for word",
                where=split.where(shared[0]),
                remedy=f"remove them from train or from {split.name}; its scores are too good with them",
            )


def _pair_hashes(example: TextToTextExample) -> Iterator[int]:
    return (hash_of((example.source, target)) for target in example.targets)
