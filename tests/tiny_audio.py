"""Tiny untrained audio checkpoints, and recordings of four tones for them; each is made on disk in a moment.

The checkpoints differ where real ones do: convolutions over a waveform with group or layer norms, with and without an
attention mask; spectrograms of a fixed size; an encoder-decoder of which only the encoder is used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import tiny
from ftkit.data.audio import AudioExample
from ftkit.types import Family

RATE = 16_000
HERTZ = {"low": 220.0, "middle": 440.0, "high": 880.0, "top": 1_760.0}
"""Label -> pitch of its tones."""

SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
CONVOLUTIONS = {
    "conv_dim": (16, 16, 16),
    "conv_kernel": (10, 3, 2),
    "conv_stride": (5, 8, 8),
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
    "classifier_proj_size": 16,
    "vocab_size": 8,
}
"""One frame for 320 samples, as real ones have it."""


@dataclass(frozen=True)
class Recipe:
    """How a checkpoint is made.

    Attributes:
        model_type: of its config.
        model_class: the transformers class that the checkpoint is saved from, as its authors pretrained it.
        extractor: the transformers class of its feature extractor.
        config: sizes, in the words of this model type's config.
        extractor_options: of the feature extractor.
    """

    model_type: str
    model_class: str
    extractor: str = "Wav2Vec2FeatureExtractor"
    config: dict[str, Any] = field(default_factory=dict)
    extractor_options: dict[str, Any] = field(default_factory=dict)
    family: Family = "encoder"


def _waveform(model_type: str, model_class: str, *, masks: bool, **config: Any) -> Recipe:
    norm = "layer" if masks else "group"
    stable = {"do_stable_layer_norm": True} if masks and model_type != "data2vec-audio" else {}
    return Recipe(
        model_type,
        model_class,
        config={**SIZES, **CONVOLUTIONS, "feat_extract_norm": norm, **stable, **config},
        extractor_options={"return_attention_mask": masks},
    )


RECIPES: dict[str, Recipe] = {
    "wav2vec2": _waveform("wav2vec2", "Wav2Vec2Model", masks=False),
    "wav2vec2-layer": _waveform("wav2vec2", "Wav2Vec2Model", masks=True),
    "hubert": _waveform("hubert", "HubertModel", masks=True),
    "wavlm": _waveform("wavlm", "WavLMModel", masks=False, num_buckets=16, max_bucket_distance=40),
    "ast": Recipe(
        "audio-spectrogram-transformer",
        "ASTModel",
        "ASTFeatureExtractor",
        config={**SIZES, "max_length": 128, "num_mel_bins": 32, "patch_size": 16},
        extractor_options={"max_length": 128, "num_mel_bins": 32},
    ),
    "whisper": Recipe(
        "whisper",
        "WhisperForConditionalGeneration",
        "WhisperFeatureExtractor",
        config={
            **{"d_model": 32, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 2},
            **{"decoder_attention_heads": 2, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64, "num_mel_bins": 16},
            **{"max_source_positions": 100, "max_target_positions": 16, "vocab_size": 32, "classifier_proj_size": 16},
            **{"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1},
            **{"suppress_tokens": None, "begin_suppress_tokens": None},
        },
        extractor_options={"feature_size": 16, "chunk_length": 2},
        family="encoder-decoder",
    ),
}
"""Name -> recipe. AST reads 1.28 s and Whisper 2 s at once here; the others have no limit of their own."""


def make_checkpoint(name: str, folder: Path, *, seed: int = 0, **config: Any) -> Path:
    """Writes a checkpoint (config.json, model.safetensors, preprocessor_config.json) and returns its folder.

    Args:
        name: one of `RECIPES`.
        folder: where to write; made if need be.
        seed: of the random weights.
        config: what the config says beside or instead of the recipe.
    """
    import torch
    import transformers

    recipe = RECIPES[name]
    made = transformers.AutoConfig.for_model(recipe.model_type, **{**recipe.config, **config})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = getattr(transformers, recipe.model_class)(made)
    model.save_pretrained(folder)
    getattr(transformers, recipe.extractor)(**recipe.extractor_options).save_pretrained(folder)
    return Path(folder)


def tone(label: str, seconds: float, *, rate: int = RATE, seed: int = 0) -> np.ndarray:
    """Returns a tone of a label's pitch with a little noise, (T,), float32."""
    times = np.arange(round(seconds * rate)) / rate
    noise = np.random.default_rng(seed).normal(0, 0.02, len(times))
    return (0.5 * np.sin(2 * np.pi * HERTZ[label] * times) + noise).astype(np.float32)


def write_tones(folder: Path, count: int, *, seconds: Sequence[float] = (0.4, 0.7, 0.5), rate: int = RATE) -> Path:
    """Writes recordings into a folder for each label, of different lengths, and returns the folder.

    Args:
        count: recordings of each label.
        seconds: their lengths, by turns.
    """
    import soundfile

    for label in HERTZ:
        (folder / label).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            samples = tone(label, seconds[number % len(seconds)], rate=rate, seed=number)
            soundfile.write(folder / label / f"{number}.wav", samples, rate)
    return folder


def examples_in(folder: Path) -> list[AudioExample]:
    """Returns the recordings of a folder that `write_tones` made, in the order of their paths."""
    return [
        AudioExample(id=number, name=f"{path.parent.name}/{path.name}", path=str(path), label=path.parent.name)
        for number, path in enumerate(sorted(folder.glob("*/*.wav")))
    ]


def maker(root: Path) -> Callable[[str], Path]:
    return tiny.made_once(make_checkpoint, root)
