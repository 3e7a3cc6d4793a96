"""How a run is written into each of four experiment trackers: TensorBoard, Weights & Biases, MLflow and Trackio.

TensorBoard, W&B and Trackio are reached through Accelerate's tracker classes, MLflow through its own client. A backend
may raise whatever its library raises: `ftkit.engine.trackers` catches it. Nothing here is imported, and no tracker's
library either, unless a config names one.
"""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from accelerate import tracking


@dataclass(frozen=True, kw_only=True)
class RunDescription:
    """What a tracker is told when a run starts.

    Attributes:
        project: the project or experiment, unless the tracker's environment variable names one.
        run_name: what the run is called in its project.
        folder: where the run is made; one that replaces another is moved to its place when it is finished.
        stores: the run directory, for databases that hold many runs and stay where they are. Both exist.
        config: flat: `train.learning_rate` -> 2e-5.
        tags: what runs are found by: `task` -> `text-classification`.
        trackio: arguments of `trackio.init`, such as `space_id`.
    """

    project: str
    run_name: str
    folder: Path
    stores: Path
    config: Mapping[str, Any]
    tags: Mapping[str, str]
    trackio: Mapping[str, Any] = field(default_factory=dict)


class Backend(Protocol):
    """One tracker, with one run open in it."""

    def start(self, run: RunDescription, run_id: str | None) -> str | None:
        """Opens the run, or the run `run_id` again, and returns its id; None where a tracker needs none."""

    def continue_at(self, step: int) -> None:
        """Prepares for the steps after `step`, some of which an interrupted run may have logged already."""

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Adds numbers that belong to an optimizer step."""

    def finish(self, results: Mapping[str, float], step: int, folder: Path) -> None:
        """Writes what came out, with report and model card of the run directory `folder`, and closes the run."""

    def abandon(self) -> None:
        """Closes a run that did not come to its end."""


class TensorBoard:
    """Event files in `tensorboard/` of the run directory; TENSORBOARD_LOGGING_DIR names another folder."""

    def start(self, run: RunDescription, run_id: str | None) -> None:
        """Opens a new event file; a new folder also gets config and tags, as a text."""
        folder = Path(os.environ.get("TENSORBOARD_LOGGING_DIR") or run.folder / "tensorboard")
        is_new = not any(folder.glob("events.out.*"))
        # Without a name Accelerate adds no folder of its own, so a resumed run goes on in the same one.
        self._tracker = tracking.TensorBoardTracker("", folder)
        self._tracker.start()
        if is_new:
            # Not store_init_configuration: it writes another run, named after the clock, beside this one.
            self._tracker.tracker.add_text("config", _markdown_table({**run.tags, **run.config}), global_step=0)

    def continue_at(self, step: int) -> None:
        """Makes TensorBoard forget later steps, which come again."""
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog

        event = Event(session_log=SessionLog(status=SessionLog.START))
        self._tracker.tracker.file_writer.add_event(event, step + 1)

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Adds scalars."""
        self._tracker.log(dict(values), step=step)

    def finish(self, results: Mapping[str, float], step: int, folder: Path) -> None:
        """Adds the results as scalars and the model card as a text: TensorBoard holds no files."""
        self.log(results, step)
        card = (folder / "README.md").read_text(encoding="utf-8")
        _, _, text = card.removeprefix("---\n").rpartition("\n---\n")
        where = "report.html, in the run directory, has plots and errors.\n\n"
        self._tracker.tracker.add_text("model card", where + text, global_step=step)
        self._tracker.finish()

    def abandon(self) -> None:
        """Closes the event file."""
        self._tracker.finish()


class WandB:
    """A run of Weights & Biases; its files lie in `wandb/` of the run directory, unless WANDB_DIR is set."""

    # The config says what a run was; W&B's own look at the machine has paths, command lines and the user's name.
    # Waits have ends: W&B's own is 90 s for the start, and none for a question on a terminal or for the last upload.
    _SETTINGS: Mapping[str, Any] = {
        "console": "off",
        "disable_git": True,
        "save_code": False,
        "x_disable_meta": True,
        "quiet": True,
        "init_timeout": 90.0,
        "login_timeout": 60,
        "finish_timeout": 300.0,
    }

    def start(self, run: RunDescription, run_id: str | None) -> str:
        """Opens the run; WANDB_PROJECT, WANDB_NAME and every other variable of W&B's win."""
        import wandb

        known = getattr(wandb.Settings, "model_fields", {})
        settings = {key: value for key, value in self._SETTINGS.items() if key in known and not _is_set("WANDB", key)}
        arguments: dict[str, Any] = {"resume": "allow", "id": run_id} if run_id else {}
        if not _is_set("WANDB", "name"):
            arguments["name"] = run.run_name
        if not _is_set("WANDB", "dir"):
            arguments["dir"] = str(run.stores)
        self._tracker = tracking.WandBTracker(
            os.environ.get("WANDB_PROJECT") or run.project,
            config=dict(run.config),
            tags=[tag[:64] for tag in run.tags.values()],  # longer ones are refused
            reinit="create_new",  # a run that a notebook has open is not this one
            settings=wandb.Settings(**settings),
            **arguments,
        )
        self._tracker.start()
        return self._tracker.tracker.id

    def continue_at(self, step: int) -> None:
        """W&B itself leaves out steps that it has."""

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Adds a row of the history."""
        self._tracker.log(dict(values), step=step)

    def finish(self, results: Mapping[str, float], step: int, folder: Path) -> None:
        """Writes results into the summary, which leaves the curves alone, and the report as a page of the run."""
        import wandb

        # Not run.save: it leaves a link to an absolute path in the run's files.
        page = wandb.Html(str(folder / "report.html"), inject=False)
        # commit: a row that is still open would be written after the summary, and over it.
        self._tracker.log({"report": page}, step=step, commit=True)
        self._tracker.tracker.summary.update(dict(results))
        self._tracker.finish()

    def abandon(self) -> None:
        """Marks the run as failed."""
        self._tracker.tracker.finish(exit_code=1)


class MLflow:
    """A run in the store of MLFLOW_TRACKING_URI, else in `mlflow/` of the run directory.

    Not Accelerate's class, for four reasons. It works on MLflow's one active run, so a run that a notebook has open
    would be an error. It gives the tags of the run to the experiment. A resumed run would log its parameters again,
    and MLflow refuses another value. And MLflow's active run notes the user's name and paths of the machine.
    """

    # MLflow's own are 120 s and 7 tries, for each of many calls: a quarter of an hour for a server that is away.
    _LIMITS: Mapping[str, str] = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "30", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3"}

    def start(self, run: RunDescription, run_id: str | None) -> str:
        """Opens a run of the experiment MLFLOW_EXPERIMENT_NAME, or the run before if the store still has it."""
        import mlflow

        logging.getLogger("mlflow").setLevel(logging.WARNING)  # it tells how it makes a database
        for name, value in self._LIMITS.items():
            os.environ.setdefault(name, value)
        own = None if mlflow.tracking.is_tracking_uri_set() else _new_store(run.stores / "mlflow")
        self._client = mlflow.MlflowClient(tracking_uri=own)
        self._id = self._open_again(run_id) or self._open(run, own or mlflow.get_tracking_uri())
        return self._id

    def _open_again(self, run_id: str | None) -> str | None:
        from mlflow.exceptions import MlflowException

        if run_id is None:
            return None
        try:
            self._client.update_run(run_id, status="RUNNING")
        except MlflowException:
            return None
        return run_id

    def _open(self, run: RunDescription, uri: str) -> str:
        from mlflow.entities import Param

        name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or run.project
        experiment = self._client.get_experiment_by_name(name)
        if experiment is not None:
            experiment_id = experiment.experiment_id
        else:
            experiment_id = self._client.create_experiment(name, artifact_location=_artifacts_beside(uri))
        made = self._client.create_run(experiment_id, run_name=run.run_name, tags=dict(run.tags)).info.run_id
        params = iter([Param(_mlflow_name(key), str(value)) for key, value in run.config.items()])
        while batch := list(islice(params, 100)):  # as many as a request may hold
            self._client.log_batch(made, params=batch)
        return made

    def continue_at(self, step: int) -> None:
        """MLflow shows the last value of a step."""

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Adds metrics."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics = [Metric(_mlflow_name(key), value, now, step) for key, value in values.items()]
        self._client.log_batch(self._id, metrics=metrics)

    def finish(self, results: Mapping[str, float], step: int, folder: Path) -> None:
        """Adds the results as metrics and the report as an artifact."""
        self.log(results, step)
        self._client.log_artifact(self._id, str(folder / "report.html"))
        self._client.set_terminated(self._id, "FINISHED")

    def abandon(self) -> None:
        """Marks the run as failed."""
        self._client.set_terminated(self._id, "FAILED")


class Trackio:
    """A run of Trackio, in its own folder (TRACKIO_DIR), or in a Space."""

    def start(self, run: RunDescription, run_id: str | None) -> str:
        """Opens the run, or the newest of the name that it had; TRACKIO_PROJECT names the project."""
        name = run_id or run.run_name
        self._tracker = tracking.TrackioTracker(
            os.environ.get("TRACKIO_PROJECT") or run.project,
            name=name,
            # Not store_init_configuration: Trackio's config is a dict, in which its flag would become an entry.
            config={**run.tags, **run.config},
            resume="allow" if run_id else "never",
            embed=False,
            private=True,  # of a Space that is made for it; Trackio's own would be public
            **run.trackio,
        )
        self._tracker.start()
        return name

    def continue_at(self, step: int) -> None:
        """Trackio keeps both values of a step."""

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Adds numbers."""
        self._tracker.log(dict(values), step=step)

    def finish(self, results: Mapping[str, float], step: int, folder: Path) -> None:
        """Adds the results as numbers and the report as an artifact."""
        self.log(results, step)
        run = self._tracker.tracker
        if hasattr(run, "log_artifact"):  # older ones hold no files
            run.log_artifact(folder / "report.html", name="report.html", type="report")
        self.abandon()

    def abandon(self) -> None:
        """Closes the run; Trackio knows no failed ones."""
        import trackio

        trackio.finish()  # Accelerate's leaves it Trackio's current run, which is finished again when Python ends


BACKENDS: Mapping[str, Callable[[], Backend]] = {
    "mlflow": MLflow,
    "tensorboard": TensorBoard,
    "trackio": Trackio,
    "wandb": WandB,
}
"""The names that `train.report_to` takes."""


def _is_set(library: str, key: str) -> bool:
    """Tells whether the user has set a variable of a tracker's, such as WANDB_DIR."""
    return f"{library}_{key.upper()}" in os.environ


def _markdown_table(values: Mapping[str, Any]) -> str:
    r"""Returns `|key|value|` lines, with bars escaped: `{"a|b": 1}` has the last line `|a\|b|1|`."""
    lines = ["|" + "|".join(str(cell).replace("|", r"\|") for cell in row) + "|" for row in values.items()]
    return "\n".join(["|key|value|", "|-|-|", *(line.replace("\n", " ") for line in lines)])


def _mlflow_name(name: str) -> str:
    """Returns a name of the letters that MLflow takes: `test/chrf++` becomes `test/chrf__`."""
    return re.sub(r"[^\w\-. :/]", "_", name)


def _new_store(folder: Path) -> str:
    """Returns the address of a database in a folder, which is made."""
    folder.mkdir(exist_ok=True)
    return f"sqlite:///{folder.absolute()}/mlflow.db"


def _artifacts_beside(uri: str) -> str | None:
    """Returns where a local database's files go; MLflow's own choice is `mlruns` in the working directory."""
    if not uri.startswith("sqlite:///"):
        return None
    return (Path(uri.removeprefix("sqlite:///")).absolute().parent / "mlartifacts").as_uri()
