"""Tiny untrained Gemmas that write about images: Gemma 3, Gemma 4, PaliGemma and PaliGemma 2."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tiny

SIDE, PATCH = 32, 8
SPECIAL = ("<pad>", "<eos>", "<bos>", "<unk>", "<mask>")
TURNS = ("<start_of_turn>", "<end_of_turn>")
# As Gemma's own: a vocabulary has runs of line breaks, which the tokenizer makes as long as it can.
BREAKS = tuple("\n" * count for count in range(1, 6))

# Google's own for Gemma 3, without what it says of a system's message.
GEMMA3_TEMPLATE = (
    "{{ bos_token }}{%- for message in messages -%}"
    "{%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{%- endif -%}"
    "{{ '<start_of_turn>' + ('model' if message['role'] == 'assistant' else message['role']) + '\n' }}"
    "{%- for item in message['content'] -%}"
    "{%- if item['type'] == 'image' -%}{{ '<start_of_image>' }}"
    "{%- elif item['type'] == 'text' -%}{{ item['text'] | trim }}{%- endif -%}"
    "{%- endfor -%}{{ '<end_of_turn>\n' }}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<start_of_turn>model\n' }}{%- endif -%}"
)
GEMMA4_TEMPLATE = (
    "{{ bos_token }}{%- for message in messages -%}"
    "{{ '<|turn>' + ('model' if message['role'] == 'assistant' else message['role']) + '\n' }}"
    "{%- for item in message['content'] -%}"
    "{%- if item['type'] == 'image' -%}{{ '<|image|>' }}"
    "{%- elif item['type'] == 'text' -%}{{ item['text'] | trim }}{%- endif -%}"
    "{%- endfor -%}{{ '<turn|>\n' }}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|turn>model\n' }}{%- endif -%}"
)

VISION = {
    **{"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64},
    **{"image_size": SIDE, "patch_size": PATCH},
}
SIGLIP = {**VISION, "model_type": "siglip_vision_model", "vision_use_head": False}
TEXT = {
    **{"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1},
    **{"intermediate_size": 64, "head_dim": 16, "max_position_embeddings": 256},
}
WINDOWS = {"layer_types": ["sliding_attention", "full_attention"], "sliding_window": 12}


def _tokenizer(*special: str, adds_breaks: bool = False, **named: str) -> Any:
    """Returns words and bytes, with Gemma's special tokens; line breaks joined by merges, or as added tokens."""
    from transformers import AddedToken, GemmaTokenizer

    pairs = tiny._byte_fallback_pairs([*SPECIAL, *special, *named.values()])
    vocab = dict(pairs["vocab"])
    joins = []
    if not adds_breaks:
        for run in BREAKS:
            vocab.setdefault(run, len(vocab))
        joins = [(one, other) for one in BREAKS for other in BREAKS if one + other in BREAKS]
    tokenizer = GemmaTokenizer(
        vocab=vocab,
        merges=[*pairs["merges"], *joins],
        add_bos_token=True,
        extra_special_tokens=named,
    )
    tokenizer.add_special_tokens({"additional_special_tokens": list(special)})
    tokenizer.add_tokens([AddedToken(run, normalized=False) for run in BREAKS if adds_breaks])
    return tokenizer


def _text(tokenizer: Any) -> dict[str, Any]:
    return {**TEXT, "vocab_size": len(tokenizer) + 3, "pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 2}


def _gemma3() -> tuple[Any, Any]:
    import transformers

    named = {"boi_token": "<start_of_image>", "eoi_token": "<end_of_image>", "image_token": "<image_soft_token>"}
    tokenizer = _tokenizer(*TURNS, **named)
    images = transformers.Gemma3ImageProcessorPil(size={"height": SIDE, "width": SIDE})
    ids = {name: tokenizer.convert_tokens_to_ids(token) for name, token in named.items()}
    config = transformers.Gemma3Config(
        vision_config=SIGLIP,
        text_config={**_text(tokenizer), **WINDOWS, "query_pre_attn_scalar": 16},
        mm_tokens_per_image=4,
        **{f"{name}_index": id_ for name, id_ in ids.items()},
    )
    processor = transformers.Gemma3Processor(images, tokenizer, chat_template=GEMMA3_TEMPLATE, image_seq_length=4)
    return transformers.Gemma3ForConditionalGeneration(config), processor


def _gemma4() -> tuple[Any, Any]:
    """Returns one that reads images, each as many tokens as its shape takes, videos and recordings."""
    import transformers

    from ftkit.models.image_text_processors import without_videos

    named = {
        **{"boi_token": "<|image>", "eoi_token": "<image|>", "image_token": "<|image|>"},
        **{"boa_token": "<|audio>", "eoa_token": "<audio|>", "audio_token": "<|audio|>"},
    }
    tokenizer = _tokenizer("<|turn>", "<turn|>", adds_breaks=True, **named)
    images = transformers.Gemma4ImageProcessorPil(patch_size=4, max_soft_tokens=70, pooling_kernel_size=2)
    made = without_videos(transformers.Gemma4Processor, {"video_processor_type": "Gemma4VideoProcessor"})
    processor = made(
        feature_extractor=transformers.Gemma4AudioFeatureExtractor(),
        image_processor=images,
        tokenizer=tokenizer,
        video_processor=None,
        chat_template=GEMMA4_TEMPLATE,
    )
    ids = {name: tokenizer.convert_tokens_to_ids(token) for name, token in named.items()}
    config = transformers.Gemma4Config(
        vision_config={
            **{"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2},
            **{"intermediate_size": 64, "head_dim": 16, "patch_size": 4, "pooling_kernel_size": 2},
            "position_embedding_size": 128,
        },
        text_config={
            **{**_text(tokenizer), **WINDOWS, "global_head_dim": 16, "use_bidirectional_attention": "vision"},
            **{"hidden_size_per_layer_input": 8, "vocab_size_per_layer_input": len(tokenizer) + 3},
        },
        **{f"{name}_id": ids[name] for name in ("boi_token", "eoi_token", "image_token", "boa_token", "audio_token")},
        eoa_token_index=ids["eoa_token"],
        video_token_id=tokenizer.convert_tokens_to_ids("<|video|>"),
    )
    model = transformers.Gemma4ForConditionalGeneration(config)
    # As new models have them, images are so faint beside texts that it takes long to learn from them.
    for seen in (model.model.vision_tower.patch_embedder.input_proj, model.model.embed_vision.embedding_projection):
        seen.weight.data.mul_(10)
    return model, processor


def _paligemma(text: str, named: dict[str, str], **more: Any) -> Callable[[], tuple[Any, Any]]:
    """Returns what makes a PaliGemma, whose processor adds 1,152 tokens of places and shapes to the vocabulary.

    Args:
        named: the tokenizer's name for the image token; the oldest have none, and their processor adds it.
    """

    def make() -> tuple[Any, Any]:
        import transformers

        images = transformers.SiglipImageProcessorPil(size={"height": SIDE, "width": SIDE})
        images.image_seq_length = (SIDE // PATCH) ** 2
        processor = transformers.PaliGemmaProcessor(images, _tokenizer(**named))
        config = transformers.PaliGemmaConfig(
            vision_config={**SIGLIP, "projection_dim": 32},
            text_config={**_text(processor.tokenizer), **more, "model_type": text},
            image_token_index=processor.image_token_id,
            projection_dim=32,
        )
        return transformers.PaliGemmaForConditionalGeneration(config), processor

    return make


MAKERS: dict[str, Callable[[], tuple[Any, Any]]] = {
    "gemma3": _gemma3,
    "gemma4": _gemma4,
    "paligemma": _paligemma("gemma", {}),
    "paligemma2": _paligemma("gemma2", {"image_token": "<image>"}, **WINDOWS, query_pre_attn_scalar=16),
}
