"""The end of a run on the screen: what a person needs to know, read in ten seconds."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

TEXT_SHOWN = 90


def summary(
    output_dir: Path, results: Mapping[str, Any], primary_metric: str, example: Mapping[str, Any] | None
) -> str:
    """Returns the summary of a finished run as text.

    Args:
        results: what `all_results.json` holds.
        primary_metric: without a prefix, such as `accuracy`.
        example: `text`, `expected` and `predicted` of one row, or None.
    """
    lines = [""]
    for prefix, title in (("test", "test"), ("eval", "validation")):
        score = results.get(f"{prefix}_{primary_metric}")
        if score is not None:
            others = _others(results, prefix, primary_metric)
            lines.append(f"  {title:<11}{primary_metric} {score:.4f}{others}, {results[f'{prefix}_samples']:,} rows")
    lines.append(
        f"  {'training':<11}{results['train_samples']:,} rows, {results['num_steps']:,} steps, "
        f"{results['train_runtime']:.0f} s, {results['train_samples_per_second']:.0f} rows/s"
    )
    lines += _adapter_line(results)
    proof = results.get("proof")
    if proof:
        lines.append(f"  {'proof':<11}reloaded from disk, {proof['rows']} predictions reproduced")
    if example is not None:
        text = " ".join(str(example["text"]).split())
        shown = text if len(text) <= TEXT_SHOWN else text[: TEXT_SHOWN - 1] + "…"
        lines.append(f"  {'example':<11}{shown!r}")
        lines.append(f"  {'':<11}predicted {example['predicted']!r}, expected {example['expected']!r}")
    folder = shlex.quote(str(output_dir))
    lines.append(f"  {'run':<11}{output_dir} (open {output_dir / 'report.html'})")
    lines.append(f'  {"try next":<11}ftkit predict {folder} --text "{_hint(example)}"')
    return "\n".join(lines) + "\n"


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


def _hint(example: Mapping[str, Any] | None) -> str:
    words = str(example["text"]).split() if example else ["..."]
    text = textwrap.shorten(" ".join(words), width=60, placeholder="") or words[0][:60]
    return text.replace("\\", "").replace('"', "'").replace("$", "").replace("`", "'")
