"""Fresh checkpoints that read images with texts: a small model with random weights, and its processor."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ftkit.data.images import EXTENSIONS
from ftkit.models.new_checkpoint import END, PAD, UNKNOWN, VOCAB_SIZES, Size, seeded, train_byte_pairs
from ftkit.models.new_image_checkpoint import checked_side

MAX_POSITIONS = 1024

IMAGE, AROUND, GLOBAL, TURN_END = "<image>", "<fake_token_around_image>", "<global-img>", "<end_of_utterance>"
START = "<|im_start|>"

# SmolVLM's own, which puts a space before texts but not before images; answers are marked.
CHAT_TEMPLATE = """\
{{- '<|im_start|>' -}}
{%- for message in messages -%}
{{- (message.role | capitalize) + ':' -}}
{%- if message.role == 'assistant' -%}
{%- generation -%}
{%- for part in message.content -%}{{- ' ' + part.text -}}{%- endfor -%}
{{- '<end_of_utterance>' -}}
{%- endgeneration -%}
{{- '\\n' -}}
{%- else -%}
{%- for part in message.content -%}
{%- if part.type == 'image' -%}{{- '<image>' -}}{%- else -%}{{- ' ' + part.text -}}{%- endif -%}
{%- endfor -%}
{{- '<end_of_utterance>\\n' -}}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- 'Assistant:' -}}{%- endif -%}
"""

IMAGE_SIZES: Mapping[Size, int] = {"tiny": 64, "small": 224}

# What sees: as a tiny ViT, and as DeiT-S (arXiv 2012.12877). What writes: as GPT-2's tiny and small. `scale_factor`
# squares of patches become one token (pixel shuffle, arXiv 2408.12637).
_SIZES: Mapping[Size, Mapping[str, Any]] = {
    "tiny": {
        "vision": {
            **{"hidden_size": 128, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 256},
            "patch_size": 8,
        },
        "text": {
            **{"hidden_size": 128, "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 4},
            "intermediate_size": 384,
        },
        "scale_factor": 2,
    },
    "small": {
        "vision": {
            **{"hidden_size": 384, "num_hidden_layers": 12, "num_attention_heads": 6, "intermediate_size": 1536},
            "patch_size": 16,
        },
        "text": {
            **{"hidden_size": 512, "num_hidden_layers": 6, "num_attention_heads": 8, "num_key_value_heads": 8},
            "intermediate_size": 1536,
        },
        "scale_factor": 2,
    },
}

IMAGE_TEXT_ARCHITECTURES = ("idefics3",)
"""What SmolVLM is: a vision transformer whose patches a Llama reads beside words."""


def make_image_text_checkpoint(
    folder: Path,
    size: Size,
    texts: Iterable[str],
    *,
    image_size: int | None = None,
    vocab_size: int | None = None,
    dropout: float = 0.0,
    seed: int = 42,
) -> dict[str, int]:
    """Trains a tokenizer and writes an untrained Idefics3 with its processor and chat template.

    Args:
        folder: where to write.
        texts: what the tokenizer is trained on: questions, answers, captions.
        image_size: pixels of a side of what the model sees; images keep their shape within it. Default: by size.
        vocab_size: tokens at most; few texts give fewer. Default: by size.
        dropout: of attention, the only one that the model has.
        seed: of the weights.

    Returns:
        `vocab_size`, `image_size` and `num_parameters`.

    Raises:
        UserError: the model cannot see images of that size.
    """
    from transformers import Idefics3ForConditionalGeneration, Idefics3Processor

    sizes = _SIZES[size]
    multiple_of = sizes["vision"]["patch_size"] * sizes["scale_factor"]
    side = checked_side(image_size or IMAGE_SIZES[size], multiple_of, IMAGE_TEXT_ARCHITECTURES[0], size)
    tokenizer = _tokenizer(without_paths(texts), vocab_size or VOCAB_SIZES[size])
    with seeded(seed):
        model = Idefics3ForConditionalGeneration(_config(sizes, side, tokenizer, dropout))
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.save_pretrained(folder)
    image_tokens = (side // sizes["vision"]["patch_size"] // sizes["scale_factor"]) ** 2
    processor = Idefics3Processor(
        _image_processor(side), tokenizer, image_seq_len=image_tokens, chat_template=CHAT_TEMPLATE
    )
    processor.save_pretrained(folder)
    return {"vocab_size": len(tokenizer), "image_size": side, "num_parameters": model.num_parameters()}


def without_paths(texts: Iterable[str]) -> Iterator[str]:
    """Returns texts without paths of images, which stand beside them in the tables that a tokenizer learns from."""
    return (text for text in texts if not text.lower().endswith(EXTENSIONS))


def _config(sizes: Mapping[str, Any], side: int, tokenizer: Any, dropout: float) -> Any:
    """Returns an Idefics3Config: a vision transformer beside a Llama that knows the tokenizer's pieces."""
    from transformers import Idefics3Config

    text = {
        **sizes["text"],
        **{"vocab_size": len(tokenizer), "max_position_embeddings": MAX_POSITIONS, "attention_dropout": dropout},
        "initializer_range": sizes["text"]["hidden_size"] ** -0.5 / 2,
        **{"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id},
        "pad_token_id": tokenizer.pad_token_id,
        "model_type": "llama",
    }
    config = Idefics3Config(
        vision_config={**sizes["vision"], "image_size": side, "attention_dropout": dropout},
        text_config=text,
        image_token_id=tokenizer.convert_tokens_to_ids(IMAGE),
        scale_factor=sizes["scale_factor"],
    )
    config.pad_token_id = tokenizer.pad_token_id
    return config


def _image_processor(side: int) -> Any:
    from transformers import Idefics3ImageProcessorPil

    longest = {"longest_edge": side}
    return Idefics3ImageProcessorPil(size=longest, max_image_size=longest, do_image_splitting=False)


def _tokenizer(texts: Iterable[str], vocab_size: int) -> Any:
    """Byte pairs; the chat template writes every special token, so none is added to a text."""
    from transformers import PreTrainedTokenizerFast

    special = [PAD, END, UNKNOWN, START, TURN_END, IMAGE, AROUND, GLOBAL]
    # The space before a word is a part of it, also of the first: that is how it stands in a conversation. The words
    # of the template are in no file, and in every row.
    spoken = itertools.chain((f" {text.strip()}" for text in texts), itertools.repeat("User:\nAssistant:", 100))
    trained = train_byte_pairs(spoken, vocab_size, special)
    trained.pre_tokenizer.add_prefix_space = False
    return PreTrainedTokenizerFast(
        tokenizer_object=trained,
        pad_token=PAD,
        bos_token=START,
        eos_token=TURN_END,
        unk_token=UNKNOWN,
        additional_special_tokens=[END, IMAGE, AROUND, GLOBAL],
        model_max_length=MAX_POSITIONS,
        model_input_names=["input_ids", "attention_mask"],
    )
