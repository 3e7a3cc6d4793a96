"""How a finished run is trained further, for the messages that refuse to change it.

Epochs are not added to it: its learning rate has come to its end, and a schedule over more epochs would have been
another one from the first step on.
"""

from __future__ import annotations

import shlex
from pathlib import Path

from ftkit.config.files import CONFIG_FILE
from ftkit.config.run_config import RunConfig, load_config
from ftkit.errors import ConfigError

_NOT_CONTINUED = ("pissa", "p-tuning")  # what they save is not what they train; see ftkit.runs.checked_run


def how_to_train_on(folder: Path, config: RunConfig) -> str:
    """Returns a sentence that says how to train on from the weights of a finished run; none where that cannot be.

    Args:
        folder: of the finished run.
        config: what was to be started in it.
    """
    weights = _from_its_weights(folder, config)
    if weights is None:
        return ""
    return f"To train further from its weights: {weights} output_dir={shlex.quote(str(_free(folder)))}"


def _from_its_weights(folder: Path, config: RunConfig) -> str | None:
    """Returns the override that starts from a run's weights; None where they are not what the config trains."""
    try:
        found = load_config(folder / CONFIG_FILE)
    except ConfigError:
        return None
    same = found.task == config.task and found.tuner == config.tuner
    if not same or config.tuner.method in _NOT_CONTINUED or config.model.decoder is not None:
        return None
    key = "model.checkpoint" if config.tuner.is_full else "model.adapter"
    return f"{key}={shlex.quote(str(folder))}"


def _free(folder: Path) -> Path:
    """Returns a folder beside another that does not exist yet."""
    number = 2
    while (found := folder.with_name(f"{folder.name}-{number}")).exists():
        number += 1
    return found
