"""Fresh checkpoints that answer questions about images: a BLIP with random weights, and its processor."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ftkit.models.new_checkpoint import MAX_POSITIONS, RECIPES, VOCAB_SIZES, Size, seeded
from ftkit.models.new_image_checkpoint import checked_side
from ftkit.models.new_image_text_checkpoint import IMAGE_SIZES, without_paths

ARCHITECTURE = "blip"
START = "[DEC]"

# What sees, what reads and what writes are equally wide: as ftkit's tiny ViT, and as DeiT-S (arXiv 2012.12877), with
# half as many layers in each half of the text.
_SIZES: Mapping[Size, Mapping[str, Mapping[str, int]]] = {
    "tiny": {
        "width": {"hidden_size": 128, "num_attention_heads": 4, "intermediate_size": 256},
        "vision": {"num_hidden_layers": 3, "patch_size": 8},
        "text": {"num_hidden_layers": 3},
    },
    "small": {
        "width": {"hidden_size": 384, "num_attention_heads": 6, "intermediate_size": 1536},
        "vision": {"num_hidden_layers": 12, "patch_size": 16},
        "text": {"num_hidden_layers": 6},
    },
}


def make_answering_checkpoint(
    folder: Path,
    size: Size,
    texts: Iterable[str],
    *,
    image_size: int | None = None,
    vocab_size: int | None = None,
    dropout: float = 0.0,
    seed: int = 42,
) -> dict[str, int]:
    """Trains a tokenizer and writes an untrained BlipForQuestionAnswering with its processor.

    Args:
        folder: where to write.
        texts: what the tokenizer is trained on: questions and answers.
        image_size: pixels of a side of what the model sees; every image becomes a square. Default: by size.
        vocab_size: tokens at most; few texts give fewer. Default: by size.
        dropout: of attention and of what the text half passes on.
        seed: of the weights.

    Returns:
        `vocab_size`, `image_size` and `num_parameters`.

    Raises:
        UserError: the model cannot see images of that size.
    """
    from transformers import BlipForQuestionAnswering, BlipImageProcessorPil, BlipProcessor

    sizes = _SIZES[size]
    side = checked_side(image_size or IMAGE_SIZES[size], sizes["vision"]["patch_size"], ARCHITECTURE, size)
    tokenizer: Any = RECIPES["bert"].train_tokenizer(without_paths(texts), vocab_size or VOCAB_SIZES[size])
    tokenizer.add_special_tokens({"bos_token": START})
    with seeded(seed):
        model = BlipForQuestionAnswering(_config(sizes, side, tokenizer, dropout))
    model.save_pretrained(folder)
    square = {"height": side, "width": side}
    BlipProcessor(BlipImageProcessorPil(size=square), tokenizer).save_pretrained(folder)
    return {"vocab_size": len(tokenizer), "image_size": side, "num_parameters": model.num_parameters()}


def _config(sizes: Mapping[str, Mapping[str, int]], side: int, tokenizer: Any, dropout: float) -> Any:
    """Returns a BlipConfig: a vision transformer, and two BERTs that know the tokenizer's pieces."""
    from transformers import BlipConfig

    width: Mapping[str, Any] = sizes["width"]
    initial = {"initializer_range": width["hidden_size"] ** -0.5 / 2}
    text = {
        **{**width, **sizes["text"], **initial, "encoder_hidden_size": width["hidden_size"]},
        **{"vocab_size": len(tokenizer), "max_position_embeddings": MAX_POSITIONS},
        **{"hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout},
        **{"bos_token_id": tokenizer.bos_token_id, "pad_token_id": tokenizer.pad_token_id},
        **dict.fromkeys(("sep_token_id", "eos_token_id"), tokenizer.sep_token_id),
    }
    vision = {**width, **sizes["vision"], **initial, "image_size": side, "attention_dropout": dropout}
    return BlipConfig(text_config=text, vision_config=vision)
