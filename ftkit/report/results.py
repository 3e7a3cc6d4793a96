"""`all_results.json`: one flat table of what a run was and what came out, in the ecosystem's own names."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Mapping
from typing import Any

from ftkit.types import Split

PACKAGES = (
    "ftkit",
    "torch",
    "transformers",
    "datasets",
    "accelerate",
    "evaluate",
    "peft",
    "tokenizers",
    "numpy",
)


def environment() -> dict[str, Any]:
    """Returns versions and hardware: what someone needs to get the same numbers, and nothing about the user."""
    import torch

    cuda = torch.cuda.is_available()
    return {
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "cpu_count": os.cpu_count(),
        "torch_threads": torch.get_num_threads(),
        "gpus": [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())] if cuda else [],
        "packages": {name: version for name in PACKAGES if (version := _version(name)) is not None},
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def data_facts(splits: Mapping[str, Split]) -> dict[str, Any]:
    """Returns what each split was read from: name, rows and fingerprint."""
    return {
        name: {"source": split.source, "rows": len(split), "fingerprint": split.fingerprint}
        for name, split in splits.items()
    }


def prefixed(metrics: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Returns metrics under the ecosystem's names, such as `test_accuracy`."""
    return {f"{prefix}_{name}": value for name, value in metrics.items()}
