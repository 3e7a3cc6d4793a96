"""ftkit: name a pretrained checkpoint, a task and your data in one YAML; get a model you can trust.

The public names are imported when they are first used: `import ftkit` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ftkit.version import __version__

if TYPE_CHECKING:
    from ftkit.config.run_config import RunConfig, load_config
    from ftkit.errors import CheckpointError, ConfigError, DataError, FtkitError, HubError, RunError, UserError
    from ftkit.hub import pull, push
    from ftkit.inference.bank import AdapterBank, Request
    from ftkit.inference.load import load
    from ftkit.inference.predictor import Predictor
    from ftkit.kinds.kind import Kind
    from ftkit.kinds.task import Task
    from ftkit.run import RunResult, train

__all__ = [
    "AdapterBank",
    "CheckpointError",
    "ConfigError",
    "DataError",
    "FtkitError",
    "HubError",
    "Kind",
    "Predictor",
    "Request",
    "RunConfig",
    "RunError",
    "RunResult",
    "Task",
    "UserError",
    "__version__",
    "load",
    "load_config",
    "pull",
    "push",
    "train",
]

_HOMES = {
    "load": "ftkit.inference.load",
    "train": "ftkit.run",
    "RunConfig": "ftkit.config.run_config",
    "load_config": "ftkit.config.run_config",
    "AdapterBank": "ftkit.inference.bank",
    "Request": "ftkit.inference.bank",
    "Predictor": "ftkit.inference.predictor",
    "RunResult": "ftkit.run",
    "pull": "ftkit.hub",
    "push": "ftkit.hub",
    "Kind": "ftkit.kinds.kind",
    "Task": "ftkit.kinds.task",
    **dict.fromkeys(
        ("CheckpointError", "ConfigError", "DataError", "FtkitError", "HubError", "RunError", "UserError"),
        "ftkit.errors",
    ),
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'ftkit' has no attribute {name!r}")
