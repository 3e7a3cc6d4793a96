"""Entity precision, recall and F1 as papers report them, by seqeval itself.

Two conventions. Strict counts an entity only where the tags follow their scheme to the letter (seqeval,
`mode="strict"`). The conlleval convention reads an entity also from tags that break the scheme (Tjong Kim Sang and
Buchholz 2000, W00-0726; seqeval's default). Both need type and both borders to be right. Micro pools all entities;
macro is the mean over the types that the references or the predictions hold.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ftkit.tag_schemes import OUTSIDE, PREFIXES, Scheme, parse, strict_entities, tags_of

Sentences = Sequence[Sequence[str]]

_NAMES = {"precision": "precision", "recall": "recall", "f1": "f1-score"}
_AVERAGES = ("micro avg", "macro avg", "weighted avg")


class EntityScores(NamedTuple):
    """What seqeval says of predicted entities.

    Attributes:
        overall: precision, recall, f1 (micro), and the same with `_macro`; what has nothing to divide by is 0.
        per_type: each type that references or predictions hold -> precision, recall, f1 and support.
        support: entities in the references.
    """

    overall: dict[str, float]
    per_type: dict[str, dict[str, float]]
    support: int


def score_entities(references: Sentences, predictions: Sentences, scheme: Scheme | None) -> EntityScores:
    """Scores the entities of sentences.

    Example, strict IOB2: `B-A O B-A I-A` is expected, `I-A O B-A I-A` predicted: precision 1, recall 1/2, F1 2/3. By
    the conlleval convention all three are 1.

    Args:
        references: tags of each sentence.
        predictions: as many, each as long.
        scheme: of the tags, for strict scores; None for the conlleval convention, which is one for all schemes.

    Raises:
        ValueError: not as many predictions as references, or one is longer or shorter.
    """
    from seqeval import scheme as their_schemes
    from seqeval.metrics import classification_report

    if scheme in ("IO", "IOB1"):
        # seqeval has no IO, and its IOB1 misreads what is illegal: in B-A B-A, where no entity may begin, it finds
        # one, and the A that follows I-A in I-A B-A B-B it loses. In IOB2 the entities that are there say so.
        references, predictions = (
            [tags_of(strict_entities(tags, scheme), len(tags), "IOB2") for tags in sentences]
            for sentences in (references, predictions)
        )
        scheme = "IOB2"
    types: dict[str, int] = {}
    expected, predicted = (_spelt(sentences, scheme, types) for sentences in (references, predictions))
    options = {"mode": "strict", "scheme": getattr(their_schemes, scheme)} if scheme else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # without any entity the macro average is that of nothing
        report = classification_report(expected, predicted, output_dict=True, zero_division=0, **options)
    micro, macro, _ = (report.pop(name) for name in _AVERAGES)
    overall = {name: float(micro[key]) for name, key in _NAMES.items()}
    overall |= {f"{name}_macro": float(np.nan_to_num(macro[key])) for name, key in _NAMES.items()}
    labels = list(types)
    per_type = {
        labels[int(number)]: {name: float(row[key]) for name, key in _NAMES.items()} | {"support": int(row["support"])}
        for number, row in report.items()
    }
    return EntityScores(overall, per_type, int(micro["support"]))


def _spelt(sentences: Sentences, scheme: Scheme | None, types: dict[str, int]) -> list[list[str]]:
    """Returns tags that seqeval reads as they are meant: `B-creative-work` is `B-0` if that is the first type.

    Types become numbers, since seqeval's strict mode takes hyphens off their ends: -LRB- would be LRB. Strict, a tag
    without a prefix of the scheme is O. Else it is inside, and L and U are E and S, which are all that seqeval's
    default mode knows.

    Args:
        sentences: tags of each sentence.
        scheme: IOB2, IOBES or BILOU for strict reading, None for the conlleval convention.
        types: type -> its number; new types are added.
    """

    def spelt(tag: str) -> str:
        prefix, label = parse(tag)
        if scheme is None:
            letter = prefix or "I"
        else:
            letter = tag[0] if prefix and tag[0] in PREFIXES[scheme] else OUTSIDE
        return OUTSIDE if letter == OUTSIDE else f"{letter}-{types.setdefault(label, len(types))}"

    spellings = {tag: spelt(tag) for tag in sorted({tag for tags in sentences for tag in tags})}
    # seqeval takes no empty list of sentences.
    return [[spellings[tag] for tag in tags] for tags in sentences] or [[]]
