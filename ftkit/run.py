"""The whole story of a run, top to bottom: check everything, train, evaluate, save, prove, report; perhaps push."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftkit import outcome
from ftkit.config import RunConfig
from ftkit.console import is_main_process, note, warn
from ftkit.errors import FtkitError, HubError
from ftkit.preflight import Plan, prepare
from ftkit.tuners.counts import count_parameters

if TYPE_CHECKING:
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


def check(config: RunConfig) -> Plan:
    """Checks that a run is possible, and that what it wants to push can be pushed. Nothing is written.

    Raises:
        UserError: something is wrong.
        HubError: the Hub cannot be reached, or refuses what is to be pushed.
    """
    plan = prepare(config)
    if config.push is not None and is_main_process():
        from ftkit.hub import check_push

        check_push(config, plan.spec)
    return plan


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
    """Carries out a run; on several processes, each calls this and the main one writes.

    Raises:
        UserError: config, data or checkpoint are wrong; nothing was written.
        RunError: the run started and could not finish; its checkpoints are sound.
    """
    # Check: directory, task, checkpoint, data, labels, the way to the Hub. No weights are read, nothing is written.
    plan = check(config)

    # Encode: the task adapter turns examples into token ids.
    from ftkit.engine import memory, training

    arguments = training.start_engine(plan)
    adapter = plan.make_adapter()
    encoded = {
        name: adapter.encode(split) if name == "train" else adapter.encode_prompt(split)
        for name, split in plan.splits.items()
    }

    # Build: the checkpoint, with the head that the task needs; the tuner freezes what is to stay.
    built = training.build(plan, adapter, arguments)
    rows = ", ".join(f"{len(split):,} {name}" for name, split in encoded.items())
    size = count_parameters(built.model)
    note(f"{plan.task.name} from {plan.spec.name} ({plan.spec.family}, {size}); rows: {rows}")
    warnings = [*plan.warnings, *outcome.truncation_warnings(encoded)]
    for warning in warnings:
        warn(warning)

    # Start: all processes have looked at the directory before one of them writes into it.
    process = arguments.distributed_state
    process.wait_for_everyone()
    if process.is_main_process:
        plan.directory.start(config, plan.fingerprints)
    trackers = training.open_trackers(plan, is_main_process=process.is_main_process)
    process.wait_for_everyone()

    # Train, and evaluate with the best weights.
    trained = training.train(plan, arguments, adapter, built, encoded, trackers)
    memory.release_memory()
    if process.is_main_process:
        plan.directory.new_staging()
    evaluated = {
        name: outcome.evaluate(plan, trained, adapter, split, name)
        for name, split in encoded.items()
        if name != "train"
    }
    for warning in (cut_off := outcome.cut_off_warnings(evaluated)):
        warn(warning)
    results = outcome.collect_results(plan, trained, adapter, encoded, evaluated)

    # Save, load again from disk and compare, report; only then is it a finished run.
    if process.is_main_process:
        outcome.save(plan, trained, adapter)
        results["saved_megabytes"] = outcome.saved_megabytes(plan)
        results["proof"] = outcome.prove(plan, trained, adapter)
        outcome.report(plan, trained, adapter, evaluated, results, [*warnings, *cut_off])
        plan.directory.publish(results)
        trackers.finish(results, plan.directory.path)
    process.wait_for_everyone()
    return RunResult(plan.directory.path, results, plan.primary_metric, outcome.example(plan, evaluated))
