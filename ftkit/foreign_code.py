"""Files of a checkpoint or trained adapter that ask for code: found before a library obeys them.

transformers asks before it runs the Python files of a checkpoint. It does not ask before it loads a kernel (compiled
code from the Hub) that a config.json names, nor does every peft ask before it imports a module that an
adapter_config.json names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ftkit.errors import CheckpointError
from ftkit.json_file import read_json

TRUST_IN_CONFIG = "model.trust_remote_code: true"
TRUST_WHEN_OPENED = "--trust-remote-code (in Python trust_remote_code=True)"

# Ways to keep weights in fewer bits that transformers computes with kernels from the Hub.
_KERNEL_METHODS = ("fp8", "fbgemm_fp8", "mxfp4", "nvfp4", "eetq", "metal")
_PLAIN_EXPERTS = (None, "eager", "batched_mm", "grouped_mm")
_BUILT_IN_LIBRARIES = ("transformers", "peft", "torch")


def check_model_config(config: Any, name: str, trust_key: str) -> None:
    """Refuses a model's config that names kernels to be loaded from the Hub.

    Args:
        config: a transformers config, as read from config.json.
        name: the checkpoint, as the user named it.
        trust_key: what the user says to allow code.

    Raises:
        CheckpointError: naming the key and how to allow it.
    """
    for key, value in _kernels(config):
        raise CheckpointError(
            f"model.checkpoint: config.json of {name!r} asks for a kernel, compiled code from the Hub: {key}: "
            f"{value!r}. It was not loaded.\nFix: delete that key from config.json; or, if you trust its authors, "
            f"say {trust_key}."
        )


def _kernels(config: Any) -> Iterator[tuple[str, str]]:
    attention = getattr(config, "_attn_implementation", None)
    if isinstance(attention, str) and ("/" in attention or ":" in attention):
        yield "attn_implementation", attention
    experts = getattr(config, "_experts_implementation", None)
    if experts not in _PLAIN_EXPERTS:
        yield "experts_implementation", str(experts)
    quantization = getattr(config, "quantization_config", None)
    method = quantization.get("quant_method") if isinstance(quantization, Mapping) else None
    if method is not None and str(method) in _KERNEL_METHODS:
        yield "quantization_config.quant_method", str(method)
    for name in getattr(config, "sub_configs", None) or {}:
        yield from _kernels(getattr(config, name, None))


def check_adapter_config(file: Path) -> None:
    """Refuses an adapter_config.json that makes peft import modules or load tokenizers with code of their own.

    ftkit writes no such file and nothing of it could be loaded, so there is no flag that allows it.

    Raises:
        CheckpointError: naming the key.
    """
    try:
        config = read_json(file)
    except (OSError, ValueError):
        return  # whoever loads it says what is wrong with it
    if not isinstance(config, Mapping):
        raise CheckpointError(f"{file}: expected keys and values, got {type(config).__name__}. Copy the folder again.")
    for key, value in _imports(config):
        raise CheckpointError(
            f"{file} asks for code: {key}: {value!r}. It was not run, and ftkit loads no such adapter.\n"
            f"Fix: delete the key {key} from the file, if the adapter does without."
        )


def _imports(config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    if config.get("megatron_config"):
        yield "megatron_core", config.get("megatron_core")
    if config.get("tokenizer_kwargs"):
        yield "tokenizer_kwargs", config["tokenizer_kwargs"]
    mapping = config.get("auto_mapping")
    library = str(mapping.get("parent_library") or "") if isinstance(mapping, Mapping) else ""
    if library and library.partition(".")[0] not in _BUILT_IN_LIBRARIES:
        yield "auto_mapping", mapping
