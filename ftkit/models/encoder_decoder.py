"""Two checkpoints joined: BERT reads or ViT sees, BERT or GPT-2 writes (Rothe et al. 2020, arXiv 1907.12461).

The decoder gets cross-attention that neither checkpoint has; it is new, as is the head of an encoder without one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftkit.errors import CheckpointError
from ftkit.models.spec import CheckpointSpec

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel

MODEL_TYPE, SEEING_MODEL_TYPE = "encoder-decoder", "vision-encoder-decoder"


def check_can_be_joined(encoder: CheckpointSpec, decoder: CheckpointSpec) -> None:
    """Refuses a pair that transformers cannot join.

    Raises:
        CheckpointError: the first cannot read, or the second has no cross-attention in transformers.
    """
    if encoder.family != "encoder":
        raise CheckpointError(
            f"model.decoder: {encoder.name!r} is of family {encoder.family}; model.checkpoint has to name an encoder, "
            "such as BERT, to be joined with a decoder. Leave model.decoder out to use it by itself."
        )
    if not _has_cross_attention(decoder):
        raise CheckpointError(
            f"model.decoder: transformers has no cross-attention for checkpoints of type {decoder.model_type!r}, such "
            f"as {decoder.name!r}. BERT, RoBERTa, XLM-R, ELECTRA and GPT-2 have it."
        )


def _has_cross_attention(spec: CheckpointSpec) -> bool:
    import inspect

    from transformers import AutoConfig, AutoModelForCausalLM

    try:
        model_class: Any = AutoModelForCausalLM._model_mapping[type(AutoConfig.for_model(spec.model_type))]
    except KeyError:
        return False
    return "encoder_hidden_states" in inspect.signature(model_class.forward).parameters


def joined_type(encoder: CheckpointSpec) -> str:
    """Returns the model type of a checkpoint that is joined with a decoder."""
    return SEEING_MODEL_TYPE if encoder.reads == "image" else MODEL_TYPE


def sides(config: PretrainedConfig) -> tuple[PretrainedConfig, PretrainedConfig]:
    """Returns the configs of what reads and what writes; for most models both are the same."""
    if config.model_type == MODEL_TYPE:
        return config.encoder, config.decoder
    text = config.get_text_config()
    return text, text


def join(
    encoder: CheckpointSpec, decoder: CheckpointSpec, loading: dict[str, Any]
) -> tuple[PreTrainedModel, set[str]]:
    """Loads two checkpoints into one model.

    Args:
        loading: keyword arguments of `from_pretrained` for both.

    Returns:
        The model, and the names of its parameters that neither checkpoint provided.
    """
    import transformers
    from transformers import AutoConfig, AutoModel, AutoModelForCausalLM

    read_class: Any = AutoModel
    write_class: Any = AutoModelForCausalLM
    reader, _ = read_class.from_pretrained(encoder.path, **encoder.loading_arguments, **loading)
    config = AutoConfig.from_pretrained(decoder.path, **decoder.loading_arguments)
    config.is_decoder = config.add_cross_attention = True
    writer, report = write_class.from_pretrained(decoder.path, config=config, **decoder.loading_arguments, **loading)
    name = "VisionEncoderDecoder" if joined_type(encoder) == SEEING_MODEL_TYPE else "EncoderDecoder"
    config_class, model_class = (getattr(transformers, f"{name}{what}") for what in ("Config", "Model"))
    joined = config_class.from_encoder_decoder_configs(reader.config, writer.config)
    model = model_class(config=joined, encoder=reader, decoder=writer)
    new = {f"decoder.{name}" for name in report["missing_keys"]}
    new |= {name for name, _ in model.named_parameters() if name.startswith("enc_to_dec_proj.")}
    return model, new
