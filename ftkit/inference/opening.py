"""What is opened for prediction: a run, or a checkpoint that ftkit did not make; and what the user says about it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ftkit.config.run_config import RunConfig
from ftkit.errors import UserError
from ftkit.foreign_code import TRUST_WHEN_OPENED
from ftkit.inference.opening_options import OF_PLAIN_CHECKPOINTS, OpeningOptions, with_columns
from ftkit.inference.plain_checkpoint import open_plain_checkpoint
from ftkit.kinds.task import Task
from ftkit.metrics.spec import MetricGroup
from ftkit.models.spec import CheckpointSpec
from ftkit.runs.open_run import is_plain, open_run, run_folder
from ftkit.runs.trained_adapter import TrainedAdapter
from ftkit.runs.trust import chosen_task, foreign_metrics, kind_of_run, recorded_task, task_that_reads


def open_model(path: str | Path, opening: OpeningOptions) -> tuple[Path, RunConfig]:
    """Returns the folder and config of a run, or those made for a checkpoint that is none, as the user wants them.

    Raises:
        UserError: it is neither, or a choice does not suit it.
    """
    folder = run_folder(path, with_code=opening.trust_remote_code)
    if is_plain(folder):
        return folder, open_plain_checkpoint(folder, opening)
    return chosen_run(folder, opening, open_run)


def chosen_run(path: str | Path, opening: OpeningOptions, opened: Callable[..., Any]) -> tuple[Path, RunConfig]:
    """Returns a run's folder and config, with what the user says about its files.

    Args:
        opened: `open_run`, or `open_export`.

    Raises:
        UserError: it is none, or a choice does not suit it.
    """
    folder, config = opened(path, trust_remote_code=opening.trust_remote_code)
    for name in OF_PLAIN_CHECKPOINTS:
        given, own = opening.data.get(name), getattr(config.data, name, None)
        if given is not None and given != own:
            raise UserError(
                f"--{name.replace('_', '-')} {given}: {folder} is a run of ftkit, which was trained with {own!r}. "
                "Leave it out: the option is for checkpoints that ftkit did not make."
            )
    if opening.base is not None and (config.run is None or config.run.base is None):
        raise UserError(f"--base: {folder} holds a whole model, which needs no base. Leave it out.")
    kind = kind_of_run(config, opening.task, trust_remote_code=opening.trust_remote_code)
    config = config.for_kind(kind)
    columns = {**config.data.columns, **opening.columns}
    data = config.data.model_copy(update={**opening.data_of(kind), "columns": columns})
    assert config.run is not None
    data, options = kind.reopened(data, config.run.adapter_options)
    facts = config.run.model_copy(update={"adapter_options": options})
    return folder, with_columns(config.model_copy(update={"data": data, "run": facts}), opening, kind)


def named_base(folder: Path, config: RunConfig, opening: OpeningOptions) -> CheckpointSpec | None:
    """Returns the base that the user names for the trained adapter of a run; None where nothing is named.

    Raises:
        CheckpointError: it is not there, or is another checkpoint.
    """
    facts = config.run
    if opening.base is None or facts is None or facts.base is None or facts.is_plain:
        return None
    return TrainedAdapter(folder, config, facts, facts.base).base_spec(opening.base)


class Tasks:
    """The task of what was opened: as it is recorded, and, where rows are read, with the code that prepares them.

    Attributes:
        kind: of the task.
    """

    def __init__(self, config: RunConfig, opening: OpeningOptions) -> None:
        """Takes the user's task, if one is named.

        Raises:
            UserError: it does not exist, or is of another kind.
        """
        self._config, self._opening = config, opening
        self.kind = kind_of_run(config, opening.task, trust_remote_code=opening.trust_remote_code)
        self._chosen = None if opening.task is None else chosen_task(opening.task, config)

    @property
    def recorded(self) -> Task:
        """All of the task that is data."""
        return self._chosen or recorded_task(self._config)

    @property
    def reader(self) -> Task:
        """The task that prepares rows.

        Raises:
            UserError: that takes code which the user has not allowed.
        """
        if self._chosen is not None:
            return self._chosen
        return task_that_reads(self._config, trust_remote_code=self._opening.trust_remote_code)

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the metrics to compute.

        Raises:
            UserError: the run names some that run code, and the user has not allowed it.
        """
        if self._opening.metrics is not None:
            return self._opening.metrics
        names, asked = self._own_metrics
        if asked and not self._opening.trust_remote_code:
            example = f", such as --metrics {self._defaults[0]}" if self._defaults else ""
            raise UserError(
                f"The run names metrics that run code of their own: {', '.join(asked)}. They were not loaded.\n"
                f"Fix: name the metrics yourself{example}; or, if you trust who made the run, say "
                f"{TRUST_WHEN_OPENED}."
            )
        return names

    @property
    def safe_metrics(self) -> tuple[str, ...]:
        """Names of the metrics to compute, without those that run code which the user has not allowed."""
        if self._opening.metrics is not None or self._opening.trust_remote_code:
            return self.metrics
        names, asked = self._own_metrics
        return tuple(name for name in names if name not in asked) or self._defaults

    @property
    def _own_metrics(self) -> tuple[tuple[str, ...], list[str]]:
        """The metrics of config or task, and those of them that are neither ftkit's nor of the user's own task."""
        if self._config.metrics:
            return self._config.metrics, foreign_metrics(self._config.metrics)
        names = self.recorded.metrics or self._defaults
        return names, foreign_metrics(names) if self._chosen is None else []

    @property
    def _defaults(self) -> tuple[str, ...]:
        return self.metric_group.defaults

    @property
    def metric_group(self) -> MetricGroup:
        """Which metrics suit, and what computes them."""
        return self.kind.metric_group(self.recorded, self._config.data)
