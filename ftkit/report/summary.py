"""The end of a run on the screen: what a person needs to know, read in ten seconds."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ftkit.report.content import OF_POSITIVE_LABEL
from ftkit.report.saved import Card
from ftkit.report.texts import MAX_LABEL, shorten
from ftkit.report.usage.usage import find_usage

MAX_SHOWN = 90
MAX_TYPED = 60
"""Characters of an example that is shown, and of one in a command that a person may type."""


def shown_example(card: Card) -> dict[str, str] | None:
    """Returns the card's example as the summary shows it: `text`, `expected`, `predicted` and `arguments`."""
    example = card.example
    if example is None:
        return None
    typed = example.model_copy(update={"quotes": tuple(_typed(quote) for quote in example.quotes)})
    return {
        "text": " ".join(example.quotes),
        "expected": example.expected,
        "predicted": example.predicted,
        "arguments": find_usage(card.recipe.usage).arguments(card.model_copy(update={"example": typed})),
    }


def _typed(quote: str) -> str:
    return shorten(quote, MAX_TYPED).rstrip("…")


def summary(
    output_dir: Path, results: Mapping[str, Any], primary_metric: str, example: Mapping[str, Any] | None
) -> str:
    """Returns the summary of a finished run as text.

    Args:
        results: what `all_results.json` holds.
        primary_metric: without a prefix, such as `accuracy`.
        example: `text`, `expected` and `predicted` of one row, and the `arguments` by which `ftkit predict RUN` is
            given it; None without any.
    """
    lines = [""]
    for prefix, title in (("test", "test"), ("eval", "validation")):
        score = results.get(f"{prefix}_{primary_metric}")
        if score is not None:
            name, others = _named(results, primary_metric), _others(results, prefix, primary_metric)
            lines.append(f"  {title:<11}{name} {score:.4f}{others}, {results[f'{prefix}_samples']:,} rows")
    lines.append(
        f"  {'training':<11}{results['train_samples']:,} rows, {results['num_steps']:,} steps, "
        f"{results['train_runtime']:.0f} s, {_rate(results['train_samples_per_second'])} rows/s"
    )
    lines += [f"  {'':<11}{name}: {text}" for name, text in results.get("counted", {}).items()]
    lines += _adapter_line(results)
    lines += [f"  {'warning':<11}{warning}" for warning in results.get("training_warnings", [])]
    proof = results.get("proof")
    if proof:
        lines.append(f"  {'proof':<11}reloaded from disk, {proof['rows']} predictions reproduced")
    if example is not None:
        lines.append(f"  {'example':<11}{shorten(example['text'], MAX_SHOWN)!r}")
        lines.append(f"  {'':<11}predicted {example['predicted']!r}, expected {example['expected']!r}")
    folder = shlex.quote(str(output_dir))
    lines.append(f"  {'run':<11}{output_dir} (open {output_dir / 'report.html'})")
    lines.append(f"  {'try next':<11}ftkit predict {folder} {example['arguments'] if example else '--input FILE'}")
    return "\n".join(lines) + "\n"


def _rate(rows_per_second: float) -> str:
    """Returns a rate with two digits at least: 0.061, 5.2, 148."""
    return f"{rows_per_second:.0f}" if rows_per_second >= 10 else f"{rows_per_second:.2g}"


def _named(results: Mapping[str, Any], metric: str) -> str:
    """Returns a metric's key with the label that it is of: `f1 of 'yes'`."""
    label = results.get("positive_label")
    return metric if label is None or metric not in OF_POSITIVE_LABEL else f"{metric} of {shorten(label, MAX_LABEL)!r}"


def _adapter_line(results: Mapping[str, Any]) -> list[str]:
    """Returns what of the model was trained and how large it is on disk, where that is not all of it."""
    trained, total = results.get("num_trainable_parameters"), results.get("num_parameters")
    if not trained or trained == total:
        return []
    size = f"{results['saved_megabytes']:.1f} MB" if "saved_megabytes" in results else "little"
    return [f"  {'adapter':<11}{trained:,} of {total:,} parameters trained ({trained / total:.2%}), {size} on disk"]


def _others(results: Mapping[str, Any], prefix: str, primary_metric: str) -> str:
    names = [name for name in ("accuracy", "f1_macro", "spearman", "rmse") if name != primary_metric]
    found = [
        f"{name} {results[key]:.4f}" for name in names if isinstance(results.get(key := f"{prefix}_{name}"), float)
    ]
    return f" ({', '.join(found)})" if found else ""
