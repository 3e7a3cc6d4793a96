"""What a checkpoint reads: texts, images, sounds, or images with texts; known from its config file alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftkit.errors import CheckpointError
from ftkit.types import Modality

if TYPE_CHECKING:
    from transformers import PretrainedConfig

# transformers' tables of model types, by what their models read. A type may stand in several: Whisper's decoder is
# also a language model, Perceiver comes for texts and for images, CLIP's image half is also a classifier. The first
# modality that has the type counts.
_TABLES: dict[Modality, tuple[str, ...]] = {
    "image+text": (
        "MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES",
        "MODEL_FOR_VISUAL_QUESTION_ANSWERING_MAPPING_NAMES",
        "MODEL_FOR_ZERO_SHOT_IMAGE_CLASSIFICATION_MAPPING_NAMES",
    ),
    "audio": (
        "MODEL_FOR_AUDIO_CLASSIFICATION_MAPPING_NAMES",
        "MODEL_FOR_CTC_MAPPING_NAMES",
        "MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING_NAMES",
    ),
    "text": (
        "MODEL_FOR_MASKED_LM_MAPPING_NAMES",
        "MODEL_FOR_CAUSAL_LM_MAPPING_NAMES",
        "MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES",
        # Encoders without a language model, such as CANINE and Splinter, and those of texts on pages, such as LiLT.
        "MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES",
        "MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING_NAMES",
        "MODEL_FOR_QUESTION_ANSWERING_MAPPING_NAMES",
    ),
    "image": (
        "MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES",
        "MODEL_FOR_IMAGE_MAPPING_NAMES",
        "MODEL_FOR_OBJECT_DETECTION_MAPPING_NAMES",
        "MODEL_FOR_INSTANCE_SEGMENTATION_MAPPING_NAMES",
        "MODEL_FOR_SEMANTIC_SEGMENTATION_MAPPING_NAMES",
        "MODEL_FOR_UNIVERSAL_SEGMENTATION_MAPPING_NAMES",
    ),
}

DUAL_ENCODERS = (
    *("clip", "siglip", "siglip2", "metaclip_2", "altclip", "chinese_clip", "align"),
    "vision-text-dual-encoder",
)
"""Types of models with a tower for images and one for texts, whose vectors are compared."""

# They stand among those that answer in words about an image, but are given no words.
_READ_IMAGES_ALONE = ("vision-encoder-decoder", "pix2struct", "pp_formulanet")


def modality_of(config: PretrainedConfig) -> Modality:
    """Returns what a checkpoint of this config reads.

    Raises:
        CheckpointError: transformers has no model of this type for any of them.
    """
    from transformers.models.auto import modeling_auto

    if config.model_type in _READ_IMAGES_ALONE:
        return "image"
    if config.model_type in DUAL_ENCODERS:
        return "image+text"
    for modality, tables in _TABLES.items():
        if any(config.model_type in getattr(modeling_auto, table) for table in tables):
            return modality
    raise CheckpointError(
        f"model.checkpoint: a {config.model_type!r} checkpoint is of no sort that ftkit knows. Known are models that "
        "read texts (BERT, GPT-2, T5 ...), images (ViT, ResNet ...), sounds (wav2vec2, Whisper ...), or images with "
        "texts (CLIP, LLaVA ...)."
    )


def reads(modality: Modality, wanted: Modality) -> bool:
    """Tells whether a checkpoint of a modality reads what is wanted: CLIP reads images, also without texts."""
    return set(wanted.split("+")) <= set(modality.split("+"))
