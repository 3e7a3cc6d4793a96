"""The whole story of a run, top to bottom: check everything, train, evaluate, save, prove, report; perhaps push."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftkit.config.run_config import RunConfig, load_config
from ftkit.console import is_main_process, note
from ftkit.engine.launched import ending_together, num_launched, wait_for_rank_0
from ftkit.errors import FtkitError, HubError, Interrupted
from ftkit.models.checkpoint import check_weights_are_whole
from ftkit.runs.checked_run import CheckedRun, check_run
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
    from ftkit.runs.encoded_splits import encode_to_check
    from ftkit.speedups.table import check_speedups_suit

    with process_state_kept():
        arguments, adapter = steps.start(run)
        run = dataclasses.replace(run, warnings=(*run.warnings, *steps.check_examples(run, adapter)))
        steps.check_compared(run, arguments, adapter)
        counted, cut = encode_to_check(run, adapter)
        run = dataclasses.replace(run, counted=counted, warnings=(*run.warnings, *cut))
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
    """Goes through the phases of a run; one that is finished already is left as it is."""
    directory = run.directory
    if directory.is_finished:
        directory.check_same_data(run.fingerprints)
        directory.check_same_weights(run.weight_fingerprints())
        note(f"{directory.path} holds this run, finished: nothing is left to do")
        return RunResult(directory.path, directory.results(), run.primary_metric)

    # From here on torch and transformers are needed.
    from ftkit.run_phases import RunPhases

    phases = RunPhases(config, run, interruption)
    phases.encode()
    phases.build()
    phases.start()
    phases.train()
    phases.score()
    if is_main_process():
        phases.publish()
    wait_for_rank_0()
    metrics = phases.found if is_main_process() else directory.results()
    return RunResult(directory.path, metrics, run.primary_metric, phases.example)
