"""The entities that a tagger found and those that were expected, read as the primary metric reads them."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

from ftkit.report.content import EvaluatedSplit, ReportContent
from ftkit.report.texts import MAX_TEXT, shorten
from ftkit.tag_schemes import Entity, Scheme, conlleval_entities, recognise, strict_entities

NOTHING = "(no entity)"


def entities_of(content: ReportContent, split: EvaluatedSplit, row: int) -> tuple[list[Entity], list[Entity]]:
    """Returns the expected and the predicted entities of a row."""
    return _read(content, split.references[row]), _read(content, split.predictions[row])


def _read(content: ReportContent, ids: np.ndarray) -> list[Entity]:
    tags = [content.label_names[index] for index in ids]
    if content.primary_metric.startswith("conlleval"):
        return conlleval_entities(tags)
    return strict_entities(tags, _scheme(content.label_names))


@functools.lru_cache(maxsize=1)
def _scheme(label_names: tuple[str, ...]) -> Scheme:
    scheme = recognise([label_names])
    assert scheme is not None, f"tags of no scheme: {label_names}"
    return scheme


def entity_names(words: Sequence[str], entities: Sequence[Entity]) -> str:
    """Returns entities as a text: `New York (LOC); Anna (PER)`."""
    names = (f"{' '.join(words[start:stop])} ({label})" for label, start, stop in entities)
    return shorten("; ".join(names) or NOTHING, MAX_TEXT)


def entity_labels(entities: Sequence[Entity]) -> str:
    """Returns the types of entities alone: `LOC; PER`."""
    return shorten("; ".join(label for label, _, _ in entities) or NOTHING, MAX_TEXT)
