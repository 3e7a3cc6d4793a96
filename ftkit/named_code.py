"""Python code that a config names: a file, or a module that is installed. The name has to be the user's own.

A name that a run's ftkit.yaml holds is never imported unasked; see `ftkit.runs.trust`.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from ftkit.errors import ConfigError


def load_code(place: str, *, key: str) -> ModuleType:
    """Imports a file or module.

    Args:
        place: `file.py`, or `package.module`.
        key: the key of the config that names it, for messages.

    Raises:
        ConfigError: there is none, or it fails while it is imported.
    """
    load = _load_file if place.endswith(".py") else _load_module
    try:
        return load(place, key)
    except ConfigError:
        raise
    except Exception as error:  # whatever the code raises while it is imported
        told = f"{type(error).__name__}: {error}"
        raise ConfigError(f"{key}: {place} failed while it was imported: {told}") from error


def _load_module(name: str, key: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"{key}: the module {name!r} cannot be imported: {error}. Install its package, or name its file, as in "
            "file.py:NAME."
        ) from None


def _load_file(place: str, key: str) -> ModuleType:
    path = Path(place)
    if not path.is_file():
        raise ConfigError(f"{key}: no file {str(path)!r} (looked at {path.absolute()}).")
    name = f"ftkit_{key}_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where dataclasses, and workers that read data, find its classes and functions
    spec.loader.exec_module(module)
    return module
