"""A run that is possible: everything that can be known and checked before any weight is loaded or any file written."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ftkit.adapters.spec import TaskAdapterSpec
from ftkit.adapters.task_adapter import TaskAdapter
from ftkit.config.run_config import BaseFacts, RunConfig, RunFacts, TaskFacts
from ftkit.config.streaming import check_streaming
from ftkit.config.train import check_deepspeed, stated_precision, stated_trackers, train_warnings
from ftkit.data.check import Problems
from ftkit.data.group_split import check_groups
from ftkit.errors import ConfigError
from ftkit.kinds.kind import Kind, Setting, Settings
from ftkit.kinds.splits import check_ids, check_split_sizes, read_splits
from ftkit.kinds.table import find_task, kind_of
from ftkit.kinds.task import Task
from ftkit.metrics.checks import (
    check_computed,
    check_direction,
    check_metric_key,
    check_metric_names,
    default_key,
)
from ftkit.metrics.scorer import Scorer, make_scorer
from ftkit.metrics.spec import MetricGroup
from ftkit.models.checkpoint import inspect_checkpoint
from ftkit.models.fingerprint import source_fingerprint
from ftkit.models.generation import GenerationSpec
from ftkit.models.quantization import check_quantization
from ftkit.models.row_match import RowMatch, match_rows
from ftkit.models.spec import CheckpointSpec
from ftkit.runs.directory import RunDirectory
from ftkit.runs.memory_needs import memory_warnings
from ftkit.runs.trained_adapter import TrainedAdapter, check_base, open_trained_adapter
from ftkit.tuners.suits import check_suits, check_trains
from ftkit.types import LabelSpace, Split
from ftkit.version import __version__


@dataclass(frozen=True)
class CheckedRun:
    """A run that is possible, as data.

    Attributes:
        config: with the `data` section of the kind, and what `normalize` found.
        task_adapter_spec: preprocessor and objective for the checkpoint's family.
        columns: role -> column of the user's files.
        splits: `train`, and `validation` and `test` where there are any.
        adapter_options: what the task adapter is made with, such as class weights; saved with the run.
        metrics: names of the metrics to compute.
        primary_metric: the key that picks the best checkpoint.
        scorer: computes the metrics; external ones are loaded and have been tried.
        warnings: what the user should know about the data.
        counted: split -> what was counted of its rows, in words, where that was asked for.
        start_from: a trained adapter on the same checkpoint, whose weights the run starts from.
    """

    config: RunConfig
    directory: RunDirectory
    task: Task
    kind: Kind
    spec: CheckpointSpec
    task_adapter_spec: TaskAdapterSpec
    columns: Mapping[str, str]
    splits: Mapping[str, Split]
    labels: LabelSpace | None
    adapter_options: Mapping[str, Any]
    metrics: tuple[str, ...]
    primary_metric: str
    scorer: Scorer
    warnings: tuple[str, ...]
    counted: Mapping[str, str] = field(default_factory=dict)
    start_from: TrainedAdapter | None = None

    @property
    def metric_group(self) -> MetricGroup:
        """Which metrics suit, and what computes them."""
        return self.kind.metric_group(self.task, self.config.data)

    @property
    def fingerprints(self) -> dict[str, str]:
        """Split -> digest of what was read."""
        return {name: split.fingerprint for name, split in self.splits.items()}

    @property
    def told_of_stream(self) -> str | None:
        """What follows from the first rows of a stream; None where train was read as a whole."""
        train = self.splits["train"]
        if not train.is_sample:
            return None
        return (
            f"{train.source} is read while it is trained on; its first {len(train):,} rows have been checked, and "
            "labels, tag schemes, forms of boxes and values of masks (unless data names them), class weights and "
            "baselines follow from them"
        )

    def weight_fingerprints(self) -> dict[str, str | None]:
        """Returns key of the config -> what tells the files that the run starts from: a digest, or a commit."""
        found = {"model.checkpoint": source_fingerprint(self.spec)}
        if self.spec.decoder is not None:
            found["model.decoder"] = source_fingerprint(self.spec.decoder)
        if self.start_from is not None:
            found["model.adapter"] = self.start_from.base.adapter_sha256
        return found

    @property
    def adapter_rows(self) -> RowMatch | None:
        """Which rows of the head of the trained adapter that the run starts from serve its labels; None without."""
        found, labels = self.start_from, self.labels
        if found is None or found.kind != self.kind.name or labels is None:
            return None
        return match_rows(labels, found.head)

    @property
    def keeps_head(self) -> bool:
        """Whether the trained adapter that the run starts from was made for the same kind, and knows a label of it."""
        if self.start_from is None or self.start_from.kind != self.kind.name:
            return False
        return self.adapter_rows is None or self.adapter_rows.knows_some

    def make_task_adapter(self) -> TaskAdapter:
        """Returns the task adapter, with the checkpoint's processor loaded."""
        return self.task_adapter_spec.make(
            self.spec, self.labels, max_length=self.config.data.longest_input, options=self.adapter_options
        )

    def resolved_config(self, adapter: TaskAdapter, base: BaseFacts | None, weights: str | None = None) -> RunConfig:
        """Returns the config with what inference needs to know.

        Args:
            base: of a run that saves an adapter.
            weights: fingerprint of what a run saves that saves a whole model.
        """
        facts = RunFacts(
            ftkit_version=__version__,
            task_name=self.task.name,
            kind=self.kind.name,
            family=self.spec.family,
            columns=dict(self.columns),
            max_length=adapter.preprocessor.max_length,
            adapter_options={**self.adapter_options, **adapter.resolved_options},
            prepared=self.task.prepare is not None,
            base=base,
            weights=weights,
            declared=TaskFacts(
                labels=self.task.labels,
                problem_type=self.task.problem_type,
                metrics=self.task.metrics,
                primary_metric=self.task.primary_metric,
            ),
        )
        return self.config.model_copy(update={"run": facts, "resume": None, "overwrite": False})


def check_run(config: RunConfig) -> CheckedRun:
    """Checks that a run is possible: directory, task, checkpoint, data and labels, in this order.

    Raises:
        UserError: something is wrong; nothing was written.
    """
    directory = RunDirectory(config)
    directory.check(config)
    task = find_task(config.task)
    kind = kind_of(task)
    config = config.for_kind(kind)
    config = config.model_copy(update={"data": kind.found_in_files(task, config.data)})
    columns = kind.columns_of(task, config.data)
    group = kind.metric_group(task, config.data)
    metrics, primary_metric = choose_metrics(config, task, group)
    _check_settings(config, kind)
    spec, task_adapter_spec, spec_warnings = _checked_checkpoint(config, kind)
    start_from = _trained_adapter(config, spec)
    problems = Problems()
    splits, labels, config = _checked_splits(kind, task, config, columns, problems)
    scorer = make_scorer(metrics, group, labels=labels, options=dict(config.data))
    check_computed(primary_metric, scorer.keys, group)
    kind.check_scores(splits, scorer, problems)
    problems.raise_if_any()
    return CheckedRun(
        config=config,
        directory=directory,
        task=task,
        kind=kind,
        spec=spec,
        task_adapter_spec=task_adapter_spec,
        columns=columns,
        splits=splits,
        labels=labels,
        adapter_options=kind.adapter_options(splits["train"], labels, config.data, _settings(config, kind)),
        metrics=metrics,
        primary_metric=primary_metric,
        scorer=scorer,
        warnings=(*spec_warnings, *_run_warnings(config, splits, labels, scorer), *problems.warnings),
        start_from=start_from,
    )


def _check_settings(config: RunConfig, kind: Kind) -> None:
    """Checks what the config asks of the training, before a checkpoint is looked at.

    Raises:
        ConfigError: this machine cannot do it, or the kind does not take it.
    """
    stated_precision(config.train)
    stated_trackers(config.train)
    check_deepspeed(config.train)
    check_streaming(config, kind)
    kind.check_settings(_settings_given(config))


def _checked_checkpoint(config: RunConfig, kind: Kind) -> tuple[CheckpointSpec, TaskAdapterSpec, list[str]]:
    """Returns the checkpoint as the tuner wants it, how the kind meets it, and what is to be told about it.

    Raises:
        UserError: it is no checkpoint, or does not suit the kind, the tuner or the settings.
    """
    spec = inspect_checkpoint(config.model)
    task_adapter_spec = kind.task_adapter(spec)
    task_adapter_spec.check_checkpoint(spec)
    task_adapter_spec.check_settings(_settings_given(config))
    check_suits(config.tuner, kind.name, task_adapter_spec.refuses, spec.name)
    check_trains(
        config.tuner,
        activation_checkpointing=bool(config.train.activation_checkpointing),
        max_skipped_steps=config.train.max_skipped_steps,
    )
    spec, warnings = _quantized(spec.beside(config.tuner.prompt_length), config)
    return spec, task_adapter_spec, warnings


def _run_warnings(
    config: RunConfig, splits: Mapping[str, Split], labels: LabelSpace | None, scorer: Scorer
) -> Iterator[str]:
    """Yields what the user should know of settings and memory."""
    yield from train_warnings(config.train, has_validation="validation" in splits, streams=config.data.streaming)
    yield from memory_warnings(splits, labels, keeps_scores=scorer.needs_scores)


def _checked_splits(
    kind: Kind, task: Task, config: RunConfig, columns: Mapping[str, str], problems: Problems
) -> tuple[Mapping[str, Split], LabelSpace | None, RunConfig]:
    """Returns the splits as they are learnt, the labels, and the config with what was found in the files.

    Raises:
        UserError: something is wrong with the rows, or the files that they name; all of it is told together.
    """
    as_read = read_splits(kind, task, config.data, columns, seed=config.seed, problems=problems)
    with problems.told_first():
        splits, data = kind.normalized(as_read, task, config.data, problems)
        labels = kind.labels(splits["train"], task, data)
        kind.check(splits, labels, task, data, problems)
        check_split_sizes(kind, splits, problems)
        check_ids(splits, problems)
        if "group" in columns:
            fraction = data.validation if isinstance(data.validation, float) else None
            check_groups(splits, columns["group"], fraction, problems)
    problems.raise_if_any()
    return splits, labels, config.model_copy(update={"data": data})


def choose_metrics(config: RunConfig, task: Task, group: MetricGroup) -> tuple[tuple[str, ...], str]:
    """Returns the metric names and the primary key: the config's, else the task's, else the kind's own.

    Raises:
        ConfigError: a name or key does not exist, or does not suit the problem.
    """
    names = config.metrics or task.metrics or group.defaults
    check_metric_names(names, group)
    primary = config.train.metric_for_best_model or task.primary_metric or default_key(names, group)
    check_metric_key(primary, names, group)
    check_direction(primary, config.train.greater_is_better, names, group)
    return tuple(names), primary.removeprefix("eval_")


def _settings_given(config: RunConfig) -> dict[Setting, str]:
    """Returns the settings that only some kinds take, of those that a config has, with their keys."""
    keys: dict[Setting, tuple[str, Any]] = {
        "attention": ("model.attention", config.model.attention),
        "class_weights": ("train.class_weights", config.train.class_weights),
        "label_smoothing": ("train.label_smoothing_factor", config.train.label_smoothing_factor),
        "generation": ("generation", config.generation),
    }
    return {setting: key for setting, (key, value) in keys.items() if value}


def _settings(config: RunConfig, kind: Kind) -> Settings:
    given = {} if config.generation is None else config.generation.model_dump(exclude_unset=True)
    generation = GenerationSpec(**{**kind.generation, **given})
    return Settings(
        class_weights=config.train.class_weights,
        label_smoothing=config.train.label_smoothing_factor or 0.0,
        generation=generation.model_dump(exclude_none=True) if "generation" in kind.settings else {},
    )


def _quantized(spec: CheckpointSpec, config: RunConfig) -> tuple[CheckpointSpec, list[str]]:
    """Returns the checkpoint as the tuner wants its weights kept, and what is to be told about that.

    Raises:
        ConfigError: that cannot be done here, or not with two joined checkpoints.
    """
    bits = config.tuner.quantization
    if bits is not None and spec.decoder is not None:
        raise ConfigError("tuner.quantization: two joined checkpoints are kept in full precision. Leave the key out.")
    warning = check_quantization(bits)
    return dataclasses.replace(spec, quantization=bits), [] if warning is None else [warning]


def _trained_adapter(config: RunConfig, spec: CheckpointSpec) -> TrainedAdapter | None:
    """Returns the trained adapter that the run starts from.

    Raises:
        UserError: it is none, belongs to another base, or was made by another tuner.
    """
    if config.model.adapter is None:
        return None
    found = open_trained_adapter(config.model.adapter)
    check_base(spec, found.base, found.folder)
    if config.tuner != found.config.tuner:
        before = ", ".join(
            f"{key}: {value}" for key, value in found.config.tuner.model_dump(exclude_none=True).items()
        )
        raise ConfigError(
            f"model.adapter: {found.folder} was trained with another tuner. To start from it, say\n"
            f"  tuner: {{{before}}}"
        )
    if config.tuner.method == "pissa":
        raise ConfigError(
            f"model.adapter: {found.folder} holds a change by pissa, which is saved as a plain LoRA and cannot be "
            "continued as pissa. Merge it (ftkit merge) and start from the merged checkpoint."
        )
    if config.tuner.method == "p-tuning":
        raise ConfigError(
            f"model.adapter: {found.folder} holds the virtual tokens that p-tuning's network wrote, not the network, "
            "and cannot be continued. Start anew, or use prompt, which can be."
        )
    return found
