"""How values are written for people: numbers, durations, short texts, and no path of the machine."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PureWindowsPath
from typing import Any

import numpy as np

from ftkit.metrics.simple_methods import BASELINE

MISSING = "–"
MAX_TEXT, MAX_LABEL = 200, 60
"""Characters of a text and of a label in a table."""

_METRIC_NAMES = {
    "accuracy": "Accuracy",
    "bits_per_byte": "Bits per byte",
    "bleu": "BLEU",
    "cer": "Character error rate",
    "chrf++": "chrF++",
    "f1": "F1",
    "conlleval_f1": "F1, conlleval",
    "conlleval_precision": "Precision, conlleval",
    "conlleval_recall": "Recall, conlleval",
    "hamming_loss": "Hamming loss",
    "loss": "Loss",
    "mae": "Mean absolute error",
    "map": "MAP",
    "matthews_correlation": "Matthews correlation",
    "mean_accuracy": "Mean accuracy of classes",
    "mean_dice": "Mean Dice",
    "mean_iou": "Mean IoU",
    "mrr@10": "MRR@10",
    "mse": "Mean squared error",
    "ndcg@10": "NDCG@10",
    "novel_bigrams": "New pairs of words",
    "pearson": "Pearson correlation",
    "perplexity": "Perplexity",
    "pixel_accuracy": "Pixel accuracy",
    "precision": "Precision",
    "recall": "Recall",
    "reference_words": "Words of a reference",
    "recall@10": "Recall@10",
    "rmse": "Root mean squared error",
    "roc_auc": "ROC AUC",
    "rouge1": "ROUGE-1",
    "rouge2": "ROUGE-2",
    "rougeL": "ROUGE-L",
    "rougeLsum": "ROUGE-Lsum",
    "spearman": "Spearman correlation",
    "ter": "TER",
    "top_5_accuracy": "Top-5 accuracy",
    "wer": "Word error rate",
    "words": "Words of a summary",
    "token_accuracy": "Token accuracy",
    "reward_accuracy": "Reward accuracy",
    "reward_margin": "Reward margin",
    "chosen_reward": "Reward of chosen answers",
    "rejected_reward": "Reward of rejected answers",
    "chosen_log_prob": "Log-probability of chosen answers",
    "rejected_log_prob": "Log-probability of rejected answers",
    "kl": "KL divergence from the reference",
    "longer_is_chosen_share": "Longer answer is chosen",
}
_AVERAGES = ("macro", "micro", "weighted")


def metric_name(key: str) -> str:
    """Returns a metric key as a person reads it: `f1_macro` as `F1 (macro)`; unknown keys as they are."""
    if key.startswith(BASELINE):
        return f"{key.removeprefix(BASELINE).replace('_', ' ')} (baseline)"
    base, _, average = key.rpartition("_")
    if average in _AVERAGES and base in _METRIC_NAMES:
        return f"{_METRIC_NAMES[base]} ({average})"
    return _METRIC_NAMES.get(key, key)


def score_text(value: float | None) -> str:
    """Returns a score with four decimals, or four digits if large or tiny: 0.9231, 152.4, 3.1e-06."""
    if value is None:
        return MISSING
    if value == 0 or 1e-3 <= abs(value) < 10:
        return f"{value:.4f}"
    return f"{value:.4g}" if abs(value) < 1e4 else f"{value:,.0f}"


def percent_text(share: float | None) -> str:
    """Returns a share as a percentage with one decimal, never rounded up to 100."""
    if share is None:
        return MISSING
    return f"{min(100 * share, 99.9) if share < 1 else 100:.1f}%"


def headline_text(metric: str, value: float | None) -> str:
    """Returns a value of the primary metric as the headline writes it: an accuracy as a percentage."""
    return percent_text(value) if metric == "accuracy" else score_text(value)


def count_text(value: float | None) -> str:
    """Returns a count with thousands separators."""
    return MISSING if value is None else f"{value:,.0f}"


def size_text(num_bytes: float) -> str:
    """Returns a size in decimal units, as the Hub shows it: `312 B`, `4.1 kB`, `17.2 MB`."""
    for unit in ("B", "kB", "MB"):
        if num_bytes < 1000:
            return f"{num_bytes:.0f} B" if unit == "B" else f"{num_bytes:.1f} {unit}"
        num_bytes /= 1000
    return f"{num_bytes:.1f} GB"


def duration_text(seconds: float | None) -> str:
    """Returns a duration in its two largest units: `48.2 s`, `2 min 13 s`, `3 h 5 min`."""
    if seconds is None:
        return MISSING
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def value_text(value: Any) -> str:
    """Returns any value of a results file in one line."""
    if value is None:
        return MISSING
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if isinstance(value, (int, np.integer)):
        return f"{value:,}"
    if isinstance(value, (float, np.floating)):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {value_text(item)}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(value_text(item) for item in value) or "none"
    return without_paths(str(value))


def flat_texts(values: Any, prefix: str = "") -> dict[str, str]:
    """Returns nested mappings as `outer · inner` -> text."""
    flat: dict[str, str] = {}
    for key, value in values.items() if isinstance(values, Mapping) else ():
        name = f"{prefix}{str(key).replace('_', ' ')}"
        flat.update(flat_texts(value, f"{name} · ") if isinstance(value, Mapping) else {name: value_text(value)})
    return flat


def shorten(text: object, limit: int) -> str:
    """Returns a text in one line of at most `limit` characters."""
    line = " ".join(str(text).split())
    return line if len(line) <= limit else f"{line[: limit - 1].rstrip()}…"


def with_article(noun: str) -> str:
    """Returns a noun after `a` or `an`."""
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"


def encodable(text: str) -> str:
    """Returns a text that UTF-8 can hold: JSON data may carry lone surrogates; no report fails for it."""
    return text.encode("utf-8", "replace").decode("utf-8")


# The folders of an absolute path within a sentence, so that cutting them leaves the base name. A URL is taken
# as a whole, to be kept; `and/or` and `owner/name` do not begin with a separator.
_URL_OR_FOLDERS = re.compile(
    r"""(?P<url>\b(?!file:)[a-z][a-z0-9+.-]+://\S+)"""
    r"""|(?<![\w./\\~])(?:file://)?(?:~[\w.-]*|[A-Za-z]:)?[/\\]{1,2}(?:[^\s/\\'"<>|,;()]+[/\\])+(?=[^\s/\\])"""
)
_ABSOLUTE = re.compile(r"file://|[~/\\]|[A-Za-z]:[/\\]")


def is_absolute(text: str) -> bool:
    """Whether a text as a whole is a path that means something on one machine only."""
    return _ABSOLUTE.match(text) is not None


def base_name(path: str) -> str:
    """Returns the last part of a path of any system."""
    return PureWindowsPath(path.rstrip("/\\")).name or path.strip("/\\")


def without_paths(text: str) -> str:
    """Returns a text with absolute paths cut to base names: reports are shared, folders tell who you are."""
    if is_absolute(text) and not re.search(r"\n|, ", text):
        return base_name(text)
    return _URL_OR_FOLDERS.sub(lambda match: match["url"] or "", text)


def source_name(source: str) -> str:
    """Returns a file's base name; a Hub dataset (`owner/name:split`) as it is."""
    if " | " in source:  # parallel text
        return " | ".join(map(source_name, source.split(" | ")))
    is_hub = ":" in source and not is_absolute(source) and not source.startswith(".")
    return source if is_hub else without_paths(source) if " " in source else base_name(source)
