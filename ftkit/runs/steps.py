"""Steps of a run's story that take more than a line; ftkit.run tells them in order."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from ftkit.adapters.objective import Compared
from ftkit.adapters.rows import Encoded, EncodedToScore
from ftkit.adapters.task_adapter import TaskAdapter
from ftkit.config.run_config import RunConfig
from ftkit.config.train import stated_trackers
from ftkit.console import is_main_process, note
from ftkit.data.problems import Problems
from ftkit.data.writers import open_writer
from ftkit.engine import evaluation, global_batch, predicting, training
from ftkit.engine.arguments import is_sharded
from ftkit.engine.batching import BatchLimits
from ftkit.engine.evaluation import Evaluation
from ftkit.engine.loss_course import loss_warning
from ftkit.engine.step_plan import check_has_others, plan_steps
from ftkit.engine.trackers import IDS_FILE, Trackers, base_name, flat_config
from ftkit.engine.training import Trained
from ftkit.errors import ConfigError
from ftkit.machine_faults import check_room
from ftkit.metrics.simple_methods import BASELINE, UNTRAINED
from ftkit.models.loading import LoadedModel
from ftkit.runs.ablations import ablated_scores
from ftkit.runs.baselines import baseline_scores
from ftkit.runs.checked_run import CheckedRun
from ftkit.runs.directory import RunDirectory
from ftkit.runs.files import PREDICTIONS
from ftkit.runs.loading import PEFT_PREFIXES

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


def start(run: CheckedRun) -> tuple[TrainingArguments, TaskAdapter]:
    """Makes what a run trains with, and the task adapter; no weight is read and nothing written.

    Raises:
        UserError: a setting does not suit this machine, or the checkpoint.
    """
    tuner = run.config.tuner
    arguments = training.start_engine(
        run.config.train,
        run.directory.checkpoints,
        learning_rate=None if tuner.is_full else tuner.facts.learning_rate,
        primary_metric=run.primary_metric,
        has_validation="validation" in run.splits,
        streams=run.config.data.streaming,
    )
    adapter = run.make_task_adapter()
    if run.config.data.streaming and adapter.objective.remembers:
        raise ConfigError(
            f"data.streaming: {run.task.name} compares with what the model said of each row before it was trained, "
            "which is measured beforehand, of rows that are all known. Leave it out."
        )
    return arguments, adapter


def check_examples(run: CheckedRun, adapter: TaskAdapter) -> list[str]:
    """Checks the examples against the checkpoint; returns what the user should know of them.

    Raises:
        DataError: it cannot learn from some of them.
    """
    problems = Problems()
    adapter.preprocessor.check(run.splits, problems)
    problems.raise_if_any()
    return problems.warnings


def training_warnings(
    run: CheckedRun, trained: Trained, adapter: TaskAdapter, rows: Encoded, learning_rate: float
) -> list[str]:
    """Returns a sentence on a training whose losses look as if it had learnt nothing, and none on others.

    Args:
        rows: of the training data.
    """
    train = run.splits["train"]
    # What is best for the first rows of a stream need not be so for the others: they may be sorted.
    constant_loss = None if train.is_sample else adapter.objective.constant_loss(train.examples, rows)
    warning = loss_warning(trained.log_history, constant_loss=constant_loss, learning_rate=learning_rate)
    return [] if warning is None else [warning]


def check_steps(run: CheckedRun, arguments: TrainingArguments, adapter: TaskAdapter, rows: Encoded) -> None:
    """Makes sure that a run goes on in the optimizer steps in which it began, by however many processes.

    Args:
        rows: of the training split; of a stream the first.

    Raises:
        ConfigError: they would hold other rows; or rows are compared with one another, and stand alone.
    """
    compares = adapter.objective.compares
    _check_is_held_whole(compares, arguments)
    plan = plan_steps(rows.costs, training.step_size(run.config.train, arguments, compares=compares), arguments)
    if compares is not None:
        check_has_others(plan, compares)
    if run.directory.continues:
        global_batch.check_same_steps(run.directory.checkpoints, plan, endless=run.config.data.streaming)


def check_compared(run: CheckedRun, arguments: TrainingArguments, adapter: TaskAdapter) -> None:
    """Refuses micro-batches of one row where their rows are compared, as far as their number tells.

    Raises:
        ConfigError: as `check_steps`.
    """
    compares = adapter.objective.compares
    size = training.step_size(run.config.train, arguments, compares=compares)
    _check_is_held_whole(compares, arguments)
    if compares is not None and size.cost is None:
        check_has_others(plan_steps(np.ones(len(run.splits["train"]), np.int64), size, arguments), compares)


def _check_is_held_whole(compares: Compared | None, arguments: TrainingArguments) -> None:
    """Refuses to share out a model whose loss reads weights of its own outside of its forward pass.

    Raises:
        ConfigError: it is to be shared out.
    """
    if compares == "step" and is_sharded(arguments):
        raise ConfigError(
            "train.fsdp, train.deepspeed: all rows of a step are compared, for which each process needs what cosines "
            "are multiplied by. Leave both out."
        )


def check_tuned_layers(run: CheckedRun) -> None:
    """Looks for what the tuner needs, and the layers that it is told to change, in a model that has no weights.

    Raises:
        ConfigError: the checkpoint does not have them, or peft can attach nothing to it.
    """
    tuner = run.config.tuner
    if tuner.is_full:
        return
    from ftkit.models.loading import model_without_weights
    from ftkit.tuners.heads import check_head_can_train
    from ftkit.tuners.targets import check_can_attach, check_layers

    how = run.task_adapter_spec
    model = model_without_weights(how.auto_class, run.spec)
    if model is None:
        return
    check_can_attach(model)
    check_layers(model, tuner)
    if run.labels is not None:
        with_labels = model_without_weights(how.auto_class, run.spec, num_labels=len(run.labels))
        if with_labels is not None:
            check_head_can_train(model, with_labels, how.peft_task, saved_as=run.spec.architectures)


def built_model(run: CheckedRun, adapter: TaskAdapter) -> LoadedModel:
    """Returns the checkpoint with the head that the task needs; rows of labels that its own head knows are kept."""
    loaded = adapter.objective.build()
    if run.labels is None:
        return loaded
    from ftkit.models.head_rows import keep_known_rows

    loaded, told = keep_known_rows(loaded, run.spec, run.labels)
    if told is not None and not run.keeps_head:
        note(told)
    return loaded


def tuned_model(run: CheckedRun, loaded: LoadedModel) -> PreTrainedModel:
    """Returns the model with only those weights trainable that are to move; see ftkit.tuners."""
    from ftkit.tuners.apply import apply_tuner

    peft_task, found = run.task_adapter_spec.peft_task, run.start_from
    if found is None:
        return apply_tuner(loaded.model, loaded.new_parameters, run.config.tuner, peft_task=peft_task)
    from ftkit.models.head_rows import HeadRows, output_axes
    from ftkit.tuners.saving import continue_from, read_state

    match, new, rows = run.adapter_rows, loaded.new_parameters, None
    if match is not None and match.knows_some:
        rows, saved = HeadRows(match.rows, output_axes(loaded.model)), read_state(found.folder)
        # What the adapter trained of the head is trained on, also where the base has the same labels as this run.
        new |= {name for name in rows.axes if any(f"{prefix}{name}" in saved for prefix in PEFT_PREFIXES)}
    model = apply_tuner(loaded.model, new, run.config.tuner, peft_task=peft_task)
    continue_from(model, found.folder, with_head=run.keeps_head, rows=rows)
    if match is not None:
        note(match.told(f"the adapter {found.folder}"))
    return model


def with_reference(
    run: CheckedRun,
    model: PreTrainedModel,
    adapter: TaskAdapter,
    rows: Encoded,
    to_score: dict[str, EncodedToScore],
    limits: BatchLimits,
    arguments: TrainingArguments,
) -> tuple[Encoded, dict[str, EncodedToScore]]:
    """Returns rows to train on and to score with what the model says of them before it is trained.

    They are returned as they are where the loss compares with nothing of the kind. All processes call it together.
    What is trained on is measured in the precision of the training, whose rounding then is the same on both sides.

    Args:
        model: with its tuner, untrained.
        arguments: whose precision has been chosen.
    """
    if not adapter.objective.remembers:
        return rows, to_score
    import torch

    from ftkit.engine.reference import kept_reference
    from ftkit.models.quantization import move
    from ftkit.tuners.untrained import untrained

    autocast = torch.bfloat16 if arguments.bf16 else torch.float16 if arguments.fp16 else None
    move(model, arguments.device)

    def measured(name: str, encoded: Encoded, dtype: torch.dtype | None) -> Encoded:
        file, facts = run.directory.checkpoints / f"reference-{name}.json", run.weight_fingerprints()
        return kept_reference(model, adapter, encoded, limits, file=file, facts=facts, autocast=dtype)

    with untrained(model, continues=run.start_from is not None):
        return measured("train", rows, autocast), {
            name: dataclasses.replace(split, targets=measured(name, split.told, None))
            for name, split in to_score.items()
        }


class RunStaysInPlace(TrainerCallback):
    """Ends a run whose folder was removed while it trained: what it saved would be a part of a run."""

    def __init__(self, directory: RunDirectory) -> None:
        self.directory = directory

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Looks after every step, on the process that writes."""
        if state.is_world_process_zero:
            self.directory.check_is_there()


class WeightsStayInBounds(TrainerCallback):
    """Has the objective bring weights back into their bounds after every step of the optimizer."""

    def __init__(self, adapter: TaskAdapter, model: Any) -> None:
        self.objective, self.model = adapter.objective, model

    def on_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Changes weights in place."""
        self.objective.constrain(self.model)


def callbacks(config: RunConfig, directory: RunDirectory, adapter: TaskAdapter, model: Any) -> list[TrainerCallback]:
    """Returns what is to happen while a model trains, by the config and for the run's folder."""
    found: list[TrainerCallback] = [RunStaysInPlace(directory), WeightsStayInBounds(adapter, model)]
    if config.tuner.method == "adalora":
        from ftkit.tuners.rank_allocation import RankAllocation

        found.append(RankAllocation(model))
    return found


def open_trackers(run: CheckedRun) -> Trackers:
    """Opens the trackers that the config names; the run directory has been made."""
    trackers, config = Trackers(), run.config.train
    names = stated_trackers(config)
    if not names:
        return trackers
    from ftkit.engine.tracker_backends import RunDescription

    trackio = {"space_id": config.trackio_space_id, "bucket_id": config.trackio_bucket_id}
    description = RunDescription(
        project=config.project or "ftkit",
        run_name=config.run_name or run.directory.path.absolute().name,
        folder=run.directory.work,
        stores=run.directory.path,
        config={
            **flat_config(run.config.model_dump(mode="json", exclude_none=True)),
            **{f"data.{split}.fingerprint": digest for split, digest in run.fingerprints.items()},
        },
        tags={
            "library": "ftkit",
            "task": run.kind.name,
            "checkpoint": base_name(run.spec.name),
            "tuner": run.config.tuner.method,
        },
        trackio={key: value for key, value in trackio.items() if value},
    )
    ids_file = run.directory.checkpoints / IDS_FILE
    trackers.start(names, description, ids_file=ids_file, resume=run.directory.continues)
    return trackers


def settle(
    run: CheckedRun, model: PreTrainedModel, adapter: TaskAdapter, encoded: EncodedToScore, limits: BatchLimits
) -> None:
    """Settles on validation, with the best weights, what predictions depend on; all processes call it together."""
    arrays = predicting.predict_all(model, adapter, encoded.inputs, limits, shared=True)
    references = adapter.objective.references(run.splits["validation"].examples)
    adapter.objective.settle(arrays, references)


def untrained_scores(
    run: CheckedRun,
    model: PreTrainedModel,
    adapter: TaskAdapter,
    to_score: Mapping[str, EncodedToScore],
    limits: BatchLimits,
    device: torch.device,
) -> dict[str, float | None]:
    """Returns the primary metric of each scored split before training; nothing where a checkpoint cannot predict yet.

    All processes call it together, and the model is on the device from then on.
    """
    if not adapter.objective.starts_trained:
        return {}
    from ftkit.models.quantization import move

    move(model, device)
    found = {
        name: evaluation.evaluate(model, adapter, run.splits[name], encoded, run.scorer, limits, to_be_read=False)
        for name, encoded in to_score.items()
    }
    return {name: one.metrics.get(run.primary_metric) for name, one in found.items()}


def evaluate_split(
    run: CheckedRun,
    model: PreTrainedModel,
    adapter: TaskAdapter,
    name: str,
    encoded: EncodedToScore,
    limits: BatchLimits,
    *,
    untrained: Mapping[str, float | None],
) -> Evaluation:
    """Scores one split, and simple methods beside the model, and describes what was predicted; see `_score`.

    Args:
        untrained: split -> its score before training, where there is one.
    """
    found = _score(run, model, adapter, name, encoded, limits)
    beside = baseline_scores(
        run.kind, run.scorer, run.primary_metric, run.splits["train"], run.splits[name], found.references
    )
    beside |= {f"{BASELINE}{UNTRAINED}": untrained[name]} if name in untrained else {}
    beside |= ablated_scores(run.kind, model, adapter, run.splits[name], run.scorer, run.primary_metric, limits)
    traits = run.kind.traits(run.splits[name], found.predictions)
    return dataclasses.replace(found, metrics={**found.metrics, **beside, **traits}, traits=traits)


def _predictions_bytes(adapter: TaskAdapter, num_rows: int) -> int:
    """Returns about how many bytes predictions take at least: their keys, and a number for each."""
    row = json.dumps(adapter.objective.no_prediction())
    return num_rows * (len(row) + 16 * row.count("null"))


def _score(
    run: CheckedRun,
    model: PreTrainedModel,
    adapter: TaskAdapter,
    name: str,
    encoded: EncodedToScore,
    limits: BatchLimits,
) -> Evaluation:
    """Scores one split and writes `predictions/<split>.jsonl`, a row for each input row, in input order.

    Where texts are written they also go to `predictions/<split>.txt`, one a line, as other scorers read them. A model
    that is judged by measures predicts no more than what people are to read.
    """
    split, folder = run.splits[name], run.directory.staging / PREDICTIONS
    if not is_main_process() or (adapter.objective.is_measured and not encoded.chosen):
        return evaluation.evaluate(model, adapter, split, encoded, run.scorer, limits)
    run.directory.check_is_there()
    check_room(folder, _predictions_bytes(adapter, len(split)), f"the predictions of {name}")
    with contextlib.ExitStack() as stack:
        formats = adapter.objective.formats
        writers = [stack.enter_context(open_writer(folder / f"{name}.{format}")) for format in formats]

        def write(examples: Sequence[Any], arrays: Mapping[str, Any]) -> None:
            for example, prediction in zip(examples, adapter.objective.decode(dict(arrays), examples), strict=True):
                for writer in writers:
                    writer.write({"id": example.id, **prediction})

        return evaluation.evaluate(model, adapter, split, encoded, run.scorer, limits, on_window=write)
