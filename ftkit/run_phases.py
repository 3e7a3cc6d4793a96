"""The phases of a run that has been checked: encode, build, start, train, score, publish.

torch and transformers are imported here, and not before a run is known to be possible.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ftkit.config.files import CONFIG_FILE
from ftkit.config.run_config import RunConfig
from ftkit.console import note, warn
from ftkit.data.files import atomic_write_text
from ftkit.engine import evaluation, precision, predicting, training
from ftkit.engine.freed_memory import release_memory
from ftkit.engine.interruption import Interruption
from ftkit.engine.trackers import TrackerCallback, Trackers
from ftkit.engine.trainer_options import TrainerOptions
from ftkit.engine.trial import check_computes
from ftkit.models.fingerprint import weights_fingerprint
from ftkit.report import files, gathered
from ftkit.report.summary import shown_example
from ftkit.runs import ablations, baselines, proof, results, saving, steps
from ftkit.runs.augmented_rows import augmented_rows
from ftkit.runs.checked_run import CheckedRun
from ftkit.runs.encoded_splits import encode_splits
from ftkit.runs.trained_adapter import base_facts
from ftkit.runs.training_data import indexed_data, open_stream
from ftkit.speedups import memory, startup
from ftkit.speedups.table import Speedups
from ftkit.tuners.counts import count_parameters


class RunPhases:
    """A checked run while it is carried out: its phases, in their order. Each phase reads what earlier ones have set.

    Attributes:
        arguments, adapter, warnings: set by `encode`: transformers' arguments, the task adapter, what the user should
            know.
        rows: set by `encode`: the rows to train on; `train` adds what an untrained model says of them.
        to_score: set by `encode`: name of every other split -> its rows.
        encoded: set by `encode`: name of every split -> the rows that results tell of.
        model, size, stream, speedups: set by `build`: the model with its tuner, the size of a micro-batch, the stream
            that is trained on if there is one, and what computes the same faster.
        resume_from: set by `build`: the checkpoint that training goes on from.
        trackers: set by `start`.
        trained, choice, course: set by `train`: the model with its numbers, the precision, and warnings of losses.
        limits: set by `train`: bounds of a batch that is predicted.
        evaluated: set by `score`: name of a split -> its scores and predictions.
        found: set by `score`: what `all_results.json` holds; `publish` adds the proof.
        example: set by `publish`: one row of the last evaluated split with its prediction.
    """

    def __init__(self, config: RunConfig, run: CheckedRun, interruption: Interruption) -> None:
        self.config, self.run, self.interruption = config, run, interruption
        self.directory = run.directory
        self.example: Mapping[str, Any] | None = None

    def encode(self) -> None:
        """Turns examples into rows; of a stream, those that were read to check it.

        Raises:
            UserError: the checkpoint cannot learn from some examples, or optimizer steps would hold other rows.
        """
        run = self.run
        memory.keep_freed_memory()
        self.arguments, self.adapter = steps.start(run)
        self.process = self.arguments.distributed_state
        self.warnings = [*run.warnings, *steps.check_examples(run, self.adapter)]
        self.adapter.preprocessor.fit(run.splits["train"].examples)
        self.rows, self.to_score = encode_splits(run, self.adapter)
        steps.check_steps(run, self.arguments, self.adapter, self.rows)
        self.encoded = {"train": self.rows, **{name: split.told for name, split in self.to_score.items()}}

    def build(self) -> None:
        """Loads the checkpoint with the head that the task needs; the tuner freezes the weights that are to stay.

        Raises:
            UserError: weights cannot be read, the tuner finds no layers, no row can be computed, or the first rows of
                a stream are wrong.
        """
        config, run, arguments, adapter = self.config, self.run, self.arguments, self.adapter
        self.speedups = Speedups(
            config.train, config.tuner, arguments, adapter, self.rows, streams=config.data.streaming
        )
        loaded = steps.built_model(run, adapter)
        self.speedups.attach("loaded", loaded.model)
        self.model = steps.tuned_model(run, loaded)
        check_computes(self.model, adapter, self.rows, arguments, tuner=config.tuner.method)
        self._tell_of_rows(adapter.objective.warnings(loaded))
        # What a stream begins with is read now: a row that is wrong is the user's mistake as long as nothing is
        # written.
        self.size = training.step_size(
            config.train,
            arguments,
            padding_is_free=self.speedups.padding_is_free,
            compares=adapter.objective.compares,
        )
        checkpoints = self.directory.checkpoints
        self.resume_from = training.resume_point(checkpoints) if self.directory.continues else None
        self.stream = open_stream(run, arguments, adapter, self.size, resume_from=self.resume_from)

    def _tell_of_rows(self, told_of_model: Sequence[str]) -> None:
        """Says what will learn from how many rows, and what the user should know of them."""
        run, encoded = self.run, self.encoded
        counts = ", ".join(
            f"{'the first ' if run.splits[name].is_sample else ''}{len(split):,} {name}"
            for name, split in encoded.items()
        )
        note(
            f"{run.task.name} from {run.spec.name} ({run.spec.family}, {count_parameters(self.model)}); rows: {counts}"
        )
        if run.told_of_stream is not None:
            note(run.told_of_stream)
        self.counted = results.counted(run.splits, encoded, self.adapter.preprocessor)
        for name, text in self.counted.items():
            note(f"{name}: {text}")
        self.warnings += [*results.truncation_warnings(encoded, self.adapter.preprocessor), *told_of_model]
        for warning in self.warnings:
            warn(warning)

    def start(self) -> None:
        """Begins the run's directory; all processes have looked at it before one of them writes into it."""
        run, process = self.run, self.process
        process.wait_for_everyone()
        if process.is_main_process:
            # The config as it was given: a run to be resumed is compared with it.
            self.directory.start(self.config, run.fingerprints, run.weight_fingerprints())
        self.trackers = steps.open_trackers(run) if process.is_main_process else Trackers()
        process.wait_for_everyone()
        self.directory.is_started = True
        startup.wake_collector()

    def train(self) -> None:
        """Trains; the best weights are in the model then.

        Raises:
            RunError: training could not be finished; its checkpoints are sound.
            Interrupted: a signal asked the run to end; its step is saved.
        """
        config, run, arguments, adapter, model = self.config, self.run, self.arguments, self.adapter, self.model
        self.limits = predicting.prediction_limits(config.train, adapter.objective, device_type=arguments.device.type)
        self.untrained = steps.untrained_scores(run, model, adapter, self.to_score, self.limits, arguments.device)
        self.choice = precision.choose_precision(
            config.train,
            arguments,
            adapter,
            model,
            self.rows,
            self.size,
            padding_is_free=self.speedups.padding_is_free,
            folder=self.directory.checkpoints,
            resume=self.directory.continues,
        )
        self.speedups.attach("tuned", model, size=self.size)
        self.rows, self.to_score = steps.with_reference(
            run, model, adapter, self.rows, self.to_score, self.limits, arguments
        )
        with self.speedups, self.trackers.abandoned_on_failure():
            self.trained = training.train(
                model,
                adapter,
                self.stream or indexed_data(run, arguments, adapter, self.rows, self.size),
                arguments,
                self._trainer_options(),
                primary_metric=run.primary_metric,
                callbacks=[
                    *steps.callbacks(config, self.directory, self.adapter, model),
                    TrackerCallback(self.trackers),
                ],
                resume_from=self.resume_from,
            )
        release_memory()
        self.course = steps.training_warnings(run, self.trained, adapter, self.rows, arguments.learning_rate)
        for warning in self.course:
            warn(warning)

    def _trainer_options(self) -> TrainerOptions:
        train, run, adapter = self.config.train, self.run, self.adapter
        return TrainerOptions(
            save_total_limit=train.save_total_limit,
            evaluate_model=self._validate if "validation" in self.to_score else None,
            make_model=lambda: steps.tuned_model(run, steps.built_model(run, adapter)),
            early_stopping_patience=train.early_stopping_patience,
            max_skipped_steps=train.max_skipped_steps,
            interruption=self.interruption,
            check_folder=self.directory.check_is_there,
        )

    def _validate(self, model: Any) -> dict[str, Any]:
        quick, split, found = self.adapter.for_validation(), self.run.splits["validation"], self.to_score["validation"]
        with precision.full_precision(model):
            scored = evaluation.evaluate(model, quick, split, found, self.run.scorer, self.limits, to_be_read=False)
        return scored.metrics

    def score(self) -> None:
        """Scores every split but the training's, and gathers all numbers of the run."""
        run, adapter, model = self.run, self.adapter, self.trained.model
        if self.process.is_main_process:
            saving.check_room_for(model, self.directory.new_staging(), tuner=self.config.tuner)
        if "validation" in self.to_score and adapter.objective.settles:
            steps.settle(run, model, adapter, self.to_score["validation"], self.limits)
        self.evaluated = {
            name: steps.evaluate_split(run, model, adapter, name, split, self.limits, untrained=self.untrained)
            for name, split in self.to_score.items()
        }
        told = [
            *results.cut_off_warnings(self.evaluated),
            *baselines.unbeaten_warnings(self.evaluated, run.primary_metric),
            *ablations.unused_warnings(run.kind, self.evaluated, run.primary_metric),
        ]
        for warning in told:
            warn(warning)
        numbers = {
            **self.trained.metrics,
            **count_parameters(model).facts,
            **self.choice.facts,
            **self.speedups.facts,
            **run.scorer.facts,
            **adapter.objective.facts(model),
            "training_warnings": self.course,
            **({"counted": self.counted} if self.counted else {}),
            **adapter.objective.resolved_options,
        }
        self.found = results.collect_results(numbers, run.splits, self.encoded, self.evaluated)
        self.warnings += [*self.course, *told]

    def publish(self) -> None:
        """Saves the model, proves that it loads and predicts the same, and reports; only then is the run finished.

        Raises:
            RunError: the saved model predicts something else, or the disk is full; nothing was published.
        """
        run, adapter, directory, found = self.run, self.adapter, self.directory, self.found
        directory.check_is_there()
        staging, tuner = directory.staging, self.config.tuner
        saving.save_model(self.trained.model, adapter, staging, tuner=tuner, spec=run.spec)
        if tuner.is_full:
            resolved = run.resolved_config(adapter, None, weights_fingerprint(staging))
        else:
            resolved = run.resolved_config(adapter, base_facts(run.spec, staging, run=directory.path))
        atomic_write_text(staging / CONFIG_FILE, resolved.to_yaml())
        found["saved_megabytes"] = saving.saved_megabytes(staging)
        found["proof"] = self._prove(staging, resolved)
        augmented = augmented_rows(
            adapter.preprocessor, run.splits["train"], self.rows, seed=self.config.train.chosen_data_seed
        )
        content = gathered.report_content(run, self.trained, adapter, self.evaluated, found, self.warnings, augmented)
        directory.check_is_there()
        self.example = shown_example(files.write_report(staging, content).card)
        with self.interruption.completing():
            directory.publish(found)
            try:
                self.trackers.finish(found, directory.work)
            finally:
                directory.replace()

    def _prove(self, staging: Path, resolved: RunConfig) -> Mapping[str, Any]:
        run = self.run
        return proof.prove(
            staging,
            resolved,
            kind=run.kind,
            model=self.trained.model,
            adapter=self.adapter,
            split=run.splits.get("validation") or run.splits["train"],
            published={name: run.splits[name] for name in self.to_score},
            limits=self.limits,
        )
