"""report.html: one self-contained page on a run, to be opened, mailed or printed anywhere."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ftkit.data.files import atomic_write_text
from ftkit.metrics.simple_methods import BASELINE
from ftkit.report import curves
from ftkit.report.blocks.block import block_values, find_block
from ftkit.report.config_text import shareable_yaml
from ftkit.report.content import EvaluatedSplit, ReportContent, number
from ftkit.report.readings.reading import find_reading, named_labels
from ftkit.report.saved import Merged, Page, SplitSection
from ftkit.report.svg import DARK, LIGHT
from ftkit.report.template import render
from ftkit.report.texts import (
    count_text,
    duration_text,
    flat_texts,
    headline_text,
    percent_text,
    score_text,
    source_name,
    value_text,
    without_paths,
)
from ftkit.report.values import BlockValues, plain


def write_page(path: str | Path, content: ReportContent) -> None:
    """Writes the report of a run as one HTML file without scripts and without anything to load.

    Equal content gives equal bytes.

    Raises:
        UserError: the file cannot be written.
    """
    atomic_write_text(path, page_html(content.title, page_values(content)))


def page_html(title: str, page: Page, *, has_texts: bool = True, merged: Merged | None = None) -> str:
    """Returns report.html.

    Args:
        has_texts: whether errors are shown with the users' texts.
        merged: of a checkpoint that was merged from an adapter.
    """
    values = {name: getattr(page, name) for name in type(page).model_fields}
    groups = [] if page.results is None else _groups(page.results)
    look = {"light": LIGHT, "dark": DARK}
    return render("page.html", title=title, has_texts=has_texts, merged=merged, groups=groups, **look, **values)


def _groups(section: SplitSection) -> list[tuple[bool, list[tuple[str, BlockValues]]]]:
    """Returns the blocks with their templates; those of half the width that follow one another are one group."""
    found = [(find_block(values.block), values) for values in section.blocks]
    return [
        (is_half, [(f"blocks/{block.template}", values) for block, values in group])
        for is_half, group in itertools.groupby(found, key=lambda pair: pair[0].is_half)
    ]


def page_values(content: ReportContent) -> Page:
    """Returns what the page shows.

    Its size is bounded, whatever the number of rows and labels: tables are cut and plots drawn from samples,
    and the page says so.
    """
    split = content.headline
    values = {
        "subtitle": _subtitle(content),
        "headline": _headline(content, split) if split else None,
        "scores": score_table(content),
        "facts": list(_facts(content)),
        "data": data_rows(content),
        "warnings": [without_paths(warning) for warning in content.warnings],
        "proof": _proof(content),
        "curves": _present(
            curves.training_curve(content.log_history, best_epoch=content.best_epoch),
            curves.metric_curve(content.log_history, content.primary_metric, best_epoch=content.best_epoch),
        ),
        "results": {"name": split.name, "blocks": block_values(content, split)} if split else None,
        "config": shareable_yaml(content.config_yaml),
        "environment": flat_texts(content.results.get("environment") or {}),
    }
    return Page.model_validate(plain(values))


def _subtitle(content: ReportContent) -> str:
    task = content.task_name if content.task_name == content.kind else f"{content.task_name} ({content.kind})"
    return " · ".join([task, *find_reading(content.reading).subtitle(content)])


# --- headline -----------------------------------------------------------------------------------------------


def _headline(content: ReportContent, split: EvaluatedSplit) -> dict[str, Any]:
    metric, value = content.primary_metric, content.score(split, content.primary_metric)
    return {
        "metric": content.metric_name(metric),
        "split": split.name,
        "num_rows": count_text(len(split)),
        "source": source_name(split.split.source),
        "value": headline_text(metric, value),
        "notes": list(_headline_notes(content, split, value)),
        "others": list(_other_scores(content, split))[:_MAX_OTHERS],
    }


_MAX_OTHERS = 3
# What says most beside the primary metric; the table has the rest.
_TELLING = ("f1_macro", "f1_micro", "matthews_correlation", "roc_auc", "pearson", "spearman", "mae", "loss")


def _other_scores(content: ReportContent, split: EvaluatedSplit) -> Iterator[tuple[str, str]]:
    """Yields the primary metric on other splits, then the other metrics on this one."""
    metric = content.primary_metric
    for other in content.evaluated:
        if other is not split:
            yield f"{content.metric_name(metric)} on {other.name}", headline_text(metric, content.score(other, metric))
    scores = {name: value for name, value in content.scores(split).items() if name != metric}
    for name in sorted(scores, key=lambda name: name not in _TELLING):
        yield content.metric_name(name), score_text(scores[name])


def _headline_notes(content: ReportContent, split: EvaluatedSplit, value: float | None) -> Iterator[str]:
    yield from find_reading(content.reading).notes(content, split, value)
    for key, other in content.scores(split).items():
        if key.startswith(BASELINE):
            name = key.removeprefix(BASELINE).replace("_", " ")
            yield f"{name} alone gives {headline_text(content.primary_metric, other)}"
    if value is None:
        yield "the metric is not defined on these rows"


def score_table(content: ReportContent) -> dict[str, Any]:
    """Returns the scores of every split: `splits` are the columns, `rows` metric name -> texts."""
    splits = sorted(content.evaluated, key=lambda split: split is not content.headline)
    columns = [content.scores(split) for split in splits]
    keys = dict.fromkeys(key for column in columns for key in column)
    return {
        "splits": [(split.name, count_text(len(split))) for split in splits],
        "rows": {content.metric_name(key): [score_text(column.get(key)) for column in columns] for key in keys},
    }


# --- what was run -------------------------------------------------------------------------------------------


def _facts(content: ReportContent) -> Iterator[tuple[str, str]]:
    """Yields name and text of what was run."""
    results = content.results
    yield "Checkpoint", f"{content.checkpoint_name} ({content.family})"
    labels = named_labels(content)
    if labels:
        yield "Labels", count_text(len(labels))
    for name, text in results.get("counted", {}).items():
        yield f"Rows of {name}", str(text)
    yield "Parameters", _parameters(results)
    yield "Training time", duration_text(number(results.get("train_runtime")))
    speed = number(results.get("train_samples_per_second"))
    yield "Throughput", "–" if speed is None else f"{speed:,.1f} samples per second"
    yield "Training loss", score_text(number(results.get("train_loss")))
    padding = number(results.get("padding_share"))
    if padding is not None:
        yield "Padding", f"{percent_text(padding)} of the tokens in training batches"
    if results.get("generation"):
        yield "Search", value_text(results["generation"])
    processes, spread = (number(results.get(key)) for key in ("num_processes", "rank_spread"))
    if processes is not None and processes > 1 and spread is not None:
        yield (
            "Processes",
            f"{count_text(processes)}; the busiest has {percent_text(spread)} more tokens than their mean",
        )
    if content.best_epoch is not None:
        yield "Best epoch", f"{content.best_epoch:g}, by {content.metric_name(content.primary_metric)} on validation"


def _parameters(results: Any) -> str:
    total, trained = (number(results.get(key)) for key in ("num_parameters", "num_trainable_parameters"))
    if not total or trained is None or trained == total:
        return f"{count_text(total)}, all trained" if trained else count_text(total)
    return f"{count_text(total)}, of which {count_text(trained)} trained ({percent_text(trained / total)})"


def data_rows(content: ReportContent) -> list[tuple[str, str, str, str]]:
    """Returns split, source, rows and fingerprint of what was read."""
    data = content.results.get("data") or {}
    return [
        (
            name,
            source_name(str(facts.get("source", ""))),
            count_text(number(facts.get("rows"))),
            str(facts.get("fingerprint", ""))[:16],
        )
        for name, facts in data.items()
    ]


def _proof(content: ReportContent) -> dict[str, Any] | None:
    """Returns the proof: the largest difference as a text, and everything that was recorded."""
    proof = content.results.get("proof")
    if not proof:
        return None
    difference = number(proof.get("max_difference"))
    return {
        "difference": None if difference is None else f"{difference:.2g}",
        "rows": value_text(proof.get("rows")),
        "facts": flat_texts(proof),
    }


def _present(*svgs: str | None) -> list[str]:
    return [svg for svg in svgs if svg is not None]
