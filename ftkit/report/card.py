"""README.md: the model card of a run, with the metadata that the Hub reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ftkit.data.files import atomic_write_text
from ftkit.report.card_metadata import front_matter, language_codes, metrics, results
from ftkit.report.config_text import read_config
from ftkit.report.content import ReportContent, number, shown_checkpoint
from ftkit.report.page import data_rows, score_table
from ftkit.report.readings.reading import find_reading, named_labels
from ftkit.report.saved import Card
from ftkit.report.template import render
from ftkit.report.texts import (
    count_text,
    duration_text,
    flat_texts,
    score_text,
    shorten,
    value_text,
    without_paths,
)
from ftkit.report.usage.commands import predict_commands, python_code, repeat_commands
from ftkit.report.usage.usage import Usage, find_usage
from ftkit.report.values import plain

_LANGUAGE_KEYS = ("language", "source_lang", "target_lang")  # of `data`, where a kind has them
_MAX_LABELS = 100
_MAX_LABEL = 80
_MAX_EXAMPLE = 280  # characters: a reader takes it in at a glance
_MAX_SEARCH = 200  # rows that are looked at for a short one


def write_card(path: str | Path, content: ReportContent) -> None:
    """Writes the model card of a run: YAML metadata for the Hub, then text for people.

    It holds no absolute path: of a file its base name, of a local checkpoint nothing in the metadata. Equal
    content gives equal bytes.

    Raises:
        UserError: the file cannot be written.
    """
    atomic_write_text(path, card_text(content.title, card_values(content), name=content.title))


def card_text(
    title: str,
    card: Card,
    *,
    name: str,
    is_folder: bool = True,
    texts_at_home: bool = False,
) -> str:
    """Returns README.md.

    Args:
        name: what the code of the card loads: the run's folder, or its repository.
        is_folder: which of them.
        texts_at_home: the users' texts were left out.
    """
    usage = find_usage(card.recipe.usage)
    return render(
        f"cards/{find_reading(card.facts.reading).template}",
        metadata=front_matter(card, title),
        title=title,
        card=card,
        name=name,
        is_folder=is_folder,
        texts_at_home=texts_at_home,
        code=python_code(card, name, is_folder=is_folder),
        usage_note=usage.note(card),
        is_plain=usage.is_plain,
        commands=predict_commands(card, name),
        repeat=repeat_commands(card, name, is_folder=is_folder),
    )


def card_values(content: ReportContent, notes: Sequence[str] = ()) -> Card:
    """Returns what the card says.

    Args:
        notes: sentences that put the headline into proportion.
    """
    config, found = read_config(content.config_yaml), content.results
    data = config.get("data") or {}
    reading, labels = find_reading(content.reading), named_labels(content)
    scores = score_table(content)
    datasets = dict.fromkeys(source["hub"] for source in content.datasets_on_hub.values())
    values = {
        "kind": content.kind,
        "pipeline_tag": content.pipeline_tag,
        "problem_type": content.problem_type,
        "input_name": content.input_name,
        "family": content.family,
        "base": _base(content, config),
        "method": (config.get("tuner") or {}).get("method", "full"),
        "recipe": content.recipe.model_dump(),
        "facts": {"reading": content.reading, **reading.fact_values(content)},
        "languages": language_codes(*(data.get(key) for key in _LANGUAGE_KEYS)),
        "headline": _headline(content),
        "headline_notes": notes,
        "labels": [shorten(name, _MAX_LABEL) for name in labels[:_MAX_LABELS]],
        "num_labels": len(labels),
        "splits": scores["splits"],
        "scores": scores["rows"],
        "data": data_rows(content),
        "procedure": dict(_procedure(content, config)),
        "warnings": [without_paths(warning) for warning in content.warnings],
        "environment": flat_texts(found.get("environment") or {}),
        "proof": _proof(content),
        "example": _example(content),
        "reads_pairs": _reads_pairs(content),
        "datasets": list(datasets),
        "metrics": metrics(content),
        "results": list(results(content)),
    }
    return Card.model_validate(plain(values))


def _base(content: ReportContent, config: dict[str, Any]) -> dict[str, Any]:
    decoder = content.decoder_on_hub or (None if content.decoder is None else shown_checkpoint(content.decoder))
    return {
        "name": content.checkpoint_name,
        "on_hub": content.base_on_hub,
        "revision": (config.get("model") or {}).get("revision"),
        "decoder": decoder,
        "decoder_on_hub": content.decoder_on_hub,
    }


def _headline(content: ReportContent) -> str | None:
    """Returns the end of a sentence: `Accuracy 0.9231 on test (3,080 rows)`."""
    split = content.headline
    if split is None:
        return None
    value = score_text(content.score(split, content.primary_metric))
    conditions = find_reading(content.reading).conditions(content, split)
    rows = ", ".join([f"{count_text(len(split))} rows", *([conditions] if conditions else [])])
    return f"{content.metric_name(content.primary_metric)} {value} on {split.name} ({rows})"


def _reads_pairs(content: ReportContent) -> bool:
    split = content.headline
    return split is not None and len(find_usage(content.recipe.usage).quotes(split.split.examples[0])) > 1


def _procedure(content: ReportContent, config: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yields hyperparameters as the config names them, then what the training took."""
    tuner = config.get("tuner") or {}
    yield from ((f"tuner.{key}", value_text(value)) for key, value in tuner.items())
    train = config.get("train") or {}
    yield from ((f"train.{key}", value_text(value)) for key, value in train.items())
    data = config.get("data") or {}
    for key in ("max_length", "prompt_template"):
        if data.get(key) is not None:
            yield f"data.{key}", value_text(data[key])
    found = content.results
    yield "optimizer steps", count_text(number(found.get("num_steps")))
    yield "trained parameters", count_text(number(found.get("num_trainable_parameters")))
    yield "training time", duration_text(number(found.get("train_runtime")))
    if "seed" not in train:
        yield "seed", value_text(found.get("seed"))


def _proof(content: ReportContent) -> str | None:
    """Returns the largest difference that the proof found, as a text."""
    difference = number((content.results.get("proof") or {}).get("max_difference"))
    return None if difference is None else f"{difference:.2g}"


# --- the example --------------------------------------------------------------------------------------------


def _example(content: ReportContent) -> dict[str, Any] | None:
    """Returns a row of the last split with predictions: the first one that is short, else the first one, cut."""
    with_rows = [split for split in content.evaluated if len(split.predictions)]
    if not with_rows:
        return None
    split, reading = with_rows[-1], find_reading(content.reading)
    examples = split.predicted_examples[:_MAX_SEARCH]
    row = next((row for row, example in enumerate(examples) if 0 < len(example.summary()) <= _MAX_EXAMPLE), 0)
    expected, predicted = reading.answers(content, split, row)
    return {
        "split": split.name,
        "id": shorten(examples[row].id, _MAX_LABEL),
        **_inputs(find_usage(content.recipe.usage), examples[row]),
        "expected": shorten(expected, _MAX_EXAMPLE),
        "predicted": shorten(predicted, _MAX_EXAMPLE),
        "answers_hold_texts": reading.answers_hold_texts,
    }


def _inputs(usage: Usage, example: Any) -> dict[str, Any]:
    """Returns what a reader and the code get of an example: all of it, or its beginning where it is long."""
    whole = example.summary()
    if len(whole) <= _MAX_EXAMPLE:
        return {"quotes": usage.quotes(example), "inputs": usage.inputs(example), "is_cut": False}
    first, *others = usage.inputs(example)
    inputs = [shorten(first, _MAX_EXAMPLE)]
    while others and sum(map(len, inputs)) + len(others[0]) <= _MAX_EXAMPLE:
        inputs.append(others.pop(0))
    return {"quotes": [shorten(whole, _MAX_EXAMPLE)], "inputs": inputs, "is_cut": True}
