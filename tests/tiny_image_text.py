"""Tiny untrained checkpoints that write about images, and pictures with questions for them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import tiny
import tiny_gemma
from ftkit.data.image_text import ImageTextExample, user_message

SIDE, PATCH = 32, 8
SPECIAL = ("<pad>", "<s>", "</s>", "<unk>", "<image>", "<fake_token_around_image>", "<end_of_utterance>")
QWEN_SPECIAL = (
    *("<pad>", "<s>", "</s>", "<unk>", "<|im_start|>", "<|im_end|>"),
    *("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"),
)
COLOURS = {"sun": (230, 200, 40), "rain": (40, 60, 200), "card": (200, 40, 40), "team": (40, 180, 60)}
"""What a picture shows, and its colour."""

QUESTION = "who won the game"

# Of llava-hf's checkpoints, and of Idefics3: answers end with a token, and nothing marks them.
LLAVA_TEMPLATE = (
    "{% for message in messages %}{{ message.role | upper }}:"
    "{% for part in message.content %}{% if part.type == 'image' %}{{ ' <image>\n' }}"
    "{% else %}{{ ' ' + part.text }}{% endif %}{% endfor %}"
    "{% if message.role == 'assistant' %}{{ '</s>' }}{% else %}{{ ' ' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
)
IDEFICS_TEMPLATE = (
    "{{ '<s>' }}{% for message in messages %}{{ message.role | capitalize }}:"
    "{% for part in message.content %}{% if part.type == 'image' %}{{ '<image>' }}"
    "{% else %}{{ ' ' + part.text }}{% endif %}{% endfor %}{{ '<end_of_utterance>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)
QWEN_TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message.role + '\n' }}"
    "{% for part in message.content %}"
    "{% if part.type == 'image' %}{{ '<|vision_start|><|image_pad|><|vision_end|>' }}"
    "{% else %}{{ part.text }}{% endif %}{% endfor %}{{ '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)

VISION = {
    **{"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64},
    **{"image_size": SIDE, "patch_size": PATCH},
}
TEXT = {
    **{"model_type": "llama", "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2},
    **{"num_key_value_heads": 2, "intermediate_size": 64, "max_position_embeddings": 128},
}


def make_checkpoint(name: str, folder: Path, *, seed: int = 0) -> Path:
    """Writes a checkpoint with its processor, and returns its folder.

    Args:
        name: a key of `MAKERS`.
    """
    import torch

    folder = Path(folder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model, processor = MAKERS[name]()
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def _tokenizer(special: Sequence[str] = SPECIAL, **named: Any) -> Any:
    """Returns bytes and known words, with the tokens that models of images have."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    trained = Tokenizer(models.BPE(**tiny._byte_pairs(list(special), [])))
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trained.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=trained,
        **{"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"},
        **(named or {"additional_special_tokens": list(special[4:])}),
    )


def _text(tokenizer: Any) -> dict[str, Any]:
    return {**TEXT, "vocab_size": len(tokenizer) + 3, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}


def _smol(name: str) -> Callable[[], tuple[Any, Any]]:
    """Returns what makes an Idefics3, or a SmolVLM, which is one that sees videos, too."""

    def make() -> tuple[Any, Any]:
        import transformers

        tokenizer = _tokenizer()
        longest = {"longest_edge": SIDE}
        images = getattr(transformers, f"{name}ImageProcessorPil")(
            size=longest, max_image_size=longest, do_image_splitting=False
        )
        config = getattr(transformers, f"{name}Config")(
            vision_config=VISION,
            text_config=_text(tokenizer),
            image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
            scale_factor=2,
            pad_token_id=0,
        )
        model = getattr(transformers, f"{name}ForConditionalGeneration")(config)
        settings: dict[str, Any] = {"chat_template": IDEFICS_TEMPLATE, "image_seq_len": 4}
        if name == "Idefics3":
            return model, transformers.Idefics3Processor(images, tokenizer, **settings)
        return model, _without_videos(f"{name}Processor", images, tokenizer, **settings)

    return make


def _llava() -> tuple[Any, Any]:
    import transformers

    tokenizer = _tokenizer()
    size = {"height": SIDE, "width": SIDE}
    images = transformers.CLIPImageProcessorPil(size={"shortest_edge": SIDE}, crop_size=size)
    processor = transformers.LlavaProcessor(
        images,
        tokenizer,
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=LLAVA_TEMPLATE,
    )
    config = transformers.LlavaConfig(
        vision_config={"model_type": "clip_vision_model", **VISION},
        text_config=_text(tokenizer),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        pad_token_id=0,
    )
    return transformers.LlavaForConditionalGeneration(config), processor


def _git() -> tuple[Any, Any]:
    import transformers

    tokenizer = tiny.RECIPES["bert"].tokenizer()
    images = transformers.CLIPImageProcessorPil(
        size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}
    )
    config = transformers.GitConfig(
        vision_config=VISION,
        **{"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64},
        **{"vocab_size": len(tokenizer), "max_position_embeddings": 64, "hidden_dropout_prob": 0.0},
        attention_probs_dropout_prob=0.0,
        **{"pad_token_id": tokenizer.pad_token_id, "bos_token_id": tokenizer.cls_token_id},
        eos_token_id=tokenizer.sep_token_id,
    )
    return transformers.GitForCausalLM(config), transformers.GitProcessor(images, tokenizer)


def _llava_next() -> tuple[Any, Any]:
    import transformers

    tokenizer = _tokenizer()
    size, grid = {"height": SIDE, "width": SIDE}, [[SIDE, 2 * SIDE], [2 * SIDE, SIDE]]
    images = transformers.LlavaNextImageProcessorPil(
        size={"shortest_edge": SIDE}, crop_size=size, image_grid_pinpoints=grid
    )
    processor = transformers.LlavaNextProcessor(
        images,
        tokenizer,
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=LLAVA_TEMPLATE,
    )
    config = transformers.LlavaNextConfig(
        vision_config={"model_type": "clip_vision_model", **VISION},
        text_config=_text(tokenizer),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        image_grid_pinpoints=grid,
    )
    return transformers.LlavaNextForConditionalGeneration(config), processor


def _idefics2() -> tuple[Any, Any]:
    import transformers

    tokenizer = _tokenizer()
    images = transformers.Idefics2ImageProcessorPil(
        size={"shortest_edge": SIDE, "longest_edge": SIDE}, do_image_splitting=False
    )
    processor = transformers.Idefics2Processor(images, tokenizer, image_seq_len=4, chat_template=IDEFICS_TEMPLATE)
    config = transformers.Idefics2Config(
        vision_config=VISION,
        text_config={**_text(tokenizer), "model_type": "mistral"},
        perceiver_config={
            "hidden_size": 32,
            "resampler_n_latents": 4,
            "resampler_depth": 1,
            "resampler_n_heads": 2,
            "resampler_head_dim": 16,
            "num_key_value_heads": 2,
        },
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
    )
    return transformers.Idefics2ForConditionalGeneration(config), processor


def _qwen(name: str, text: str, **vision: Any) -> Callable[[], tuple[Any, Any]]:
    """Returns what makes a Qwen: images in their own sizes, patch after patch, and positions of three dimensions."""

    def make() -> tuple[Any, Any]:
        import transformers

        tokenizer = _tokenizer(QWEN_SPECIAL)
        images = transformers.Qwen2VLImageProcessorPil(
            size={"shortest_edge": 256, "longest_edge": 1024}, patch_size=PATCH, merge_size=2, temporal_patch_size=2
        )
        rope = {"rope_type": "default", "mrope_section": [2, 3, 3], "rope_theta": 10000.0}
        config = getattr(transformers, f"{name}Config")(
            text_config={**_text(tokenizer), "model_type": text, "rope_parameters": rope, "head_dim": 16},
            vision_config={
                **{"depth": 2, "num_heads": 2, "patch_size": PATCH, "spatial_merge_size": 2},
                **{"temporal_patch_size": 2, **vision},
            },
            **{
                f"{key}_token_id": tokenizer.convert_tokens_to_ids(f"<|{token}|>")
                for key, token in (
                    *(("image", "image_pad"), ("video", "video_pad")),
                    *(("vision_start", "vision_start"), ("vision_end", "vision_end")),
                )
            },
        )
        model = getattr(transformers, f"{name}ForConditionalGeneration")(config)
        return model, _without_videos(f"{name}Processor", images, tokenizer, chat_template=QWEN_TEMPLATE)

    return make


def _without_videos(name: str, images: Any, tokenizer: Any, **settings: Any) -> Any:
    import transformers

    from ftkit.models.image_text_processors import without_videos

    made = without_videos(getattr(transformers, name), {"video_processor_type": "OfVideos", "fps": 2.0})
    return made(images, tokenizer, None, **settings)


def _internvl() -> tuple[Any, Any]:
    import transformers

    named = {"start_image_token": "<img>", "end_image_token": "</img>", "context_image_token": "<IMG_CONTEXT>"}
    named |= {"video_token": "<video>", "turn_token": "<|im_start|>", "turn_end_token": "<|im_end|>"}
    tokenizer = _tokenizer((*SPECIAL[:4], *named.values()), extra_special_tokens=named)
    size = {"height": SIDE, "width": SIDE}
    images = transformers.GotOcr2ImageProcessorPil(size=size, min_patches=1, max_patches=3)
    config = transformers.InternVLConfig(
        vision_config={**VISION, "image_size": [SIDE, SIDE], "patch_size": [PATCH, PATCH]},
        text_config={**_text(tokenizer), "model_type": "qwen2"},
        image_token_id=tokenizer.convert_tokens_to_ids("<IMG_CONTEXT>"),
        image_seq_length=4,
        downsample_ratio=0.5,
    )
    template = QWEN_TEMPLATE.replace("<|vision_start|><|image_pad|><|vision_end|>", "<IMG_CONTEXT>")
    settings: dict[str, Any] = {"chat_template": template, "image_seq_length": 4}
    return transformers.InternVLForConditionalGeneration(config), _without_videos(
        "InternVLProcessor", images, tokenizer, **settings
    )


def _onevision() -> tuple[Any, Any]:
    import transformers

    tokenizer = _tokenizer((*SPECIAL, "<video>"))
    shapes = {"image_grid_pinpoints": [[SIDE, SIDE], [SIDE, 2 * SIDE], [2 * SIDE, SIDE]]}
    images = transformers.LlavaOnevisionImageProcessorPil(size={"height": SIDE, "width": SIDE}, **shapes)
    seen = {"vision_feature_select_strategy": "full"}
    config = transformers.LlavaOnevisionConfig(
        vision_config={**VISION, "model_type": "siglip_vision_model", "vision_use_head": False},
        text_config={**_text(tokenizer), "model_type": "qwen2"},
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        video_token_index=tokenizer.convert_tokens_to_ids("<video>"),
        vision_feature_layer=-1,
        **shapes,
        **seen,
    )
    name, settings = "LlavaOnevisionProcessor", {"chat_template": LLAVA_TEMPLATE, "num_image_tokens": 16, **seen}
    return transformers.LlavaOnevisionForConditionalGeneration(config), _without_videos(
        name, images, tokenizer, **settings
    )


def _blip(name: str = "BlipForConditionalGeneration") -> tuple[Any, Any]:
    import transformers

    tokenizer = tiny.RECIPES["bert"].tokenizer()
    tokenizer.add_special_tokens({"bos_token": "[DEC]"})
    images = transformers.BlipImageProcessorPil(size={"height": SIDE, "width": SIDE})
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    config = transformers.BlipConfig(
        vision_config=VISION,
        text_config={
            **{**sizes, "encoder_hidden_size": 32, "vocab_size": len(tokenizer), "max_position_embeddings": 64},
            **{"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "projection_dim": 32},
            **{"pad_token_id": tokenizer.pad_token_id, "bos_token_id": tokenizer.bos_token_id},
            **{"sep_token_id": tokenizer.sep_token_id, "eos_token_id": tokenizer.sep_token_id},
        },
    )
    return getattr(transformers, name)(config), transformers.BlipProcessor(images, tokenizer)


def _florence() -> tuple[Any, Any]:
    import transformers

    # Behind strides of 4, 2, 2 and 2 an image is one square, which is one token, and another for their mean.
    widths = [16, 16, 16, 32]
    pairs = tiny._byte_pairs(["<s>", "<pad>", "</s>", "<unk>"], ["<mask>", "<image>"])
    tokenizer = transformers.RobertaTokenizer(**pairs, extra_special_tokens={"image_token": "<image>"})
    images = transformers.CLIPImageProcessorPil(
        size={"height": SIDE, "width": SIDE}, do_center_crop=False, image_seq_length=2
    )
    heads, layers = {"encoder_attention_heads": 2, "decoder_attention_heads": 2}, {"encoder_layers": 2}
    config = transformers.Florence2Config(
        vision_config={
            **{"embed_dim": widths, "num_heads": [2, 2, 2, 2], "num_groups": [2, 2, 2, 2], "depths": [1, 1, 1, 1]},
            **{"window_size": 4, "projection_dim": 32, "drop_path_rate": 0.0, "max_temporal_embeddings": 4},
            "initializer_range": 0.1,
        },
        text_config={
            **{"model_type": "bart", "vocab_size": len(tokenizer), "d_model": 32, "max_position_embeddings": 64},
            **{"encoder_ffn_dim": 64, "decoder_ffn_dim": 64, "decoder_layers": 2, "dropout": 0.0, "init_std": 0.1},
            **heads,
            **layers,
            **{"pad_token_id": tokenizer.pad_token_id, "bos_token_id": tokenizer.bos_token_id},
            **{"eos_token_id": tokenizer.eos_token_id, "decoder_start_token_id": tokenizer.eos_token_id},
        },
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
    )
    model = transformers.Florence2ForConditionalGeneration(config)
    model.generation_config.forced_bos_token_id = tokenizer.bos_token_id
    return model, transformers.Florence2Processor(images, tokenizer)


def _vit_gpt2() -> tuple[Any, Any]:
    import transformers

    tokenizer = tiny.RECIPES["gpt2"].tokenizer()
    config = transformers.VisionEncoderDecoderConfig.from_encoder_decoder_configs(
        transformers.ViTConfig(**VISION, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0),
        transformers.GPT2Config(
            **{"vocab_size": len(tokenizer), "n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 64},
            **dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), 0.0),
            **{"is_decoder": True, "add_cross_attention": True},
        ),
    )
    model = transformers.VisionEncoderDecoderModel(config)
    model.config.decoder_start_token_id = tokenizer.bos_token_id
    return model, _Parts(transformers.ViTImageProcessorPil(size={"height": SIDE, "width": SIDE}), tokenizer)


class _Parts:
    """An image processor and a tokenizer that lie in one folder and know nothing of one another."""

    def __init__(self, *parts: Any) -> None:
        self.parts = parts

    def save_pretrained(self, folder: Path) -> None:
        for part in self.parts:
            part.save_pretrained(folder)


MAKERS: dict[str, Callable[[], tuple[Any, Any]]] = {
    "idefics3": _smol("Idefics3"),
    "idefics2": _idefics2,
    "smolvlm": _smol("SmolVLM"),
    "qwen2_vl": _qwen("Qwen2VL", "qwen2_vl_text", embed_dim=32, hidden_size=32, mlp_ratio=2),
    "qwen2_5_vl": _qwen(
        "Qwen2_5_VL",
        "qwen2_5_vl_text",
        **{"hidden_size": 32, "intermediate_size": 64, "out_hidden_size": 32, "window_size": 2 * PATCH},
        fullatt_block_indexes=[1],
    ),
    "qwen3_vl": _qwen(
        "Qwen3VL",
        "qwen3_vl_text",
        **{"hidden_size": 32, "intermediate_size": 64, "out_hidden_size": 32, "num_position_embeddings": 16},
        deepstack_visual_indexes=[0],
    ),
    "internvl": _internvl,
    "llava_onevision": _onevision,
    "llava": _llava,
    "llava_next": _llava_next,
    "git": _git,
    "blip": _blip,
    "blip_vqa": lambda: _blip("BlipForQuestionAnswering"),
    "florence2": _florence,
    "vit-gpt2": _vit_gpt2,
    **tiny_gemma.MAKERS,
}


def maker(root: Path) -> Callable[[str], Path]:
    return tiny.made_once(make_checkpoint, root)


def make_pictures(folder: Path, count: int, *, seed: int = 0) -> list[tuple[str, str]]:
    """Writes `folder/N.png`, pictures of a colour with noise and of several shapes.

    Returns:
        File and what it shows.
    """
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    found = []
    for number in range(count):
        name = list(COLOURS)[number % len(COLOURS)]
        height, width = 24 + 8 * (number % 2), 40 - 8 * (number % 3)
        noise = rng.integers(-20, 20, (height, width, 3))
        pixels = np.clip(np.array(COLOURS[name]) + noise, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
        found.append((str(folder / f"{number}.png"), name))
    return found


def make_rows(folder: Path, count: int, *, question: bool = True, seed: int = 0) -> Path:
    """Writes pictures, and `folder/rows.jsonl` with what is asked about them and the answers."""
    rows = [
        {"image": Path(file).name, **({"question": QUESTION} if question else {}), "answer": name}
        for file, name in make_pictures(folder, count, seed=seed)
    ]
    file = folder / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def examples(folder: Path, count: int, *, question: str = QUESTION, with_targets: bool = True) -> list[Any]:
    """Returns examples of pictures, all asked the same."""
    return [
        ImageTextExample(
            id=number,
            images=(file,),
            names=(Path(file).name,),
            messages=(user_message(question, 1),),
            target=name if with_targets else None,
            line=number + 1,
        )
        for number, (file, name) in enumerate(make_pictures(folder, count))
    ]


def make_adapter(folder: Path, **options: Any) -> Any:
    """Returns the task adapter of a checkpoint, found as a run finds it."""
    from ftkit.kinds.image_text_to_text import KIND
    from ftkit.models.checkpoint import inspect_checkpoint
    from ftkit.models.spec import ModelSpec

    spec = inspect_checkpoint(ModelSpec(checkpoint=str(folder)))
    return KIND.task_adapter(spec).make(spec, None, options=options)


def run_config(folder: Path, checkpoint: Path, *, question: bool = True, **train: Any) -> dict[str, Any]:
    """Returns the config of a run on pictures of four colours."""
    return {
        "task": "image-text-to-text",
        "model": {"checkpoint": str(checkpoint)},
        "data": {
            "train": str(make_rows(folder / "train", 12, question=question)),
            "test": str(make_rows(folder / "test", 6, question=question, seed=1)),
        },
        "generation": {"max_new_tokens": 4},
        "train": {"num_train_epochs": 1, "per_device_train_batch_size": 4, "use_cpu": True, **train},
        "output_dir": str(folder / "run"),
    }
