from types import SimpleNamespace

import pytest
from transformers import AutoConfig

from ftkit.errors import CheckpointError
from ftkit.models.checkpoint import family_of
from ftkit.models.modality import modality_of, reads

TYPES = {
    "text": ("bert", "distilbert", "roberta", "modernbert", "deberta-v2", "gpt2", "llama", "qwen2", "t5", "bart",
             "marian", "m2m_100", "encoder-decoder", "perceiver", "canine", "splinter", "lilt",
             "openai_privacy_filter"),
    "image": ("vit", "deit", "resnet", "convnext", "convnextv2", "swin", "swinv2", "beit", "dinov2", "mobilenet_v2",
              "efficientnet", "segformer", "detr", "vit_mae", "timm_wrapper", "vision-encoder-decoder"),
    "audio": ("wav2vec2", "hubert", "wavlm", "audio-spectrogram-transformer", "whisper", "sew"),
    "image+text": ("clip", "siglip", "blip", "vilt", "llava", "qwen2_vl", "gemma3"),
}  # fmt: skip


@pytest.mark.parametrize(("model_type", "modality"), [(name, key) for key, names in TYPES.items() for name in names])
def test_model_types(model_type, modality):
    assert modality_of(SimpleNamespace(model_type=model_type)) == modality


def test_a_type_that_has_heads_and_no_language_model_is_an_encoder():
    assert family_of(AutoConfig.for_model("canine")) == "encoder"


def test_a_config_of_transformers():
    assert modality_of(AutoConfig.for_model("vit")) == "image"


def test_a_type_of_no_known_sort():
    with pytest.raises(CheckpointError, match="'informer' checkpoint is of no sort that ftkit knows"):
        modality_of(SimpleNamespace(model_type="informer"))


def test_what_can_be_read_with_more_than_one_sense():
    assert reads("image+text", "image")
    assert reads("image+text", "text")
    assert reads("image", "image")
    assert not reads("image", "image+text")
    assert not reads("text", "image")
