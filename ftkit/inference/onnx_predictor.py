"""An exported model, loaded: it predicts and scores as the run did that it was made from."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

from ftkit.errors import CheckpointError, UserError
from ftkit.inference.onnx_model import MODEL_FILE, OnnxModel
from ftkit.inference.opening import Tasks, chosen_run
from ftkit.inference.opening_options import OpeningOptions
from ftkit.inference.precision import InferencePrecision
from ftkit.inference.predictor import Predictor
from ftkit.json_file import read_json
from ftkit.runs.files import EXPORT_FILE
from ftkit.runs.loading import check_saved_weights, load_task_adapter
from ftkit.runs.open_run import open_export


class OnnxPredictor(Predictor):
    """A `Predictor` whose arithmetic ONNX Runtime does; reading, batches and results are the same.

    Attributes:
        folder: what `ftkit export` wrote.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        device: Any = None,
        precision: str = "fp32",
        opening: OpeningOptions | None = None,
        **search: int | None,
    ) -> None:
        """Loads an exported model.

        Args:
            folder: what `ftkit export` wrote.
            device: None or `cpu`.
            precision: what it was exported in, which cannot be changed any more.
            opening: as for `Predictor`.
            search: settings of a search; there is none, so they are refused.

        Raises:
            UserError: it is no exported model, ONNX Runtime is missing, or one of these asks for something else.
        """
        from ftkit.engine.quiet import quiet_libraries

        if device is not None and str(device) != "cpu":
            raise UserError(f"device: an exported model computes on the CPU, not on {device}. Leave it out.")
        quiet_libraries()
        opening = opening or OpeningOptions()
        self.folder, self.config = chosen_run(folder, opening, open_export)
        self.tasks = Tasks(self.config, opening)
        self.precision = _precision(self.folder / EXPORT_FILE)
        if precision not in ("auto", "fp32", self.precision):
            remedy = "Leave it out" + (", or export the run with --quantize int8." if precision == "int8" else ".")
            raise UserError(f"precision: {self.folder} was exported in {self.precision}, got {precision!r}. {remedy}")
        chosen = {name: value for name, value in search.items() if value is not None}
        self.kind = self.tasks.kind
        self.adapter = load_task_adapter(self.folder, self.config, chosen, needs_weights=False, kind=self.kind)
        self.labels = self.adapter.labels
        check_saved_weights(self.folder, self.config)
        self.model = OnnxModel(self.folder / MODEL_FILE)


def _precision(file: Path) -> Any:
    """Returns what a model was exported in; nothing else of export.json is read, and no file that it names."""
    try:
        about = read_json(file)
        precision = about["precision"]
    except (OSError, ValueError, KeyError, TypeError):
        precision = None
    if precision not in get_args(InferencePrecision):
        raise CheckpointError(f"{file} is damaged: it does not say the model's precision. Export the run again.")
    return precision
