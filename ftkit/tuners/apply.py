"""Puts a tuner on a model: freezes what stays, attaches what moves, and keeps the head. Here peft is called."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from ftkit.errors import ConfigError, name_list
from ftkit.tuners import targets
from ftkit.tuners.frozen import (
    hold_frozen_modules_still,
    hold_frozen_statistics_still,
    stop_at_frozen_convolutions,
)
from ftkit.tuners.heads import all_names, names_for_peft, new_modules
from ftkit.tuners.names import ADAPTER_NAME, base_prefix, quiet
from ftkit.tuners.spec import TunerSpec
from ftkit.tuners.virtual_tokens import adjust_prompted_model, check_embeds_alike, virtual_token_values

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

# What peft leaves out when there is nothing to attach to any layer; the word is peft's.
_NO_TARGETS = "dummy-target-modules"


def apply_tuner(
    model: PreTrainedModel, new_parameters: Collection[str], spec: TunerSpec, *, peft_task: str | None
) -> PreTrainedModel:
    """Returns the model with only the tuner's weights and the new parameters trainable.

    Args:
        new_parameters: names of what the checkpoint did not provide.
        peft_task: what peft calls the task, such as SEQ_CLS: which of its classes loads the adapter.

    Returns:
        The same model for `full`, else a peft.PeftModel around it.

    Raises:
        ConfigError: the method, or a name in its options, does not suit this model.
    """
    if spec.is_full:
        return model
    import peft

    targets.check_can_attach(model)
    targets.check_layers(model, spec)
    new_parameters = all_names(model, new_parameters)
    new = new_modules(model, new_parameters)
    frozen = [parameter for parameter in model.parameters() if not parameter.requires_grad]
    if spec.quantization is not None:
        model = peft.prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    config = _config(model, new, spec, peft_task)
    with quiet():
        try:
            tuned: Any = peft.get_peft_model(model, config, adapter_name=ADAPTER_NAME)
        except (TypeError, ValueError) as error:
            reason = str(error).strip().split("\n")[0]
            raise ConfigError(f"tuner: {spec.method} does not suit this checkpoint; peft says: {reason}") from None
    _tie_copies(tuned)
    _freeze_replaced(tuned)
    for parameter in frozen:  # what takes no part in the task; bitfit's biases among it
        parameter.requires_grad = False
    _check_all_new_train(tuned, new_parameters)
    if spec.facts.reads_prompt:
        if spec.method != "prefix":
            check_embeds_alike(tuned, spec)
        adjust_prompted_model(tuned)
    if spec.freezes_layers:
        hold_frozen_modules_still(tuned)
    hold_frozen_statistics_still(tuned)
    stop_at_frozen_convolutions(tuned)
    tuned.ftkit_new_modules = new
    tuned.ftkit_principal = _principal_parts(tuned) if spec.method == "pissa" else None
    return tuned


def _principal_parts(model: PreTrainedModel) -> dict[str, torch.Tensor]:
    from ftkit.tuners.principal import principal_parts
    from ftkit.tuners.saving import adapter_state

    return principal_parts(adapter_state(model))


def _config(model: PreTrainedModel, new: list[str], spec: TunerSpec, peft_task: str | None) -> Any:
    import peft

    method = spec.facts
    assert method.config is not None
    layers = targets.last_layers(model, spec.option("num_layers")) if "num_layers" in method.options else []
    # New modules inside of these layers, such as cross-attention, are trained with them.
    whole = [*(name for name in new if not name.startswith(tuple(f"{layer}." for layer in layers))), *layers]
    if spec.method == "bitfit":
        targets.check_has_biases(model, new)  # now it is known which are new
    if spec.method == "head-only" and not whole:
        raise ConfigError(
            "tuner.method: head-only trains what the checkpoint lacks, such as a classifier; for this task it lacks "
            "nothing. Choose lora, or last-layers."
        )
    values: dict[str, Any] = {
        "task_type": peft_task,
        "base_model_name_or_path": model.name_or_path,
        **method.fixed,
    }
    whole = names_for_peft(model, whole, peft_task)
    values["modules_to_save"] = whole or None
    if "LoraConfig" in method.config:
        values |= _lora_values(spec)
    if method.config == "AdaLoraConfig":
        # The budget falls from 1.5 times the rank to the rank. The schedule is set when the steps are known.
        values |= {"target_r": values["r"], "init_r": round(1.5 * values.pop("r")), "total_step": 1_000_000}
    if method.reads_prompt:
        values |= virtual_token_values(model, spec)
    values |= _target_values(model, whole, spec)
    return getattr(peft, method.config)(**values)


def _lora_values(spec: TunerSpec) -> dict[str, Any]:
    if "rank" not in spec.facts.options:
        return {"r": 1}
    return {"r": spec.option("rank"), "lora_alpha": spec.option("alpha"), "lora_dropout": spec.option("dropout")}


def _target_values(model: PreTrainedModel, whole: list[str], spec: TunerSpec) -> dict[str, Any]:
    """Returns what peft's config says about targets."""
    method = spec.facts
    if method.reads_prompt:
        return {}
    if method.targets is None:
        return {"target_modules": _NO_TARGETS}
    if spec.target_modules is not None:
        names = targets.named_layers(model, spec.target_modules, whole)
    else:
        names = targets.layers_to_tune(model, whole, spec)
    rescaled = set(targets.ia3_layers(model, whole)[1]) if method.targets == "ia3" else set()
    feedforward = [name for name in names if name in rescaled]
    others = [name for name in names if name not in feedforward]
    short = targets.shortened(feedforward, model, whole)
    values: dict[str, Any] = {"target_modules": [*targets.shortened(others, model, whole), *short]}
    if method.targets == "ia3":
        values["feedforward_modules"] = short
    by_name: dict[str, Any] = dict(model.named_modules())
    if spec.method == "pissa":
        targets.check_has_components(model, names, spec.option("rank"))
    if method.targets != "norms" and any(type(by_name[name]).__name__ == "Conv1D" for name in names):
        values["fan_in_fan_out"] = True  # GPT-2 keeps its weights transposed
    return values


def _freeze_replaced(model: torch.nn.Module) -> None:
    """Freezes the originals of modules that are trained as copies: they take no part any more."""
    for name, parameter in model.named_parameters():
        if ".original_module." in name:
            parameter.requires_grad = False


def _tie_copies(model: torch.nn.Module) -> None:
    """Makes the copies of modules that share a parameter, such as the embeddings of both sides, share theirs."""
    from peft.utils import ModulesToSaveWrapper

    shared: dict[int, torch.nn.Parameter] = {}
    for module in model.modules():
        if isinstance(module, ModulesToSaveWrapper):
            for name, original in module.original_module.named_parameters():
                owner, _, last = name.rpartition(".")
                inner = module.modules_to_save[ADAPTER_NAME].get_submodule(owner)
                setattr(inner, last, shared.setdefault(id(original), getattr(inner, last)))


def _check_all_new_train(model: Any, new_parameters: Collection[str]) -> None:
    """Makes sure of the head invariant."""
    prefix, copy = base_prefix(model), f".modules_to_save.{ADAPTER_NAME}"
    named = model.named_parameters(remove_duplicate=False)
    trained = {name.removeprefix(prefix).replace(copy, "") for name, parameter in named if parameter.requires_grad}
    lost = sorted(set(new_parameters) - trained)
    if lost:
        raise ConfigError(f"tuner: {name_list(lost)} is new and would not be trained. Choose another method.")
