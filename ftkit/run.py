"""The whole story of a run, top to bottom: check everything, train, evaluate, save, prove, report; perhaps push."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftkit.config.files import CONFIG_FILE
from ftkit.config.run_config import RunConfig, load_config
from ftkit.console import is_main_process, note, warn
from ftkit.data.files import atomic_write_text
from ftkit.engine.launched import ending_together, num_launched, wait_for_rank_0
from ftkit.errors import FtkitError, HubError, Interrupted
from ftkit.models.checkpoint import check_weights_are_whole
from ftkit.models.fingerprint import weights_fingerprint
from ftkit.runs.checked_run import CheckedRun, check_run
from ftkit.runs.trained_adapter import base_facts
from ftkit.runs.trust import check_code_is_trusted

if TYPE_CHECKING:
    from ftkit.engine.interruption import Interruption
    from ftkit.hub import Pushed


@dataclass(frozen=True)
class RunResult:
    """A finished run.

    Attributes:
        output_dir: the run directory.
        metrics: what its `all_results.json` holds, such as `test_accuracy`.
        primary_metric: the metric that picked the best checkpoint, without a prefix.
        example: one row of the last evaluated split with its prediction, for the summary.
    """

    output_dir: Path
    metrics: Mapping[str, Any]
    primary_metric: str
    example: Mapping[str, Any] | None = None

    def push(self, repo_id: str, **options: Any) -> Pushed:
        """Uploads the run to the Hub.

        Args:
            repo_id: `owner/name`; made if it does not exist.
            options: as of `ftkit.push`: private, revision, message, with_predictions, base.

        Raises:
            UserError, HubError: as of `ftkit.push`; the run is as it was.
        """
        from ftkit.hub import push

        pushed = push(self.output_dir, repo_id, **options)
        assert pushed is not None, "nobody was asked"
        return pushed


def train(
    config: str | Path | Mapping[str, Any],
    overrides: Mapping[str, Any] | None = None,
    *,
    trust_remote_code: bool = False,
) -> RunResult:
    """Trains, evaluates, saves and proves one run.

    Args:
        config: a YAML file, or a mapping of the same shape.
        overrides: dotted key -> value, such as `{"train.num_train_epochs": 1}`.
        trust_remote_code: where the config is a run's ftkit.yaml: whether code that it names may run.

    Returns:
        Where the run lies and what its `all_results.json` holds.

    Raises:
        UserError: config, data or checkpoint are wrong; nothing was written.
        RunError: training started and could not finish.
    """
    with ending_together():
        loaded = load_config(config, overrides)
        check_code_is_trusted(config, loaded, overrides, trust_remote_code=trust_remote_code)
        result = execute(loaded)
        push_finished(loaded, result)
    return result


def check(config: RunConfig) -> CheckedRun:
    """Checks that a run can start, and that what it wants to push can be pushed. Nothing is written.

    Training arguments, optimizer, processor and task adapter are made as a run makes them, and what they change in
    this process is put back.

    Raises:
        UserError: something is wrong.
        HubError: the Hub cannot be reached, or refuses what is to be pushed.
    """
    run = _possible_run(config)
    check_weights_are_whole(run.spec)
    from ftkit.engine.process_state import process_state_kept
    from ftkit.runs import steps
    from ftkit.speedups.table import check_speedups_suit

    with process_state_kept():
        arguments, adapter = steps.start(run)
        run = dataclasses.replace(run, warnings=(*run.warnings, *steps.check_examples(run, adapter)))
        steps.check_compared(run, arguments, adapter)
        steps.encode_longest(run, adapter)
        run = dataclasses.replace(run, counted=steps.count_rows(run, adapter))
        steps.check_tuned_layers(run)
        check_speedups_suit(config.train, run.spec, run.task_adapter_spec.auto_class)
    if run.directory.continues or run.directory.is_finished:
        run.directory.check_same_data(run.fingerprints)
        run.directory.check_same_weights(run.weight_fingerprints())
    return run


def _possible_run(config: RunConfig) -> CheckedRun:
    """Checks what can be checked without the libraries that train."""
    from ftkit.speedups.table import check_speedups

    check_speedups(config.train, config.tuner)
    run = check_run(config)
    if config.push is not None and is_main_process():
        from ftkit.hub import check_push

        check_push(config, run.spec)
    return run


def push_finished(config: RunConfig, result: RunResult) -> Pushed | None:
    """Pushes a finished run where its config says so, on the main process.

    Raises:
        HubError: it could not be pushed; the run is finished and whole.
    """
    if config.push is None or not is_main_process():
        return None
    try:
        return result.push(**config.push.model_dump())
    except FtkitError as error:
        raise HubError(
            f"{error}\nThe run is finished and whole. To push it: ftkit push {result.output_dir} {config.push.repo_id}"
        ) from None


def execute(config: RunConfig) -> RunResult:
    """Carries out a run, and ends it in good order when a signal asks for it.

    On several processes, each calls this inside of `ending_together`, and the main one writes.

    Raises:
        UserError: config, data or checkpoint are wrong; nothing was written.
        RunError: the run started and could not finish; its checkpoints are sound.
        Interrupted: a signal asked the run to end; it has been saved.
    """
    from ftkit.engine.interruption import Interruption, interruption_behind
    from ftkit.engine.launched import losses_told
    from ftkit.engine.memory_errors import running_out_told
    from ftkit.runs.faults import faults_told

    try:
        with Interruption().listening() as interruption:
            # Check: directory, task, checkpoint, data, labels, the way to the Hub. No weights are read, nothing
            # written.
            run = _possible_run(config)
            if num_launched() > 1:
                from ftkit.runs.agreement import agree

                agree(run)
            with (
                run.directory.lock,
                run.directory.withdrawn_on_failure(),
                faults_told(run.directory),
                running_out_told(),
                losses_told(interruption),
            ):
                return _carry_out(config, run, interruption)
    except Exception as error:
        found = interruption_behind(error)
        if found is None:
            raise
        raise Interrupted(f"{found} The same command goes on with the run.") from None


def _carry_out(config: RunConfig, run: CheckedRun, interruption: Interruption) -> RunResult:
    directory = run.directory
    if directory.is_finished:
        directory.check_same_data(run.fingerprints)
        directory.check_same_weights(run.weight_fingerprints())
        note(f"{directory.path} holds this run, finished: nothing is left to do")
        return RunResult(directory.path, directory.results(), run.primary_metric)

    # From here on torch and transformers are needed.
    from ftkit.adapters import encoding
    from ftkit.engine import evaluation, precision, training
    from ftkit.engine.freed_memory import release_memory
    from ftkit.engine.step_plan import data_seed
    from ftkit.engine.trackers import TrackerCallback, Trackers
    from ftkit.report.files import write_report
    from ftkit.report.gathered import report_content
    from ftkit.report.summary import shown_example
    from ftkit.runs import baselines, proof, results, saving, steps
    from ftkit.runs.augmented_rows import augmented_rows
    from ftkit.runs.training_data import indexed_data, open_stream
    from ftkit.speedups import memory, startup
    from ftkit.speedups.table import Speedups
    from ftkit.tuners.counts import count_parameters

    # Encode: the preprocessor turns examples into rows; of a stream those that were read to check it.
    memory.keep_freed_memory()
    arguments, adapter = steps.start(run)
    told_of_examples = steps.check_examples(run, adapter)
    process = arguments.distributed_state
    adapter.preprocessor.fit(run.splits["train"].examples)
    rows = encoding.encode_to_train(adapter.preprocessor, run.splits["train"].examples)
    steps.check_steps(run, arguments, adapter, rows)
    to_score = {
        name: encoding.encode_to_score(
            adapter.preprocessor, split.examples, all_predicted=run.scorer.reads_predictions
        )
        for name, split in run.splits.items()
        if name != "train"
    }
    encoded = {"train": rows, **{name: split.told for name, split in to_score.items()}}

    # Build: the checkpoint, with the head that the task needs; the tuner freezes what is to stay.
    speedups = Speedups(config.train, config.tuner, arguments, adapter, rows, streams=config.data.streaming)
    loaded = steps.built_model(run, adapter)
    speedups.attach("loaded", loaded.model)
    model = steps.tuned_model(run, loaded)
    counts = ", ".join(
        f"{'the first ' if run.splits[name].is_sample else ''}{len(split):,} {name}" for name, split in encoded.items()
    )
    note(f"{run.task.name} from {run.spec.name} ({run.spec.family}, {count_parameters(model)}); rows: {counts}")
    if run.told_of_stream is not None:
        note(run.told_of_stream)
    counted = results.counted(run.splits, encoded, adapter.preprocessor)
    for name, text in counted.items():
        note(f"{name}: {text}")
    cut = results.truncation_warnings(encoded, adapter.preprocessor)
    warnings = [*run.warnings, *told_of_examples, *cut, *adapter.objective.warnings(loaded)]
    for warning in warnings:
        warn(warning)

    # What a stream begins with is read now: a row that is wrong is the user's mistake as long as nothing is written.
    is_whole = adapter.objective.compares_rows
    size = training.step_size(config.train, arguments, padding_is_free=speedups.padding_is_free, is_whole=is_whole)
    resume_from = training.resume_point(directory.checkpoints) if directory.continues else None
    stream = open_stream(run, arguments, adapter, size, resume_from=resume_from)

    # Start: all processes have looked at the directory before one of them writes into it.
    process.wait_for_everyone()
    if process.is_main_process:
        # The config as it was given: a run to be resumed is compared with it.
        directory.start(config, run.fingerprints, run.weight_fingerprints())
    trackers = steps.open_trackers(run) if process.is_main_process else Trackers()
    process.wait_for_everyone()
    directory.is_started = True

    # Train, and evaluate with the best weights.
    startup.wake_collector()
    limits = evaluation.prediction_limits(config.train, adapter.objective, device_type=arguments.device.type)

    untrained = steps.untrained_scores(run, model, adapter, to_score, limits, arguments.device)
    choice = precision.choose_precision(
        config.train,
        arguments,
        adapter,
        model,
        rows,
        size,
        padding_is_free=speedups.padding_is_free,
        folder=directory.checkpoints,
        resume=directory.continues,
    )
    speedups.attach("tuned", model, size=size)
    rows, to_score = steps.with_reference(run, model, adapter, rows, to_score, limits, arguments)

    def validate(trained: Any) -> dict[str, Any]:
        quick, split = adapter.for_validation(), run.splits["validation"]
        with precision.full_precision(trained):
            found = to_score["validation"]
            return evaluation.evaluate(trained, quick, split, found, run.scorer, limits, to_be_read=False).metrics

    with speedups, trackers.abandoned_on_failure():
        trained = training.train(
            model,
            adapter,
            stream or indexed_data(run, arguments, adapter, rows, size),
            arguments,
            make_model=lambda: steps.tuned_model(run, steps.built_model(run, adapter)),
            evaluate_model=validate if "validation" in to_score else None,
            save_total_limit=config.train.save_total_limit,
            primary_metric=run.primary_metric,
            early_stopping_patience=config.train.early_stopping_patience,
            max_skipped_steps=config.train.max_skipped_steps,
            interruption=interruption,
            check_folder=directory.check_is_there,
            callbacks=[*steps.callbacks(config, directory, model), TrackerCallback(trackers)],
            resume_from=resume_from,
        )
    release_memory()
    for warning in (course := steps.training_warnings(run, trained, adapter, rows, arguments.learning_rate)):
        warn(warning)
    if process.is_main_process:
        saving.check_room_for(trained.model, directory.new_staging(), tuner=config.tuner)
    if "validation" in to_score and adapter.objective.settles:
        steps.settle(run, trained.model, adapter, to_score["validation"], limits)
    evaluated = {
        name: steps.evaluate_split(run, trained.model, adapter, name, split, limits, untrained=untrained)
        for name, split in to_score.items()
    }
    told = [*results.cut_off_warnings(evaluated), *baselines.unbeaten_warnings(evaluated, run.primary_metric)]
    for warning in told:
        warn(warning)
    numbers = {
        **trained.metrics,
        **count_parameters(trained.model).facts,
        **choice.facts,
        **speedups.facts,
        **run.scorer.facts,
        **adapter.objective.facts(trained.model),
        "training_warnings": course,
        **({"counted": counted} if counted else {}),
        **adapter.objective.resolved_options,
    }
    found = results.collect_results(numbers, run.splits, encoded, evaluated)

    # Save, load again from disk and compare, report; only then is it a finished run.
    example = None
    if process.is_main_process:
        directory.check_is_there()
        staging = directory.staging
        saving.save_model(trained.model, adapter, staging, tuner=config.tuner, spec=run.spec)
        if config.tuner.is_full:
            resolved = run.resolved_config(adapter, None, weights_fingerprint(staging))
        else:
            resolved = run.resolved_config(adapter, base_facts(run.spec, staging, run=directory.path))
        atomic_write_text(staging / CONFIG_FILE, resolved.to_yaml())
        found["saved_megabytes"] = saving.saved_megabytes(staging)
        sample = run.splits.get("validation") or run.splits["train"]
        found["proof"] = proof.prove(
            staging,
            resolved,
            kind=run.kind,
            model=trained.model,
            adapter=adapter,
            split=sample,
            published={name: run.splits[name] for name in to_score},
            limits=limits,
        )
        train = run.splits["train"]
        augmented = augmented_rows(adapter.preprocessor, train, rows, seed=data_seed(arguments))
        told = [*warnings, *course, *told]
        content = report_content(run, trained, adapter, evaluated, found, told, augmented)
        directory.check_is_there()
        example = shown_example(write_report(staging, content).card)
        with interruption.completing():
            directory.publish(found)
            try:
                trackers.finish(found, directory.work)
            finally:
                directory.replace()
    wait_for_rank_0()
    return RunResult(
        directory.path, found if process.is_main_process else directory.results(), run.primary_metric, example
    )
