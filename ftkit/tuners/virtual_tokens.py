"""Virtual tokens before the text (prefix, prompt, p-tuning): their sizes, and what peft leaves undone around them."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from ftkit.errors import ConfigError
from ftkit.tuners.spec import TunerSpec

if TYPE_CHECKING:
    import torch
    from transformers import PretrainedConfig, PreTrainedModel


def virtual_token_values(model: PreTrainedModel, spec: TunerSpec) -> dict[str, Any]:
    """Returns what peft's config says about virtual tokens.

    peft reads sizes off the top of a model's config: there stand the sizes of an encoder-decoder's encoder, and of two
    joined models none.
    """
    config: Any = model.config
    sizes = _key_sizes(getattr(config, "decoder", config))
    values = {"num_virtual_tokens": spec.option("num_virtual_tokens"), **sizes}
    if spec.method == "prefix":
        return values
    # One prompt, before what is read. ELECTRA's and ALBERT's embeddings are narrower than their layers.
    embeddings: Any = model.get_input_embeddings()
    return {**values, "token_dim": embeddings.weight.shape[1], "num_transformer_submodules": 1}


def _key_sizes(config: PretrainedConfig) -> dict[str, int]:
    """Returns the number of layers, and the heads and the width of their keys, of what writes."""

    def first(*names: str) -> Any:
        return next((value for name in names if (value := getattr(config, name, None)) is not None), None)

    heads = first("decoder_attention_heads", "num_attention_heads")
    head_size = first("head_dim", "d_kv") or first("hidden_size") // heads
    key_heads = first("num_key_value_heads") or heads
    return {
        "num_layers": first("decoder_layers", "num_decoder_layers", "num_hidden_layers"),
        "num_attention_heads": key_heads,
        "token_dim": key_heads * head_size,
    }


def check_embeds_alike(model: Any, spec: TunerSpec) -> None:
    """Refuses a model that peft cannot put virtual tokens before: it looks up the embeddings of the text by itself.

    It takes the first table with as many rows as the vocabulary, and Marian, for one, scales what it reads from it.

    Args:
        model: a peft.PeftModel with a prompt.

    Raises:
        ConfigError: the model reads a text otherwise once it is embedded for it, or has new embeddings.
    """
    import torch
    from peft.utils import ModulesToSaveWrapper

    base = model.get_base_model()
    if isinstance(base.get_input_embeddings(), ModulesToSaveWrapper):
        raise ConfigError(
            f"tuner.method: {spec.method} reads a text with the checkpoint's own embeddings, so that those of "
            "model.add_tokens would not be trained. Choose lora, or leave the tokens out."
        )
    reader = base.get_encoder() if base.config.is_encoder_decoder else base
    was_training = reader.training
    ids_BT = torch.tensor([[2, 3]], device=base.device)
    with torch.no_grad():
        reader.eval()
        by_ids = reader(input_ids=ids_BT)[0]
        table = model.word_embeddings
        by_embeddings = None if table is None else reader(inputs_embeds=table(ids_BT))[0]
        reader.train(was_training)
    if by_embeddings is None or not torch.allclose(by_ids, by_embeddings, rtol=1e-3, atol=1e-3):
        raise ConfigError(
            f"tuner.method: {spec.method} does not suit {base.config.model_type} checkpoints such as this one: peft "
            "does not embed a text as they do. Choose lora, or prefix where a text is written."
        )


def adjust_prompted_model(model: Any) -> None:
    """Makes a prompted peft.PeftModel behave as every other model does."""
    _drop_virtual_tokens(model)
    config = model.active_peft_config
    if config.task_type == "CAUSAL_LM" and config.peft_type != "PREFIX_TUNING":
        _count_positions(model)


_PER_TOKEN = {"logits": 3, "start_logits": 2, "end_logits": 2}
"""What outputs call logits of each token -> how many axes they have then."""


def _drop_virtual_tokens(model: Any) -> None:
    """Makes the model return logits for real tokens only."""
    count = model.active_peft_config.num_virtual_tokens

    def drop(module: torch.nn.Module, args: Any, kwargs: dict[str, Any], outputs: Any) -> Any:
        ids = kwargs.get("decoder_input_ids", kwargs.get("input_ids"))
        for name, num_axes in _PER_TOKEN.items():
            logits = getattr(outputs, name, None)
            if ids is None or logits is None or logits.dim() != num_axes:
                continue
            if logits.shape[1] == ids.shape[1] + count:
                setattr(outputs, name, logits[:, count:])
        return outputs

    model.register_forward_hook(drop, with_kwargs=True)


def _count_positions(model: Any) -> None:
    """Makes a decoder that writes count positions by its attention mask.

    peft forgets the positions that transformers counted, as they are too few. Without any, padding on the left would
    be counted, and what is written would depend on the longest prompt of the batch.
    """
    prepare = model.prepare_inputs_for_generation

    def prepare_with_positions(*args: Any, **kwargs: Any) -> dict[str, Any]:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Position ids are not supported")
            inputs = prepare(*args, **kwargs)
        if "position_ids" in inputs and inputs.get("attention_mask") is not None:  # no mask: nothing is padded
            read = inputs["input_ids"] if inputs.get("inputs_embeds") is None else inputs["inputs_embeds"]
            positions_BT = (inputs["attention_mask"].long().cumsum(dim=1) - 1).clamp(min=0)
            inputs["position_ids"] = positions_BT[:, -read.shape[1] :]
        return inputs

    model.prepare_inputs_for_generation = prepare_with_positions
