"""What a config with data.streaming needs, and what means nothing in it; checked before anything is read."""

from __future__ import annotations

from typing import Any

from ftkit.config.run_config import RunConfig
from ftkit.errors import ConfigError
from ftkit.kinds.kind import Kind

_STREAM_KEYS = ("shuffle_buffer", "check_rows", "on_bad_row")
_NO_EPOCH = "an epoch of a stream ends nobody knows when. Say steps, or leave it out."


def check_streaming(config: RunConfig, kind: Kind) -> None:
    """Refuses what a run on a stream cannot do, and keys of streams where there is none.

    Raises:
        ConfigError: naming the key and what to do.
    """
    data: Any = config.data
    if not data.streaming:
        given = next((key for key in _STREAM_KEYS if getattr(data, key) is not None), None)
        if given is not None:
            raise ConfigError(f"data.{given}: it is for streams. Set data.streaming: true, or leave it out.")
        return
    if kind.not_streamed is not None:
        raise ConfigError(f"data.streaming: {kind.name} {kind.not_streamed}. Leave it out.")
    _check_splits(data)
    _check_training(config)


def _check_splits(data: Any) -> None:
    """Raises ConfigError where rows are to be held out of a stream."""
    for key in ("validation", "test"):
        if isinstance(getattr(data, key), float):
            raise ConfigError(
                f"data.{key}: nothing can be held out of a stream that is never read as a whole. Name a file of rows "
                f"that are not in train; data.{key}_rows takes a sample of a large one."
            )


def _check_training(config: RunConfig) -> None:
    """Raises ConfigError where a run counts epochs, or asks for what needs rows that are kept."""
    train: Any = config.train
    if train.max_steps is None or train.max_steps <= 0:
        raise ConfigError(
            "train.max_steps: a stream ends nobody knows when, so that a run on it has to be told how many optimizer "
            "steps to take, such as train.max_steps: 10000."
        )
    if "num_train_epochs" in train.model_fields_set:
        raise ConfigError("train.num_train_epochs: a run on a stream is as long as train.max_steps. Leave it out.")
    for key in ("eval_strategy", "save_strategy", "logging_strategy"):
        if getattr(train, key) == "epoch":
            raise ConfigError(f"train.{key}: epoch: {_NO_EPOCH}")
    if train.dataloader_num_workers:
        raise ConfigError("train.dataloader_num_workers: a stream is read ahead by a thread of its own. Leave it out.")
    if config.tuner.cache_frozen:
        raise ConfigError(
            "tuner.cache_frozen: rows of a stream are not kept, and neither is what frozen layers make of them. Leave "
            "it out."
        )
