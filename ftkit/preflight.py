"""Everything that can be known and checked before any weight is loaded or any file written."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ftkit.adapters.table import find_adapter
from ftkit.config import BaseFacts, RunConfig, RunFacts, TaskFacts
from ftkit.data.check import Problems
from ftkit.errors import ConfigError
from ftkit.metrics.checks import check_computed, check_metric_key, check_metric_names, default_key
from ftkit.metrics.scorer import Scorer, make_scorer
from ftkit.metrics.table import MetricGroup
from ftkit.models.checkpoint import CheckpointSpec, inspect_checkpoint
from ftkit.models.generation import GenerationSpec
from ftkit.models.quantization import check_quantization
from ftkit.run_directory import RunDirectory
from ftkit.tasks import Task, find_task, kind_module
from ftkit.tasks.kind import KindModule
from ftkit.tasks.splits import read_splits
from ftkit.train_spec import compiles, stated_precision, stated_trackers
from ftkit.trained_adapter import TrainedAdapter, check_base, open_trained_adapter
from ftkit.tuners.suits import check_suits, check_trains
from ftkit.types import WRITING_KINDS, LabelSpace, Split
from ftkit.version import __version__

if TYPE_CHECKING:
    from ftkit.adapters.adapter import Adapter, Built


@dataclass(frozen=True)
class Plan:
    """A run that is possible.

    Attributes:
        kind: the module of the task's kind.
        columns: role -> column of the user's files.
        splits: `train`, and `validation` and `test` where there are any.
        adapter_options: what the adapter is made with, such as class weights; saved with the run.
        metrics: names of the metrics to compute.
        primary_metric: the key that picks the best checkpoint.
        scorer: computes the metrics; external ones are loaded and tried.
        warnings: what the user should know about the data.
        start_from: a trained adapter on the same checkpoint, whose weights the run starts from.
    """

    config: RunConfig
    directory: RunDirectory
    task: Task
    kind: KindModule
    spec: CheckpointSpec
    adapter_class: type[Adapter]
    columns: Mapping[str, str]
    splits: Mapping[str, Split]
    labels: LabelSpace | None
    adapter_options: Mapping[str, Any]
    metrics: tuple[str, ...]
    primary_metric: str
    scorer: Scorer
    warnings: tuple[str, ...]
    start_from: TrainedAdapter | None = None

    def make_adapter(self) -> Adapter:
        """Returns the task adapter, with the checkpoint's tokenizer loaded."""
        max_length = self.config.data.max_length
        return self.adapter_class(self.spec, self.labels, max_length=max_length, **self.adapter_options)  # type: ignore[call-arg]

    @property
    def fingerprints(self) -> dict[str, str]:
        """Split -> digest of what was read."""
        return {name: split.fingerprint for name, split in self.splits.items()}

    def tune(self, built: Built) -> Built:
        """Returns the model with only those weights trainable that are to move; see ftkit.tuners."""
        from ftkit.tuners.apply import apply_tuner

        tuner, kind, family = self.config.tuner, self.task.kind, self.spec.family
        model = apply_tuner(built.model, built.new_parameters, tuner, kind=kind, family=family)
        if self.start_from is not None:
            from ftkit.tuners.saving import continue_from

            continue_from(model, self.start_from.folder, with_head=self.keeps_head)
        return dataclasses.replace(built, model=model)

    @property
    def keeps_head(self) -> bool:
        """Whether the head of the trained adapter that the run starts from predicts the same labels."""
        found, labels = self.start_from, self.labels
        if found is None or found.kind != self.task.kind:
            return False
        return labels is None or list(found.label_names) == [labels.id2label[index] for index in range(len(labels))]

    def resolved_config(self, adapter: Adapter, base: BaseFacts | None) -> RunConfig:
        """Returns the config with what inference needs to know."""
        facts = RunFacts(
            ftkit_version=__version__,
            task_name=self.task.name,
            kind=self.task.kind,
            family=self.spec.family,
            columns=dict(self.columns),
            max_length=adapter.max_length,
            adapter_options={**self.adapter_options, **adapter.fitted_options},
            prepared=self.task.prepare is not None,
            base=base,
            declared=TaskFacts(
                labels=self.task.labels,
                problem_type=self.task.problem_type,
                metrics=self.task.metrics,
                primary_metric=self.task.primary_metric,
            ),
        )
        return self.config.model_copy(update={"run": facts, "resume": False, "overwrite": False})


def prepare(config: RunConfig) -> Plan:
    """Checks that a run is possible: directory, task, checkpoint, data and labels, in this order.

    Raises:
        UserError: something is wrong; nothing was written.
    """
    directory = RunDirectory(config.output_dir)
    directory.check(config)
    task = find_task(config.task)
    kind = kind_module(task.kind)
    columns = kind.columns_of(task, config.data)
    group = kind.metric_group(task, config.data)
    metrics, primary_metric = choose_metrics(config, task, group)
    stated_precision(config.train)
    stated_trackers(config.train)
    spec = inspect_checkpoint(config.model)
    adapter_class = find_adapter(task.kind, spec.family, spec.name)
    check_suits(config.tuner, task.kind, spec.family, spec.name)
    check_trains(config.tuner, activation_checkpointing=bool(config.train.activation_checkpointing))
    _check_unpads(config)
    spec = spec.beside(config.tuner.prompt_length)
    spec, quantization_warnings = _quantized(spec, config)
    start_from = _trained_adapter(config, spec)
    if config.model.attention is not None and task.kind != "token-classification":
        raise ConfigError(
            f"model.attention: {task.kind} reads a decoder as its checkpoint says; the key is for "
            "token-classification. Leave it out."
        )
    problems = Problems()
    as_read = read_splits(kind, task, config.data, columns, seed=config.seed)
    splits, data = kind.resolve(as_read, task, config.data, problems)
    problems.raise_if_any()
    config = config.model_copy(update={"data": data})
    labels = kind.fit_labels(splits["train"], task, config.data)
    kind.check(splits, labels, task, config.data, problems)
    problems.raise_if_any()
    scorer = make_scorer(metrics, group, labels=labels, options=dict(config.data))
    check_computed(primary_metric, scorer.keys, group)
    return Plan(
        config=config,
        directory=directory,
        task=task,
        kind=kind,
        spec=spec,
        adapter_class=adapter_class,
        columns=columns,
        splits=splits,
        labels=labels,
        adapter_options=_adapter_options(config, task, kind, splits["train"], labels),
        metrics=metrics,
        primary_metric=primary_metric,
        scorer=scorer,
        warnings=(*quantization_warnings, *problems.warnings),
        start_from=start_from,
    )


def _check_unpads(config: RunConfig) -> None:
    """Refuses settings under which padding cannot be left out, if that was asked for.

    Raises:
        ConfigError: saying which.
    """
    reason = why_not_unpadded(config)
    if config.train.unpad is True and reason is not None:
        raise ConfigError(f"train.unpad: {reason}")


def why_not_unpadded(config: RunConfig) -> str | None:
    """Returns why a run's settings do not let padding be left out; whether the checkpoint does is tried later."""
    if config.tuner.facts.reads_prompt:
        return (
            f"{config.tuner.method} puts virtual tokens before each text, which would have to be counted "
            "among its own. Leave the key out, or choose lora."
        )
    if compiles(config.train):
        return (
            "the number of tokens differs from batch to batch, and a compiled model is made for few "
            "shapes. Leave out this key or train.torch_compile."
        )
    return None


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


def _adapter_options(
    config: RunConfig, task: Task, kind: KindModule, train: Split, labels: LabelSpace | None
) -> dict[str, Any]:
    """Returns what the adapter is made with.

    Raises:
        ConfigError: a setting that means nothing in this kind of task.
    """
    settings: dict[str, Any] = {
        "class_weights": config.train.class_weights,
        "label_smoothing": config.train.label_smoothing_factor or 0.0,
    }
    if task.kind in WRITING_KINDS:
        settings["generation"] = (config.generation or GenerationSpec()).model_dump(exclude_none=True)
    elif config.generation is not None:
        raise ConfigError(f"generation: nothing is written in {task.kind}. Leave the section out.")
    return kind.adapter_options(train, labels, config.data, **settings)


def choose_metrics(config: RunConfig, task: Task, group: MetricGroup) -> tuple[tuple[str, ...], str]:
    """Returns the metric names and the primary key: the config's, else the task's, else the kind's own.

    Raises:
        ConfigError: a name or key does not exist, or does not suit the problem.
    """
    names = config.metrics or task.metrics or group.defaults
    check_metric_names(names, group)
    primary = config.train.metric_for_best_model or task.primary_metric or default_key(names, group)
    check_metric_key(primary, names, group)
    return tuple(names), primary.removeprefix("eval_")
