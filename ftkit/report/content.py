"""What a finished run hands over to its report and its model card: plain values, arrays and texts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ftkit.metrics.simple_methods import BASELINE
from ftkit.report.recipe import Recipe
from ftkit.report.texts import MAX_LABEL, base_name, metric_name, shorten
from ftkit.types import Split

if TYPE_CHECKING:
    from ftkit.runs.augmented_rows import AugmentedRow


@dataclass(frozen=True)
class EvaluatedSplit:
    """The predictions of one split, in the order of `split.examples`.

    Attributes:
        name: `validation`, `test`, ...
        predictions: label ids (N,), or {0,1} indicators (N, L), or numbers (N,) for regression; of a tagger tag
            ids, (N,) of arrays (W,), as are then the confidences; none, (0,), where a model is judged by measures.
        references: what was expected, in the same shape.
        confidences: probability of the predicted label (N,), single label only; None where there is none.
        measures: what each row adds to the totals that a model is judged by instead, name -> (N,).
        traits: names of those results that describe predictions and are no scores.
        chosen: the rows that were predicted all the same; None: none.
    """

    name: str
    split: Split
    predictions: np.ndarray
    references: np.ndarray
    confidences: np.ndarray | None = None
    measures: Mapping[str, np.ndarray] = field(default_factory=dict)
    traits: frozenset[str] = frozenset()
    chosen: Sequence[int] | None = None

    def __post_init__(self) -> None:
        num_rows = len(self.predicted_examples)
        assert self.predictions.shape == self.references.shape, "one prediction for each reference"
        assert len(self.predictions) == num_rows, f"{len(self.predictions)} predictions for {num_rows} rows"
        assert self.confidences is None or self.confidences.shape == (num_rows,), "one confidence a row"

    def __len__(self) -> int:
        return len(self.split)

    @property
    def predicted_examples(self) -> Sequence[Any]:
        """The examples that the predictions are of, in their order."""
        if not self.measures:
            return self.split.examples
        return [self.split.examples[place] for place in self.chosen or ()]

    @property
    def prefix(self) -> str:
        """What its results are named after: `eval` for validation, as in the ecosystem, else its name."""
        return "eval" if self.name == "validation" else self.name


@dataclass(frozen=True)
class ReportContent:
    """All that `write_page` and `write_card` need; they read nothing from disk.

    Attributes:
        title: the name of the run, such as the base name of its folder.
        kind: of the task.
        pipeline_tag: the Hub's word for what the model does; None where that is the kind.
        problem_type: what decides the metrics: of a classifier its problem type, else the kind.
        label_names: in output order; one pseudo-name for regression.
        reading: how predictions are told in words: a name in the table of readings.
        blocks: what is shown of predictions, in order: names in the table of blocks.
        recipe: what plain transformers or peft have to be told.
        checkpoint: the Hub id or folder that training started from.
        config_yaml: the resolved config.
        results: the flat all_results.json: `eval_accuracy`, `test_f1_macro`, `test_per_label`,
            `train_runtime` (seconds), `data`, `proof`, `environment` and so on. A value may be None.
        log_history: `log_history` of transformers' trainer_state.json.
        evaluated: at most one for each split; test, else validation, is the headline.
        warnings: sentences for the reader, such as that texts were cut.
        primary_metric: its name without a prefix, such as `f1_macro`.
        base_on_hub: the Hub id of `checkpoint`; None of a folder and of a built-in checkpoint. Only who trained knows.
        decoder: a second checkpoint that was joined, and its Hub id.
        datasets_on_hub: split -> `hub`, `split` and perhaps `name`, `revision` of what came from the Hub.
        texts_are_public: all data are on the Hub, or come with ftkit.
        input_name: what one input is called in sentences: `text`, `image`.
        augmented: rows of train and what `data.augment` made of them.
    """

    title: str
    task_name: str
    kind: str
    problem_type: str
    label_names: tuple[str, ...]
    reading: str
    blocks: tuple[str, ...]
    recipe: Recipe
    checkpoint: str
    family: str
    config_yaml: str
    results: Mapping[str, Any]
    log_history: Sequence[Mapping[str, float]]
    evaluated: Sequence[EvaluatedSplit]
    warnings: Sequence[str]
    primary_metric: str
    base_on_hub: str | None = None
    decoder: str | None = None
    decoder_on_hub: str | None = None
    datasets_on_hub: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    texts_are_public: bool = False
    input_name: str = "text"
    augmented: Sequence[AugmentedRow] = ()
    pipeline_tag: str | None = None

    @property
    def checkpoint_name(self) -> str:
        """A Hub id or a built-in name as it is, of a folder its base name."""
        return self.base_on_hub or shown_checkpoint(self.checkpoint)

    @property
    def headline(self) -> EvaluatedSplit | None:
        """The split that the report is about: test, else validation, else the first; None without rows."""
        order = ("test", "validation")
        with_rows = [split for split in self.evaluated if len(split)]
        return min(
            with_rows,
            key=lambda split: order.index(split.name) if split.name in order else len(order),
            default=None,
        )

    def score(self, split: EvaluatedSplit, metric: str) -> float | None:
        """Returns a metric of a split; None if it was not computed or is not a finite number."""
        return number(self.results.get(f"{split.prefix}_{metric}"))

    def scores(self, split: EvaluatedSplit) -> dict[str, float | None]:
        """Returns the scores of a split, the primary one first, loss last; each once, no speeds, no tables.

        `f1` is left out where it is `f1_macro`, and `f1_micro` of single labels, which is accuracy.
        """
        prefix = f"{split.prefix}_"
        values = {key.removeprefix(prefix): value for key, value in self.results.items() if key.startswith(prefix)}
        scores = {name: number(value) for name, value in values.items() if _is_score(name, value)}
        ranks = {"loss": 2, self.primary_metric: 0}
        kept = [name for name in scores if name == self.primary_metric or not _is_repeated(name, scores)]
        return {name: scores[name] for name in sorted(kept, key=lambda name: ranks.get(name, 1))}

    def own_scores(self, split: EvaluatedSplit) -> dict[str, float | None]:
        """Returns the scores of a split that are the model's: neither simple methods' beside it, nor traits."""
        scores = self.scores(split).items()
        return {name: value for name, value in scores if not name.startswith(BASELINE) and name not in split.traits}

    @property
    def positive_label(self) -> str | None:
        """Of two labels the one that precision, recall, F1 and ROC AUC are of; None of more labels."""
        found = self.results.get("positive_label")
        return None if found is None else str(found)

    def metric_name(self, key: str) -> str:
        """Returns a metric key as a person reads it, with the label that it is of: `F1 (label yes)`."""
        if self.positive_label is None or key not in OF_POSITIVE_LABEL:
            return metric_name(key)
        return f"{metric_name(key)} (label {shorten(self.positive_label, MAX_LABEL)})"

    def per_label(self, split: EvaluatedSplit) -> Mapping[str, Mapping[str, Any]]:
        """Returns name -> precision, recall, f1, support of a split; empty for regression."""
        return self.results.get(f"{split.prefix}_per_label") or {}

    @property
    def best_epoch(self) -> float | None:
        """The epoch of the checkpoint that was kept, from `best_step`; None if none was chosen."""
        step = self.results.get("best_step")
        at_step = [entry for entry in self.log_history if step and entry.get("step") == step]
        return next((number(entry.get("epoch")) for entry in at_step), None)


def shown_checkpoint(checkpoint: str) -> str:
    """Returns a built-in checkpoint's name as it is, and a folder's base name."""
    return checkpoint if checkpoint.startswith("ftkit:") else base_name(checkpoint)


def number(value: Any) -> float | None:
    """Returns a value as a float; None if it is missing, not a number, NaN or infinite."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
        return None
    return float(value) if math.isfinite(value) else None


OF_POSITIVE_LABEL = ("precision", "recall", "f1", "roc_auc")
"""Metrics that are, of two labels, those of the positive one."""

# What all_results.json tells of a split beside its scores.
_NO_SCORES = ("samples", "truncated_samples", "runtime", "samples_per_second", "steps_per_second", "cut_off_share")


def _is_score(name: str, value: Any) -> bool:
    if name in _NO_SCORES or name.endswith("tokens") or (name.startswith("truncated_") and name.endswith("_share")):
        return False
    return value is None or isinstance(value, (int, float, np.number))


def _is_repeated(name: str, scores: Mapping[str, float | None]) -> bool:
    """Whether another key of a split says the same by definition, not by chance."""
    if name.endswith("_micro") and scores.get("accuracy") is not None:
        # All of precision, recall and F1 (micro) are accuracy for single labels, and only there.
        micros = [value for key, value in scores.items() if key.endswith("_micro")]
        return all(value is not None and math.isclose(value, scores["accuracy"] or 0.0) for value in micros)
    return f"{name}_macro" in scores and scores[f"{name}_macro"] == scores[name]
