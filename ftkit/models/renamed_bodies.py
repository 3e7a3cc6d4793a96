"""Bodies that transformers calls otherwise in a model with a head than in all others of the type.

`LlamaForQuestionAnswering` has its body under `transformer`, every other Llama model under `model`; so have Qwen2,
Qwen3, SmolLM3 ... (transformers#30381). Loaded in the usual way it has a random body, and only a log line says so.
Here the body is loaded by itself and put in its place. What is saved then has the head's names, and loads in the usual
way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftkit.errors import ConfigError
from ftkit.models.new_values import drawn_anew
from ftkit.models.spec import CheckpointSpec

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel

Report = dict[str, Any]


def load_renamed_body(loader: Any, spec: CheckpointSpec, config: PretrainedConfig) -> tuple[PreTrainedModel, Report]:
    """Returns a model with a checkpoint's body and a new head, and a loading report in the names of that model.

    Args:
        loader: transformers' auto class of the model.
        config: of the model.

    Raises:
        ConfigError: the body is to be quantised.
    """
    import torch
    from transformers import AutoModel

    if spec.quantization is not None:
        raise ConfigError(
            f"tuner.quantization: transformers quantises no {spec.model_type!r} checkpoint with this head, for it "
            "calls the body otherwise there. Leave the key out."
        )
    body, report = AutoModel.from_pretrained(
        spec.path,
        **spec.loading_arguments,
        config=config,
        dtype=torch.float32,
        use_safetensors=True,
        output_loading_info=True,
    )
    with torch.device("meta"):  # its own body takes no memory, and is dropped
        model = loader.from_config(body.config, dtype=torch.float32)
    prefix = model.base_model_prefix
    setattr(model, prefix, body)
    head = {name: parameter for name, parameter in model.named_parameters() if parameter.is_meta}
    for name, values in drawn_anew(head, model.config).items():
        owner, _, last = name.rpartition(".")
        setattr(model.get_submodule(owner), last, torch.nn.Parameter(values))
    named = {
        "missing_keys": {f"{prefix}.{name}" for name in report["missing_keys"]} | head.keys(),
        "mismatched_keys": {(f"{prefix}.{name}", *shapes) for name, *shapes in report["mismatched_keys"]},
        "unexpected_keys": report["unexpected_keys"],
    }
    return model.eval(), named
