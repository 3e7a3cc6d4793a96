"""The front matter of a model card, written by the Hub's own classes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any

from ftkit.report.content import EvaluatedSplit, ReportContent
from ftkit.report.escape import one_line
from ftkit.report.saved import Card
from ftkit.report.texts import source_name
from ftkit.report.usage.usage import find_usage

# Where the Hub's metrics have another id than ftkit's key without its averaging.
_METRIC_IDS = {"pearson": "pearsonr", "spearman": "spearmanr", "chrf++": "chrf"}
_LANGUAGE = re.compile(r"[a-z]{2,3}")


def front_matter(card: Card, title: str) -> str:
    """Returns the metadata as YAML; see https://github.com/huggingface/hub-docs/blob/main/modelcard.md.

    A license is never stated: only who publishes the model can say which.
    """
    from huggingface_hub import ModelCardData

    bases = [base for base in (card.base.on_hub, card.base.decoder_on_hub) if base is not None]
    results = _eval_results(card)
    is_adapter = card.method != "full"
    by_method = [card.method] if is_adapter else []
    data = ModelCardData(
        language=list(card.languages) or None,
        library_name="peft" if is_adapter else "transformers",
        pipeline_tag=_pipeline_tag(card),
        tags=["ftkit", card.kind, *find_usage(card.recipe.usage).tags, *by_method],
        base_model=(bases[0] if len(bases) == 1 else bases) or None,
        base_model_relation=_relation(card) if bases else None,
        datasets=list(card.datasets) or None,
        metrics=list(card.metrics) or None,
        model_name=one_line(title) if results else None,
        eval_results=results or None,
    )
    return data.to_yaml()


def _pipeline_tag(card: Card) -> str:
    """Returns what the Hub shows and serves the model as: it knows fewer kinds than there are ways to train."""
    return card.pipeline_tag or card.kind


def _relation(card: Card) -> str:
    if card.merged is not None:
        return "merge"
    return "finetune" if card.method == "full" else "adapter"


def _eval_results(card: Card) -> list[Any]:
    from huggingface_hub import EvalResult

    tag = _pipeline_tag(card)
    return [
        EvalResult(
            task_type=tag,
            task_name=tag.replace("-", " ").capitalize(),
            metric_args={"num_rows": result.num_rows},
            **result.model_dump(exclude={"num_rows"}),
        )
        for result in card.results
    ]


def results(content: ReportContent) -> Iterator[dict[str, Any]]:
    """Yields every score that is defined, with the dataset it was reached on; the Hub takes no null."""
    for split in content.evaluated:
        dataset = _dataset(split, content.datasets_on_hub.get(split.name), content.input_name)
        for key, value in content.own_scores(split).items():
            if value is not None:
                score = {
                    "metric_type": metric_id(key),
                    "metric_name": content.metric_name(key),
                    "metric_value": float(value),
                }
                yield {**dataset, **score, "num_rows": len(split)}


_FOLDERS = {"image": "imagefolder", "recording": "audiofolder"}


def _dataset(split: EvaluatedSplit, hub: Mapping[str, str] | None, input_name: str) -> dict[str, str | None]:
    """Returns the dataset of a Hub split; of a file its format, as `load_dataset` calls it, and base name."""
    if hub is None:
        name = source_name(split.split.source) or split.name
        format = ("" if " | " in name else PurePath(name).suffix[1:]) or _FOLDERS.get(input_name, "text")
        return {"dataset_type": one_line(format), "dataset_name": one_line(name), "dataset_split": split.name}
    return {
        "dataset_type": hub["hub"],
        "dataset_name": hub["hub"],
        "dataset_config": hub.get("name"),
        "dataset_split": hub.get("split"),
        "dataset_revision": hub.get("revision"),
    }


def metrics(content: ReportContent) -> list[str]:
    """Returns the Hub's ids of the metrics, each once."""
    found = [
        metric_id(key)
        for split in content.evaluated
        for key, value in content.own_scores(split).items()
        if value is not None
    ]
    return [metric for metric in dict.fromkeys(found) if metric != "loss"]


def metric_id(key: str) -> str:
    """Returns what the Hub calls a metric: `f1_macro` is `f1`."""
    base, _, average = key.rpartition("_")
    key = base if average in ("macro", "micro", "weighted") else key
    return _METRIC_IDS.get(key, key)


def language_codes(*languages: object) -> list[str]:
    """Returns the codes that the Hub knows: `en_XX` is `en`, `eng_Latn` is `eng`, `English` is none."""
    bases = [str(language).replace("-", "_").partition("_")[0] for language in languages if language]
    return list(dict.fromkeys(base for base in bases if _LANGUAGE.fullmatch(base)))
