"""A model in ONNX Runtime that is called like the one it was exported from."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from ftkit.errors import CheckpointError, UserError, name_list

MODEL_FILE = "model.onnx"
OUTPUT = "logits"
SAY_NOTHING = 4  # ONNX Runtime's level of fatal errors; what goes wrong in a call is raised as well


class OnnxModel:
    """Takes padded batches of tensors and gives `logits`; adapters and evaluation need no more of a model.

    Attributes:
        device: the CPU.
        training: False, always.
    """

    device = torch.device("cpu")
    training = False

    def __init__(self, path: Path) -> None:
        """Loads a file.

        Raises:
            UserError: ONNX Runtime is not installed.
            CheckpointError: it cannot read the file.
        """
        require_packages("onnxruntime")
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = SAY_NOTHING
        # A pattern is kept for every shape, and batches have a shape of their own each.
        options.enable_mem_pattern = False
        try:
            self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's errors have no base class of their own
            reason = str(error).strip().splitlines()[0]
            raise CheckpointError(
                f"{path} cannot be loaded by ONNX Runtime: {reason}. Export the run again."
            ) from None
        self._inputs = [item.name for item in self._session.get_inputs()]

    def __call__(self, **inputs: torch.Tensor) -> Any:
        """Returns an object with `logits`; inputs that the model does not read are left aside."""
        feeds = {name: inputs[name].numpy() for name in self._inputs}
        (logits,) = self._session.run([OUTPUT], feeds)
        return SimpleNamespace(logits=torch.from_numpy(logits))

    def eval(self) -> OnnxModel:
        """Does nothing: there is no dropout in it."""
        return self

    def train(self, mode: bool = True) -> OnnxModel:
        """Does nothing; it cannot be trained."""
        return self


def require_packages(*packages: str) -> None:
    """Refuses to go on without the packages of an extra.

    Raises:
        UserError: one is not installed.
    """
    missing = missing_packages(packages)
    if missing:
        raise UserError(f"ONNX needs {name_list(missing)}, not installed here. Install it: pip install 'ftkit[onnx]'")


def missing_packages(packages: Iterable[str]) -> list[str]:
    """Returns those that are not installed."""
    return [package for package in packages if importlib.util.find_spec(package) is None]
