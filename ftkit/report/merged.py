"""The report of a checkpoint that was merged from a trained adapter: the adapter's, and what the merge changed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ftkit.report.config_text import shareable_yaml
from ftkit.report.files import write_files
from ftkit.report.saved import Merged, Report, read_report
from ftkit.report.texts import count_text, metric_name, score_text


def write_merged_report(
    folder: Path, *, run: Path, title: str, method: str, config_yaml: str, measured: Mapping[str, Any]
) -> None:
    """Writes report.html, README.md and report.json of a merged checkpoint.

    Args:
        folder: where to.
        run: the run of the trained adapter; it has a report.json.
        title: the name of the checkpoint.
        method: the tuner that trained the adapter.
        config_yaml: of the merged checkpoint.
        measured: `rows`, `max_logit_difference`, and metrics as `adapter_<name>` and `merged_<name>`.

    Raises:
        UserError: the run's report.json is damaged, or a file cannot be written.
    """
    saved = read_report(run)
    merged = Merged(
        adapter=run.absolute().name,
        method=method,
        difference=f"{measured['max_logit_difference']:.2g}",
        rows=count_text(measured["rows"]),
    )
    write_files(folder, _merged(saved, merged, title, config_yaml, measured))


def _merged(saved: Report, merged: Merged, title: str, config_yaml: str, measured: Mapping[str, Any]) -> Report:
    facts = (
        ("Merged from", f"{merged.adapter}, an adapter by {merged.method}"),
        ("Logits differ by", f"at most {merged.difference} over {merged.rows} rows"),
        *_compared(measured),
    )
    recipe = saved.card.recipe.model_copy(
        update={"quantization": None, "resizes_embeddings": False, "num_virtual_tokens": 0}
    )
    # The proof is the adapter's: what was merged has been compared with it instead.
    card = saved.card.model_copy(update={"method": "full", "merged": merged, "recipe": recipe, "proof": None})
    page = saved.page.model_copy(
        update={"facts": (*facts, *saved.page.facts), "config": shareable_yaml(config_yaml), "proof": None}
    )
    return saved.model_copy(update={"title": title, "page": page, "card": card})


def _compared(measured: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Returns the primary metric on the rows that both were compared on."""
    name = measured["primary_metric"]
    adapter, merged = (measured.get(f"{which}_{name}") for which in ("adapter", "merged"))
    if adapter is None or merged is None:
        return []
    return [(f"{metric_name(name)} there", f"{score_text(adapter)} with the adapter, {score_text(merged)} merged")]
