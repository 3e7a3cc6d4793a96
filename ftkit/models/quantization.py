"""A checkpoint's own weights in 4 or 8 bits, through bitsandbytes: QLoRA (arXiv 2305.14314), LLM.int8 (2208.07339).

Only the body is quantised. What lies outside of it, such as a new head, is trained and stays as it is; transformers
would quantise a classifier's head along with the body.
"""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

from ftkit.errors import ConfigError
from ftkit.models.spec import CheckpointSpec, Quantization

if TYPE_CHECKING:
    import torch
    from transformers import PretrainedConfig


def check_quantization(bits: Quantization | None) -> str | None:
    """Returns a warning where weights can be quantised, but without a gain in speed.

    Raises:
        ConfigError: bitsandbytes is not installed.
    """
    if bits is None:
        return None
    if importlib.util.find_spec("bitsandbytes") is None:
        raise ConfigError(
            f"tuner.quantization: {bits} weights need bitsandbytes, which is not installed. "
            "pip install 'ftkit[quantization]', or leave the key out."
        )
    import torch

    if torch.cuda.is_available():
        return None
    return (
        f"tuner.quantization: no GPU was found. {bits} weights save memory on a CPU, but every step unpacks them and "
        "is slower than in float32."
    )


def quantization_arguments(spec: CheckpointSpec, auto_class: Any, **config: Any) -> dict[str, Any]:
    """Returns the keyword arguments of `from_pretrained` that quantise the body of a model; none for plain weights.

    Args:
        auto_class: what the checkpoint is loaded with.
        config: what the model's config is to say, such as `num_labels`.
    """
    if spec.quantization is None:
        return {}
    import torch
    from transformers import BitsAndBytesConfig

    settled = settled_config(spec, **config)
    with torch.device("meta"):
        outline = auto_class.from_config(settled)
    kept = outside_of_body(outline)
    if spec.quantization == "4bit":
        settings = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=torch.bfloat16 if torch.cuda.is_available() else torch.float32,
            llm_int8_skip_modules=kept,
        )
    else:
        settings = BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=kept)
    device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else "cpu"
    return {"quantization_config": settings, "device_map": {"": str(device)}}


def settled_config(spec: CheckpointSpec, **config: Any) -> PretrainedConfig:
    """Returns a checkpoint's config with what it is to say besides, or the whole `config` where that is given."""
    from transformers import AutoConfig

    return config.get("config") or AutoConfig.from_pretrained(spec.path, **spec.loading_arguments, **config)


def outside_of_body(model: torch.nn.Module) -> list[str]:
    """Returns the names of the linear layers' parents that belong to no stack of layers: heads and poolers."""
    stacks = [name for name, module in model.named_modules() if type(module).__name__ == "ModuleList"]
    return [
        name
        for name, module in model.named_modules()
        if type(module).__name__ == "Linear" and not any(name.startswith(f"{stack}.") for stack in stacks)
    ]


def move(model: Any, device: Any) -> Any:
    """Moves a model to a device; a quantised one is where it was loaded."""
    return model if getattr(model, "is_quantized", False) else model.to(device)
