"""Versions and hardware: what someone needs to get the same numbers."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import platform
from typing import Any

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
        "packages": versions(),
    }


def versions() -> dict[str, str]:
    """Returns package -> version, of those that decide what comes out."""
    return {name: version for name in PACKAGES if (version := _version(name)) is not None}


@functools.cache  # a package's whole metadata are parsed for it
def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
