"""Tag schemes: each says the same entities, and what is legal in it."""

from __future__ import annotations

import random
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities
from seqeval.scheme import BILOU, IOB2, IOBES, Entities

from ftkit.tag_schemes import (
    PREFIXES,
    SCHEMES,
    Entity,
    Scheme,
    conlleval_entities,
    illegal_positions,
    parse,
    recognise,
    strict_entities,
    tag_names,
    tags_of,
)

SENTENCE = {
    "IO": "I-PER O I-PER I-PER O I-LOC",
    "IOB1": "I-PER O I-PER I-PER O I-LOC",
    "IOB2": "B-PER O B-PER I-PER O B-LOC",
    "IOBES": "S-PER O B-PER E-PER O S-LOC",
    "BILOU": "U-PER O B-PER L-PER O U-LOC",
}
ENTITIES = [Entity("PER", 0, 1), Entity("PER", 2, 4), Entity("LOC", 5, 6)]
TOUCHING = {
    "IO": "I-PER I-PER I-PER",
    "IOB1": "I-PER I-PER B-PER",
    "IOB2": "B-PER I-PER B-PER",
    "IOBES": "B-PER E-PER S-PER",
    "BILOU": "B-PER L-PER U-PER",
}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_documented_table(scheme: Scheme) -> None:
    tags = SENTENCE[scheme].split()
    assert tags_of(ENTITIES, 6, scheme) == tags
    assert strict_entities(tags, scheme) == conlleval_entities(tags) == ENTITIES
    assert illegal_positions(tags, scheme) == []
    assert tags_of([Entity("PER", 0, 2), Entity("PER", 2, 3)], 3, scheme) == TOUCHING[scheme].split()


@st.composite
def sentences(draw: st.DrawFn) -> tuple[int, list[Entity]]:
    lengths = draw(st.lists(st.tuples(st.integers(1, 4), st.sampled_from(["", "PER", "creative-work"])), max_size=8))
    entities, place = [], 0
    for length, label in lengths:
        if label:
            entities.append(Entity(label, place, place + length))
        place += length
    return place, entities


@pytest.mark.parametrize("scheme", [scheme for scheme in SCHEMES if scheme != "IO"])
@given(sentence=sentences())
def test_entities_to_tags_and_back_is_the_identity(scheme: Scheme, sentence: tuple[int, list[Entity]]) -> None:
    num_words, entities = sentence
    tags = tags_of(entities, num_words, scheme)
    assert strict_entities(tags, scheme) == entities
    assert conlleval_entities(tags) == entities
    assert illegal_positions(tags, scheme) == []
    assert set(tags) <= set(tag_names({entity.label for entity in entities}, scheme))


@pytest.mark.parametrize(("scheme", "theirs"), [("IOB2", IOB2), ("IOBES", IOBES), ("BILOU", BILOU)])
def test_equals_seqeval_on_thousands_of_random_sequences(scheme: Scheme, theirs: type) -> None:
    generator = random.Random(0)
    alphabet = tag_names(("A", "B-c"), scheme)
    for _ in range(4000):
        tags = [generator.choice(alphabet) for _ in range(generator.randint(1, 9))]
        (expected,) = Entities([tags], theirs).entities
        assert strict_entities(tags, scheme) == [(entity.tag, entity.start, entity.end) for entity in expected]
        if scheme != "BILOU":  # whose L and U seqeval's default does not know
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                lenient = get_entities(tags)
            assert conlleval_entities(tags) == [(label, start, last + 1) for label, start, last in lenient]


@pytest.mark.parametrize(
    ("tags", "scheme", "wrong"),
    [
        ("O I-PER", "IOB2", [1]),
        ("B-PER I-LOC", "IOB2", [1]),
        ("B-PER B-LOC", "IOB1", [0, 1]),
        ("I-PER B-PER", "IOB1", []),
        ("B-PER O", "IOBES", [1]),
        ("O B-PER", "IOBES", [1]),
        ("B-PER E-LOC", "IOBES", [1]),
        ("L-PER", "BILOU", [0]),
        ("E-PER", "IOB2", [0]),
        ("PER", "IOB2", [0]),
        ("B-PER", "IO", [0]),
    ],
)
def test_what_breaks_a_scheme(tags: str, scheme: Scheme, wrong: list[int]) -> None:
    assert illegal_positions(tags.split(), scheme) == wrong


@pytest.mark.parametrize(
    ("tags", "scheme"),
    [
        *((sentence, scheme) for scheme, sentence in SENTENCE.items() if scheme != "IOB1"),
        ("I-PER B-PER O I-LOC", "IOB1"),
        ("B-PER I-PER O I-LOC", "IOB2"),  # one break of IOB2, one of IOB1
        ("B-PER O B-LOC I-LOC O I-PER", "IOB2"),
        ("PER O LOC", "IO"),
        ("O O", "IOB2"),
        ("B-PER PER", None),
        ("B-PER E-PER L-PER", None),
        ("B I O", "IOB2"),
    ],
)
def test_recognition(tags: str, scheme: Scheme | None) -> None:
    assert recognise([tags.split()]) == scheme


def test_parts_of_a_tag() -> None:
    assert parse("B-creative-work") == ("B", "creative-work")
    assert parse("U-PER") == ("S", "PER")
    assert parse("B") == ("B", "_")
    assert parse("art-film") == ("", "art-film")
    assert parse("O") == ("O", "")


def test_every_prefix_is_known() -> None:
    assert {letter for letters in PREFIXES.values() for letter in letters} == set("BIESLU")
