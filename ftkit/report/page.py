"""report.html: one self-contained page on a run, to be opened, mailed or printed anywhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ftkit.data.files import atomic_write_text
from ftkit.report import curves, entities, plots, tables, written
from ftkit.report.config_text import shareable_yaml
from ftkit.report.content import EvaluatedSplit, ReportContent, number
from ftkit.report.intervals import baseline, interval
from ftkit.report.saved import Merged, Page, plain
from ftkit.report.svg import DARK, LIGHT
from ftkit.report.template import render
from ftkit.report.texts import (
    count_text,
    duration_text,
    flat_texts,
    metric_name,
    percent_text,
    score_text,
    source_name,
    value_text,
    without_paths,
)
from ftkit.types import WRITING_KINDS


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
    return render("page.html", title=title, has_texts=has_texts, merged=merged, light=LIGHT, dark=DARK, **values)


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
        "results": _split_section(content, split) if split else None,
        "config": shareable_yaml(content.config_yaml),
        "environment": flat_texts(content.results.get("environment") or {}),
    }
    return Page.model_validate(plain(values))


def _subtitle(content: ReportContent) -> str:
    task = content.task_name if content.task_name == content.kind else f"{content.task_name} ({content.kind})"
    if _writes(content):
        signatures = [content.results.get(f"{split.prefix}_bleu_signature") for split in content.evaluated[-1:]]
        return " · ".join([task, *(f"BLEU {signature}" for signature in signatures if signature)])
    if _is_tagger(content):
        facts = [content.results.get(f"{split.prefix}_{key}") for split in content.evaluated[-1:] for key in _READING]
        return " · ".join([task, *(str(fact) for fact in facts if fact)])
    problem = content.problem_type.replace("_", " ").replace("single label", "single-label")
    return f"{task} · {problem.replace('multi label', 'multi-label')}"


_READING = ("scheme", "mode")  # how entities are read from tags: what makes an F1 comparable with another


# --- headline -----------------------------------------------------------------------------------------------


Write = Callable[[float | None], str]


def _headline(content: ReportContent, split: EvaluatedSplit) -> dict[str, Any]:
    metric, value = content.primary_metric, content.score(split, content.primary_metric)
    write = percent_text if metric == "accuracy" else score_text
    return {
        "metric": metric_name(metric),
        "split": split.name,
        "num_rows": count_text(len(split)),
        "source": source_name(split.split.source),
        "value": write(value),
        "notes": list(_headline_notes(content, split, value, write)),
        "others": list(_other_scores(content, split, write))[:_MAX_OTHERS],
    }


_MAX_OTHERS = 3
# What says most beside the primary metric; the table has the rest.
_TELLING = ("f1_macro", "f1_micro", "matthews_correlation", "roc_auc", "pearson", "spearman", "mae", "loss")


def _other_scores(content: ReportContent, split: EvaluatedSplit, write: Write) -> Iterator[tuple[str, str]]:
    """Yields the primary metric on other splits, then the other metrics on this one."""
    metric = content.primary_metric
    for other in content.evaluated:
        if other is not split:
            yield f"{metric_name(metric)} on {other.name}", write(content.score(other, metric))
    scores = {name: value for name, value in content.scores(split).items() if name != metric}
    for name in sorted(scores, key=lambda name: name not in _TELLING):
        yield metric_name(name), score_text(scores[name])


def _headline_notes(content: ReportContent, split: EvaluatedSplit, value: float | None, write: Write) -> Iterator[str]:
    metric = content.primary_metric
    if _is_tagger(content):
        bounds = entities.f1_interval(content, split, value)
    elif _writes(content):
        bounds = written.bleu_interval(content, split, value)
    else:
        bounds = interval(split, metric, value, num_labels=len(content.label_names))
    if bounds:
        yield f"95% interval {write(bounds[0])} to {write(bounds[1])}"
    if metric == "accuracy" and value is not None and not _is_tagger(content):
        yield f"{round(value * len(split)):,} of {len(split):,} rows are right"
    floor = None if _is_tagger(content) or _writes(content) else baseline(split, metric)
    if floor is not None:
        answer = "the most frequent label" if metric == "accuracy" else "the mean"
        yield f"always answering {answer} gives {write(floor)}"
    if value is None:
        yield "the metric is not defined on these rows"


def score_table(content: ReportContent) -> dict[str, Any]:
    """Returns the scores of every split: `splits` are the columns, `rows` metric name -> texts."""
    splits = sorted(content.evaluated, key=lambda split: split is not content.headline)
    columns = [content.scores(split) for split in splits]
    keys = dict.fromkeys(key for column in columns for key in column)
    return {
        "splits": [(split.name, count_text(len(split))) for split in splits],
        "rows": {metric_name(key): [score_text(column.get(key)) for column in columns] for key in keys},
    }


# --- what was run -------------------------------------------------------------------------------------------


def _facts(content: ReportContent) -> Iterator[tuple[str, str]]:
    """Yields name and text of what was run."""
    results = content.results
    yield "Checkpoint", f"{content.checkpoint_name} ({content.family})"
    if content.label_names and content.problem_type != "regression":
        yield "Labels", count_text(len(content.label_names))
    yield "Parameters", _parameters(results)
    yield "Training time", duration_text(number(results.get("train_runtime")))
    speed = number(results.get("train_samples_per_second"))
    yield "Throughput", "–" if speed is None else f"{speed:,.1f} samples per second"
    yield "Training loss", score_text(number(results.get("train_loss")))
    padding = number(results.get("padding_share"))
    if padding is not None:
        yield "Padding", f"{percent_text(padding)} of the tokens in training batches"
    if content.best_epoch is not None:
        yield "Best epoch", f"{content.best_epoch:g}, by {metric_name(content.primary_metric)} on validation"


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


# --- predictions of the headline's split --------------------------------------------------------------------


def _split_section(content: ReportContent, split: EvaluatedSplit) -> dict[str, Any]:
    """Returns plots and tables of one split's predictions."""
    per_label = content.per_label(split)
    num_errors, errors = _errors(content, split)
    return {
        "name": split.name,
        "plots": _plots(content, split),
        "confusion": plots.confusion_plot(split, content.label_names) if _is_single(content) else None,
        "is_matrix": len(content.label_names) <= plots.MAX_MATRIX_LABELS,
        "labels": tables.label_rows(per_label),
        "num_labels": len(per_label),
        "units": "entities" if _is_tagger(content) else "rows",
        "errors_caption": _errors_caption(content, split, num_errors),
        "errors": errors,
        "error_titles": _ERROR_TITLES[content.problem_type],
    }


_ERROR_TITLES = {
    "single_label_classification": ("Most confident errors", "Confidence"),
    "multi_label_classification": ("Rows with the most wrong labels", "Wrong labels"),
    "regression": ("Largest errors", "Error"),
    "token-classification": ("Most confident errors", "Confidence"),
    "translation": ("Texts furthest from the expected ones", "chrF++"),
}


def _errors(content: ReportContent, split: EvaluatedSplit) -> tuple[int, list[tables.ErrorRow]]:
    """Returns how many rows (of a tagger: entities) went wrong, and the worst of them."""
    if _is_tagger(content):
        return entities.entity_errors(content, split)
    if _writes(content):
        return written.worst_texts(content, split)
    num_rows = len(split) if content.problem_type == "regression" else tables.num_wrong(split)
    return num_rows, tables.error_rows(content, split)


def _errors_caption(content: ReportContent, split: EvaluatedSplit, num_errors: int) -> str:
    which = "" if content.problem_type == "regression" else "wrong "
    shown = min(num_errors, tables.MAX_ERROR_ROWS)
    units = "entities" if _is_tagger(content) else "rows"
    source = source_name(split.split.source)
    return f"{shown} of {num_errors:,} {which}{units}. Lines are those of {source}; long texts are cut."


def _is_single(content: ReportContent) -> bool:
    return content.problem_type == "single_label_classification"


def _writes(content: ReportContent) -> bool:
    return content.kind in WRITING_KINDS


def _is_tagger(content: ReportContent) -> bool:
    return content.problem_type == "token-classification"


def _plots(content: ReportContent, split: EvaluatedSplit) -> list[tuple[str, str]]:
    """Returns plots with what helps to read them."""
    found: list[tuple[str | None, str]] = []
    if content.problem_type == "regression":
        found += [(plots.scatter_plot(split), ""), (plots.error_histogram(split), "")]
    elif not _writes(content):
        found.append((plots.label_f1_bars(content.per_label(split), split.name), ""))
    if split.confidences is not None and _is_single(content):
        is_right = split.predictions == split.references
        error = plots.calibration_error(split.confidences, is_right)
        found.append((plots.reliability_diagram(split.confidences, is_right), _calibration_note(error)))
    return [(svg, note) for svg, note in found if svg is not None]


def _calibration_note(error: float) -> str:
    return (
        f"Below the dashed line the model is surer than it is right. On average its confidence is off by "
        f"{percent_text(error).removesuffix('%')} points (ECE, expected calibration error)."
    )


def _present(*svgs: str | None) -> list[str]:
    return [svg for svg in svgs if svg is not None]
