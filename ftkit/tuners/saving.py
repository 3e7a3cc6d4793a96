"""A trained adapter on disk: written so that plain peft loads it, and read back with nothing lost unnoticed."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftkit.errors import CheckpointError, ConfigError
from ftkit.foreign_code import check_adapter_config
from ftkit.json_file import read_json
from ftkit.models.head_rows import HeadRows
from ftkit.models.loading import is_finite
from ftkit.tuners.names import ADAPTER_NAME, base_prefix, quiet
from ftkit.tuners.principal import as_plain_lora
from ftkit.tuners.virtual_tokens import adjust_prompted_model

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

CONFIG_FILE = "adapter_config.json"
WEIGHTS_FILE = "adapter_model.safetensors"


def is_adapter(folder: str | Path) -> bool:
    """Tells whether a folder holds a trained adapter rather than a whole model."""
    return (Path(folder) / CONFIG_FILE).is_file()


def save_adapter(model: Any, folder: Path, *, revision: str | None) -> None:
    """Writes what was trained, head included, and the configs that say how it is loaded.

    Args:
        model: a peft.PeftModel.
        revision: of the base on the Hub; written down so that peft loads the same base.
    """
    from safetensors.torch import save_file

    config = copy.deepcopy(model.peft_config[ADAPTER_NAME])
    config.inference_mode, config.revision = True, revision
    state = adapter_state(model)
    if model.ftkit_principal is not None:
        config, state = as_plain_lora(config, state, model.ftkit_principal)
    for key in ("modules_to_save", "target_modules", "feedforward_modules"):  # sets, and peft's own names twice
        if getattr(config, key, None) and not isinstance(getattr(config, key), str):
            setattr(config, key, sorted(set(getattr(config, key))))
    save_file(
        {name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.items()},
        folder / WEIGHTS_FILE,
        metadata={"format": "pt"},
    )
    config.save_pretrained(folder)
    base = model.get_base_model()
    base.config.save_pretrained(folder)
    if base.can_generate():
        base.generation_config.save_pretrained(folder)


def adapter_state(model: Any) -> dict[str, torch.Tensor]:
    """Returns what of a model belongs to the adapter, by the names that peft gives it on disk."""
    from peft import get_peft_model_state_dict

    with quiet():
        state = get_peft_model_state_dict(model, adapter_name=ADAPTER_NAME, save_embedding_layers=False)
    # Where all biases are tuned peft adds those of modules that were replaced, and of their copies a second time.
    return {
        name: tensor
        for name, tensor in state.items()
        if ".original_module." not in name and ".modules_to_save." not in name
    }


def attach_adapter(model: PreTrainedModel, folder: str | Path, *, name: str = ADAPTER_NAME) -> Any:
    """Returns the base model with a trained adapter on it, for prediction.

    Args:
        model: the adapter's base, with a head of the right size; its weights are replaced.

    Raises:
        CheckpointError: the adapter cannot be read, or lacks a part.
    """
    from peft import PeftModel

    read_state(folder)  # refuses what is damaged
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            tuned = PeftModel.from_pretrained(model, str(folder), adapter_name=name)
        except Exception as error:  # whatever adapter_config.json says is first noticed deep in peft
            raise _unreadable(folder, error) from None
    _check_nothing_missing(folder, [str(warning.message) for warning in caught])
    if tuned.active_peft_config.is_prompt_learning:
        adjust_prompted_model(tuned)
    return tuned.eval()


def read_state(folder: str | Path) -> Mapping[str, torch.Tensor]:
    """Returns a trained adapter's tensors by name.

    Raises:
        CheckpointError: they cannot be read, or are no numbers.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    check_adapter_files(folder)
    try:
        state = load_file(Path(folder) / WEIGHTS_FILE)
    except (OSError, SafetensorError) as error:
        raise _unreadable(folder, error) from None
    damaged = [name for name, tensor in state.items() if not is_finite(tensor)]
    if damaged:
        raise CheckpointError(
            f"{folder}: the trained adapter holds NaN or infinite values in {len(damaged)} of its tensors, such as "
            f"{damaged[0]}. Take another one, or train it again."
        )
    return state


def check_adapter_files(folder: str | Path) -> None:
    """Refuses a folder without a readable adapter.

    Raises:
        CheckpointError: naming what is missing or damaged.
    """
    from safetensors import SafetensorError, safe_open

    if not is_adapter(folder):
        raise CheckpointError(
            f"{folder} holds no trained adapter: there is no {CONFIG_FILE}. Name the directory of a run whose tuner "
            "is not full."
        )
    check_adapter_config(Path(folder) / CONFIG_FILE)
    weights = Path(folder) / WEIGHTS_FILE
    if not weights.is_file():
        raise CheckpointError(f"{folder}: {WEIGHTS_FILE} is missing. Copy the whole run directory again.")
    try:
        with safe_open(weights, framework="np") as file:
            file.keys()
    except (OSError, SafetensorError) as error:
        raise _unreadable(folder, error) from None


def continue_from(model: Any, folder: str | Path, *, with_head: bool, rows: HeadRows | None = None) -> int:
    """Loads a trained adapter's weights into a model that has just been tuned in the same way, to train on.

    Args:
        with_head: also the modules that the base lacks; without, the head stays new.
        rows: where the head's rows belong; None where they are as they should be.

    Returns:
        How many tensors were loaded.

    Raises:
        ConfigError: the adapter was made in another way, so that its tensors have no place here.
    """
    from peft import set_peft_model_state_dict

    ours, theirs = adapter_state(model), dict(read_state(folder))
    if with_head and rows is not None:
        theirs |= rows.placed(ours, theirs, prefix=base_prefix(model))
    wanted = theirs if with_head else _without_heads(model, theirs, folder)
    strange = sorted(name for name in wanted if name not in ours or ours[name].shape != wanted[name].shape)
    if strange or not wanted:
        what = f"such as {strange[0]}, has no place in it" if strange else "nothing in it fits"
        raise ConfigError(
            f"model.adapter: {folder} does not continue here: {what}. Use the tuner section of its own ftkit.yaml."
        )
    set_peft_model_state_dict(model, {**ours, **wanted}, adapter_name=ADAPTER_NAME)
    return len(wanted)


def _without_heads(model: Any, theirs: Mapping[str, Any], folder: str | Path) -> dict[str, torch.Tensor]:
    """Returns a trained adapter's tensors without its own head, and without what is new in this model."""
    config = read_json(Path(folder) / CONFIG_FILE)
    prefix, known = base_prefix(model), adapter_state(model)
    new = tuple(f"{prefix}{name}." for name in model.ftkit_new_modules)
    whole = tuple(f"{prefix}{name}." for name in config["modules_to_save"] or ())
    return {
        name: tensor
        for name, tensor in theirs.items()
        if not name.startswith(new) and (name in known or not name.startswith(whole))
    }


def _unreadable(folder: str | Path, error: Exception) -> CheckpointError:
    reason = str(error).strip().split("\n")[0]
    return CheckpointError(f"{folder}: the trained adapter cannot be loaded: {reason} Copy the run directory again.")


def _check_nothing_missing(folder: str | Path, messages: list[str]) -> None:
    missing = [message for message in messages if "missing adapter keys" in message]
    if missing:
        raise CheckpointError(
            f"{folder}: the trained adapter is incomplete; peft says: {missing[0][:300]} Copy the run directory again."
        )
