"""Whether a decoder reads only what stands before a token, or the whole text: set in its config, and tried."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftkit.errors import CheckpointError
from ftkit.models.outputs import logits_of
from ftkit.models.spec import CheckpointSpec

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel


def config_that_reads(spec: CheckpointSpec, **values: Any) -> PretrainedConfig:
    """Returns a checkpoint's config with the attention that is declared for it.

    Args:
        values: what the config is to say besides, such as `num_labels`.
    """
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(spec.path, **spec.loading_arguments, **values)
    looks_ahead = spec.attention == "bidirectional"
    if spec.family == "decoder" and getattr(config, "is_causal", True) == looks_ahead:
        config.is_causal = not looks_ahead  # transformers masks by it, and save_pretrained keeps it
    return config


def check_looks_ahead(model: PreTrainedModel, spec: CheckpointSpec) -> None:
    """Refuses a decoder that keeps its causal mask though its config says otherwise: tries it with two texts.

    Raises:
        CheckpointError: the first token's output does not depend on the last token.
    """
    import torch

    if spec.family != "decoder" or spec.attention != "bidirectional":
        return
    was_training = model.training
    model.eval()
    ids = torch.arange(2, 8, device=model.device)[None, :] % spec.vocab_size
    other = ids.clone()
    other[0, -1] = (ids[0, -1] + 1) % spec.vocab_size
    with torch.inference_mode():
        one, two = (logits_of(model(input_ids=tokens))[0, 0] for tokens in (ids, other))
    model.train(was_training)
    if torch.equal(one, two):
        raise CheckpointError(
            f"model.attention: a {spec.model_type!r} model keeps its causal mask, so {spec.name!r} cannot read both "
            "directions. Say model.attention: causal. It works for llama, mistral, qwen2, qwen3, gpt2, gpt_neox ..."
        )
