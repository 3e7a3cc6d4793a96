"""What the report tells of a tagger: how sure its F1 is, and which entities it missed, made up or mislabelled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ftkit.report.content import EvaluatedSplit, ReportContent
from ftkit.report.tables import MAX_ERROR_ROWS, ErrorRow
from ftkit.report.texts import MISSING, score_text, shorten
from ftkit.tag_schemes import Entity, Scheme, conlleval_entities, recognise, strict_entities

_NUM_DRAWS = 1000
_CONTEXT = 12  # words shown on each side of an entity
_MAX_TEXT = 200
_MAX_LABEL = 60
NOTHING = "(no entity)"


def f1_interval(content: ReportContent, split: EvaluatedSplit, value: float | None) -> tuple[float, float] | None:
    """Returns the 95% interval of the entity F1 over sentences drawn anew: percentile bootstrap, seeded.

    None unless the F1 computed here is the one that was reported.
    """
    if value is None or content.primary_metric not in ("f1", "conlleval_f1"):
        return None
    counts = np.array(
        [
            (len(set(expected) & set(found)), len(found) + len(expected))
            for _, expected, found in _entities(content, split)
        ]
    ).reshape(-1, 2)
    if abs(_f1(counts.sum(axis=0)) - value) > 1e-6:
        return None
    generator = np.random.default_rng(0)
    draws = [_f1(counts[generator.integers(len(counts), size=len(counts))].sum(axis=0)) for _ in range(_NUM_DRAWS)]
    low, high = np.quantile(draws, (0.025, 0.975))
    return float(low), float(high)


def _f1(counts: np.ndarray) -> float:
    hits, predicted_and_expected = counts
    return float(2 * hits / predicted_and_expected) if predicted_and_expected else 0.0


def _entities(content: ReportContent, split: EvaluatedSplit) -> Iterator[tuple[int, list[Entity], list[Entity]]]:
    """Yields row, expected and predicted entities of each sentence, read as the primary metric reads them."""
    scheme = recognise([content.label_names])
    assert scheme is not None
    for row, (expected, predicted) in enumerate(zip(split.references, split.predictions, strict=True)):
        tags = ([content.label_names[index] for index in ids] for ids in (expected, predicted))
        one, other = (_read(content, names, scheme) for names in tags)
        yield row, one, other


def _read(content: ReportContent, tags: Sequence[str], scheme: Scheme) -> list[Entity]:
    is_lenient = content.primary_metric.startswith("conlleval")
    return conlleval_entities(tags) if is_lenient else strict_entities(tags, scheme)


def entity_errors(content: ReportContent, split: EvaluatedSplit) -> tuple[int, list[ErrorRow]]:
    """Returns how many entities are wrong, and the wrong ones of which the model was surest.

    A predicted entity that is not expected is shown with the expected ones that it touches; an expected one that
    no prediction touches was missed.
    """
    found: list[tuple[float, int, list[Entity], list[Entity]]] = []
    for row, expected, predicted in _entities(content, split):
        for entity in predicted:
            if entity not in expected:
                touched = [other for other in expected if _touch(entity, other)]
                found.append((_confidence(split, row, entity), row, touched, [entity]))
        for entity in expected:
            if not any(_touch(entity, other) for other in predicted):
                found.append((_confidence(split, row, entity), row, [entity], []))
    found.sort(key=lambda error: -error[0])
    return len(found), [_error_row(split, *error) for error in found[:MAX_ERROR_ROWS]]


def _touch(one: Entity, other: Entity) -> bool:
    return one.start < other.stop and other.start < one.stop


def _confidence(split: EvaluatedSplit, row: int, entity: Entity) -> float:
    """Returns the mean probability of what was predicted for the entity's words."""
    if split.confidences is None:
        return 0.0
    return float(np.nan_to_num(split.confidences[row][entity.start : entity.stop].mean()))


def _error_row(
    split: EvaluatedSplit, confidence: float, row: int, expected: list[Entity], predicted: list[Entity]
) -> ErrorRow:
    example = split.split.examples[row]
    start = min(entity.start for entity in (*expected, *predicted))
    stop = max(entity.stop for entity in (*expected, *predicted))
    words = example.words[max(0, start - _CONTEXT) : stop + _CONTEXT]
    text = " ".join([*(["…"] if start > _CONTEXT else []), *words])
    return ErrorRow(
        line=example.line,
        id=shorten(example.id, _MAX_LABEL),
        text=shorten(text, _MAX_TEXT),
        text_pair=None,
        expected=_names(example.words, expected),
        predicted=_names(example.words, predicted),
        weight=MISSING if split.confidences is None else score_text(confidence),
        expected_labels=_labels(expected),
        predicted_labels=_labels(predicted),
    )


def answer_texts(content: ReportContent, split: EvaluatedSplit, row: int) -> tuple[str, str]:
    """Returns the expected and the predicted entities of one row as texts."""
    words, scheme = split.split.examples[row].words, recognise([content.label_names])
    assert scheme is not None
    tags = ([content.label_names[index] for index in ids[row]] for ids in (split.references, split.predictions))
    expected, predicted = (_names(words, _read(content, names, scheme)) for names in tags)
    return expected, predicted


def _labels(entities: Sequence[Entity]) -> str:
    return shorten("; ".join(label for label, _, _ in entities) or NOTHING, _MAX_TEXT)


def _names(words: Sequence[str], entities: Sequence[Entity]) -> str:
    names = (f"{' '.join(words[start:stop])} ({label})" for label, start, stop in entities)
    return shorten("; ".join(names) or NOTHING, _MAX_TEXT)
