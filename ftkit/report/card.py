"""README.md: the model card of a run, with the metadata that the Hub reads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any

from ftkit.data.files import atomic_write_text
from ftkit.report.config_text import hub_dataset, read_config
from ftkit.report.content import EvaluatedSplit, ReportContent, number
from ftkit.report.template import render
from ftkit.report.texts import (
    checkpoint_name,
    count_text,
    duration_text,
    flat_texts,
    is_hub_id,
    metric_name,
    score_text,
    shorten,
    source_name,
    value_text,
    without_paths,
)

# Where the Hub's metrics have another id than ftkit's key without its averaging.
_METRIC_IDS = {"pearson": "pearsonr", "spearman": "spearmanr", "chrf++": "chrf"}
_MAX_LABELS = 100
_MAX_LABEL = 80


def write_card(path: str | Path, content: ReportContent) -> None:
    """Writes the model card of a run: YAML metadata for the Hub, then text for people.

    It holds no absolute path: of a file its base name, of a local checkpoint nothing in the metadata. Equal
    content gives equal bytes.

    Raises:
        UserError: the file cannot be written.
    """
    import yaml

    config = read_config(content.config_yaml)
    metadata = yaml.safe_dump(_metadata(content, config), sort_keys=False, allow_unicode=True, width=1000)
    atomic_write_text(path, render("card.md", metadata=metadata, **_text_values(content, config)))


# --- metadata -----------------------------------------------------------------------------------------------


def _metadata(content: ReportContent, config: dict[str, Any]) -> dict[str, Any]:
    """Returns the front matter; see https://github.com/huggingface/hub-docs/blob/main/modelcard.md."""
    datasets = [found["hub"] for name in ("train", "validation", "test") if (found := hub_dataset(config, name))]
    metrics = [_metric_id(key) for split in content.evaluated for key in _metric_values(content, split)]
    metadata: dict[str, Any] = {
        "library_name": "transformers" if _tuner(config) == "full" else "peft",
        "pipeline_tag": content.kind,
        "tags": list(dict.fromkeys(["ftkit", content.kind])),
        "base_model": content.checkpoint if is_hub_id(content.checkpoint) else None,
        "datasets": list(dict.fromkeys(datasets)),
        "metrics": [metric for metric in dict.fromkeys(metrics) if metric != "loss"],
    }
    index = [_index_entry(content, split, config) for split in content.evaluated if _metric_values(content, split)]
    if index:
        metadata["model-index"] = [{"name": content.title, "results": index}]
    return {key: value for key, value in metadata.items() if value}


def _index_entry(content: ReportContent, split: EvaluatedSplit, config: dict[str, Any]) -> dict[str, Any]:
    """Returns what the model reached on one split, for `model-index`."""
    metrics = [
        {"type": _metric_id(key), "name": metric_name(key), "value": value}
        for key, value in _metric_values(content, split).items()
    ]
    return {
        "task": {"type": content.kind, "name": content.kind.replace("-", " ").capitalize()},
        "dataset": _index_dataset(split, hub_dataset(config, split.name)),
        "metrics": metrics,
    }


def _index_dataset(split: EvaluatedSplit, hub: dict[str, str] | None) -> dict[str, str]:
    """Returns the dataset of a Hub split; of a file its format, as `load_dataset` calls it, and base name."""
    if hub is None:
        name = source_name(split.split.source) or split.name
        return {
            "type": ("" if " | " in name else PurePath(name).suffix[1:]) or "text",
            "name": name,
            "split": split.name,
        }
    dataset = {"type": hub["hub"], "name": hub["hub"], "config": hub.get("name"), "split": hub.get("split")}
    dataset["revision"] = hub.get("revision")
    return {key: value for key, value in dataset.items() if value is not None}


def _metric_values(content: ReportContent, split: EvaluatedSplit) -> dict[str, float]:
    """Returns the metrics that are defined; the Hub takes no null."""
    return {key: value for key, value in content.scores(split).items() if value is not None}


def _metric_id(key: str) -> str:
    base, _, average = key.rpartition("_")
    key = base if average in ("macro", "micro", "weighted") else key
    return _METRIC_IDS.get(key, key)


def _tuner(config: dict[str, Any]) -> str:
    return (config.get("tuner") or {}).get("method", "full")


def _auto_class(content: ReportContent) -> str:
    """Returns the transformers class that loads the base of an adapter."""
    if content.kind == "text-classification":
        return "AutoModelForSequenceClassification"
    if content.kind == "token-classification":
        return "AutoModelForTokenClassification"
    return "AutoModelForCausalLM" if content.family == "decoder" else "AutoModelForSeq2SeqLM"


# --- text ---------------------------------------------------------------------------------------------------


def _text_values(content: ReportContent, config: dict[str, Any]) -> dict[str, Any]:
    """Returns what the template needs."""
    splits = sorted(content.evaluated, key=lambda split: split is not content.headline)
    columns = [content.scores(split) for split in splits]
    names = content.label_names[:_MAX_LABELS]
    return {
        "title": content.title,
        "checkpoint": checkpoint_name(content.checkpoint),
        "checkpoint_is_on_hub": is_hub_id(content.checkpoint),
        "family": content.family,
        "tuner": _tuner(config),
        "auto_class": _auto_class(content),
        "base": checkpoint_name(content.checkpoint),
        "kind": content.kind,
        "task_name": content.task_name,
        "problem_type": content.problem_type,
        **{key: (config.get("data") or {}).get(key) for key in ("source_lang", "target_lang", "prompt_template")},
        "bleu_signature": content.results.get(f"{_headline_prefix(content)}bleu_signature"),
        "headline": _headline(content),
        "label_names": [shorten(name, _MAX_LABEL) for name in names],
        "num_labels": len(content.label_names),
        "reads_pairs": _reads_pairs(content),
        "label_piece": _label_piece(content, config),
        "splits": [(split.name, count_text(len(split))) for split in splits],
        "scores": {
            metric_name(key): [score_text(column.get(key)) for column in columns]
            for key in dict.fromkeys(key for column in columns for key in column)
        },
        "data": list(_data(content)),
        "procedure": dict(_procedure(content, config)),
        "warnings": [without_paths(warning) for warning in content.warnings],
        "environment": flat_texts(content.results.get("environment") or {}),
        "proof": _proof(content),
    }


def _headline_prefix(content: ReportContent) -> str:
    """Returns what the headline's results are named after, such as `test_`."""
    return f"{content.headline.prefix}_" if content.headline is not None else ""


def _headline(content: ReportContent) -> str | None:
    """Returns the end of a sentence: `Accuracy 0.9231 on test (3,080 rows)`."""
    split = content.headline
    if split is None:
        return None
    value = score_text(content.score(split, content.primary_metric))
    reading = _reading(content, split)
    return f"{metric_name(content.primary_metric)} {value} on {split.name} ({count_text(len(split))} rows{reading})"


def _label_piece(content: ReportContent, config: dict[str, Any]) -> str:
    """Returns where a tagger's tags are read: the first piece of a word, of causal decoders the last."""
    declared = (config.get("data") or {}).get("label_piece")
    is_causal = content.family == "decoder" and (config.get("model") or {}).get("attention") != "bidirectional"
    return f"its {declared or ('last' if is_causal else 'first')} piece"


def _reading(content: ReportContent, split: EvaluatedSplit) -> str:
    """Returns how a tagger's entities were read, without which its F1 says little: `, strict IOB2`."""
    mode, scheme = (content.results.get(f"{split.prefix}_{key}") for key in ("mode", "scheme"))
    return f", {mode} {scheme}" if mode and scheme else ""


def _reads_pairs(content: ReportContent) -> bool:
    split = content.headline
    return split is not None and getattr(split.split.examples[0], "text_pair", None) is not None


def _data(content: ReportContent) -> Iterator[tuple[str, str, str, str]]:
    """Yields split, source, rows and fingerprint."""
    for name, facts in (content.results.get("data") or {}).items():
        rows = count_text(number(facts.get("rows")))
        yield name, source_name(str(facts.get("source", ""))), rows, str(facts.get("fingerprint", ""))[:16]


def _procedure(content: ReportContent, config: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yields hyperparameters as the config names them, then what the training took."""
    tuner = config.get("tuner") or {}
    yield from ((f"tuner.{key}", value_text(value)) for key, value in tuner.items())
    train = config.get("train") or {}
    yield from ((f"train.{key}", value_text(value)) for key, value in train.items())
    max_length = (config.get("data") or {}).get("max_length")
    if max_length is not None:
        yield "data.max_length", value_text(max_length)
    results = content.results
    yield "optimizer steps", count_text(number(results.get("num_steps")))
    yield "trained parameters", count_text(number(results.get("num_trainable_parameters")))
    yield "training time", duration_text(number(results.get("train_runtime")))
    if "seed" not in train:
        yield "seed", value_text(results.get("seed"))


def _proof(content: ReportContent) -> str | None:
    """Returns the largest difference that the proof found, as a text."""
    difference = number((content.results.get("proof") or {}).get("max_difference"))
    return None if difference is None else f"{difference:.2g}"
