"""Fresh checkpoints that compare images with texts: a tokenizer trained on the user's texts, and two small towers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftkit.models.new_checkpoint import VOCAB_SIZES, Size, seeded
from ftkit.models.new_image_checkpoint import checked_side

if TYPE_CHECKING:
    from transformers import CLIPTokenizer

ARCHITECTURE = "clip"
PAD_TOKEN = "<|pad|>"
MAX_POSITIONS = 77
IMAGE_SIZES: Mapping[Size, int] = {"tiny": 64, "small": 224}

_TOWERS: Mapping[Size, Mapping[str, Any]] = {
    "tiny": {
        "projection_dim": 64,
        "text_config": {
            "hidden_size": 128,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "intermediate_size": 256,
        },
        "vision_config": {
            "hidden_size": 128,
            "num_hidden_layers": 6,
            "num_attention_heads": 4,
            "intermediate_size": 256,
            "patch_size": 8,
        },
    },
    # Half as deep as the smallest CLIP of arXiv 2103.00020, table 20, and 3/4 as wide.
    "small": {
        "projection_dim": 384,
        "text_config": {
            "hidden_size": 384,
            "num_hidden_layers": 6,
            "num_attention_heads": 6,
            "intermediate_size": 1536,
        },
        "vision_config": {
            "hidden_size": 384,
            "num_hidden_layers": 6,
            "num_attention_heads": 6,
            "intermediate_size": 1536,
            "patch_size": 16,
        },
    },
}


def make_dual_encoder(
    folder: Path,
    size: Size,
    texts: Iterable[str],
    *,
    vocab_size: int | None = None,
    image_size: int | None = None,
    dropout: float = 0.0,
    seed: int = 42,
) -> dict[str, int]:
    """Trains a tokenizer and writes an untrained CLIP: config.json, model.safetensors, files of both processors.

    Its image processor makes every image a square, whatever its shape was, so nothing is cut off.

    Args:
        folder: where to write.
        texts: what the tokenizer is trained on.
        vocab_size: tokens at most; few texts give fewer. Default: by size.
        image_size: pixels of a side of what the image tower sees. Default: by size.
        dropout: of attention, in both towers; CLIP was trained without any.
        seed: of the weights.

    Returns:
        `vocab_size`, `image_size` and `num_parameters`.

    Raises:
        UserError: the image tower cannot see images of that size.
    """
    from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, CLIPProcessor

    sizes = _TOWERS[size]
    patch = sizes["vision_config"]["patch_size"]
    side = checked_side(image_size or IMAGE_SIZES[size], patch, ARCHITECTURE, size)
    tokenizer = _train_tokenizer(texts, vocab_size or VOCAB_SIZES[size])
    ids = {name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    dropped = {"attention_dropout": dropout}
    config = CLIPConfig(
        projection_dim=sizes["projection_dim"],
        text_config={
            **sizes["text_config"],
            **dropped,
            **ids,
            "vocab_size": len(tokenizer),
            "max_position_embeddings": MAX_POSITIONS,
        },
        vision_config={**sizes["vision_config"], **dropped, "image_size": side},
    )
    with seeded(seed):
        model: Any = CLIPModel(config)
    model.save_pretrained(folder)
    square = {"height": side, "width": side}
    images = CLIPImageProcessorPil(size=square, crop_size=square, do_center_crop=False)
    CLIPProcessor(image_processor=images, tokenizer=tokenizer).save_pretrained(folder)
    return {"vocab_size": len(tokenizer), "image_size": side, "num_parameters": model.num_parameters()}


def _train_tokenizer(texts: Iterable[str], vocab_size: int) -> CLIPTokenizer:
    """<|startoftext|> a <|endoftext|> over lower-case byte pairs; padded with a token of its own.

    CLIP's own pads with the end, which its text tower tells from the first one; a token of its own can be seen.
    """
    import json

    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import CLIPTokenizer

    empty: Any = CLIPTokenizer(pad_token=PAD_TOKEN, model_max_length=MAX_POSITIONS)
    trained = empty.train_new_from_iterator(texts, vocab_size, show_progress=False)
    # Every byte is a piece, inside of a word and at its end, as in CLIP's own: what is unknown would be read as the
    # end of the text.
    # The end is not number 2, for which CLIP's text tower would take the piece of the largest number, as the first
    # CLIPs had it.
    special, letters = [empty.bos_token, empty.eos_token, empty.pad_token], sorted(ByteLevel.alphabet())
    pieces = [*special, *letters, *(f"{letter}</w>" for letter in letters)]
    model = json.loads(trained.backend_tokenizer.to_str())["model"]
    merges: Any = [tuple(pair) for pair in model["merges"][: max(vocab_size - len(pieces), 0)]]
    pieces += [left + right for left, right in merges]
    vocab = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    return CLIPTokenizer(vocab, merges, pad_token=PAD_TOKEN, model_max_length=MAX_POSITIONS)
