"""How a checkpoint hears: its feature extractor, and how many positions its body makes of how many samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ftkit.errors import CheckpointError, name_list
from ftkit.models.spec import CheckpointSpec

if TYPE_CHECKING:
    from transformers import PretrainedConfig


@dataclass(frozen=True)
class AudioInput:
    """How a checkpoint reads samples.

    Attributes:
        rate: samples a second.
        limit: samples that are read at once, what is shorter being filled up to it; None where any length is read.
        positions: positions that the body makes of an input of fixed length.
        strides: `(kernel, stride)` of each step from samples to positions: frames of a spectrogram, convolutions;
            empty where the length is fixed.
        num_frame_steps: steps of them that the feature extractor takes; 0 where the body is given samples.
        frame: the fewest samples that the feature extractor can work with.
        has_mask: whether the body is told where a recording ends.
        hears_padding: whether what fills up a batch changes what is heard of a recording, mask or not.
        mask_positions: the shortest input that the model's own SpecAugment can mask in training, in positions; 0
            without.
        time_axis: of a spectrogram of two axes.
        masks_itself: whether the checkpoint's config has the model mask what it hears in training.
        can_mask: whether the model can do so at all.
        levels_loudness: whether the feature extractor makes recordings equally loud.
    """

    rate: int
    limit: int | None
    positions: int = 0
    strides: tuple[tuple[int, int], ...] = ()
    num_frame_steps: int = 0
    frame: int = 1
    has_mask: bool = False
    hears_padding: bool = False
    mask_positions: int = 0
    time_axis: int = 0
    masks_itself: bool = False
    can_mask: bool = True
    levels_loudness: bool = False

    @property
    def reads_samples(self) -> bool:
        """Whether the body is given samples, and no spectrogram."""
        return self.limit is None and not self.num_frame_steps

    def num_positions(self, num_samples: int) -> int:
        """Returns the positions that an input takes in the body.

        Example: wav2vec2's convolutions (kernels 10 3 3 3 3 2 2, strides 5 2 2 2 2 2 2) make 49 positions of one
        second at 16,000 samples, each from 400 of them and 320 after the last.
        """
        return _steps(num_samples, self.strides) if self.strides else self.positions

    def num_columns(self, num_samples: int) -> int:
        """Returns how many samples, or frames of a spectrogram, the body is given of a recording of any length.

        Example: Speech2Text's frames (400 samples long, 160 apart) make 98 of one second at 16,000 samples, and 25
        positions.
        """
        return _steps(num_samples, self.strides[: self.num_frame_steps])

    def num_samples(self, positions: int) -> int:
        """Returns the fewest samples that make so many positions; 0 where the length is fixed."""
        if not self.strides:
            return 0
        for kernel, stride in reversed(self.strides):
            positions = (positions - 1) * stride + kernel
        return positions

    @property
    def shortest(self) -> int:
        """Returns the fewest samples that are read; what is shorter is filled up with silence."""
        return max(self.num_samples(1), self.frame)

    @property
    def shortest_in_training(self) -> int:
        """Returns the fewest samples that are trained on: SpecAugment refuses inputs shorter than its masks."""
        return max(self.num_samples(max(1, self.mask_positions)), self.frame)


def _steps(number: int, strides: Sequence[tuple[int, int]]) -> int:
    for kernel, stride in strides:
        number = (number - kernel) // stride + 1
    return max(number, 0)


def load_feature_extractor(spec: CheckpointSpec) -> Any:
    """Loads a checkpoint's feature extractor.

    Raises:
        CheckpointError: it has none, or one of a sort that ftkit does not know.
    """
    from transformers import AutoFeatureExtractor

    try:
        if spec.processor_path is not None:
            extractor = AutoFeatureExtractor.from_pretrained(spec.processor_path, trust_remote_code=False)
        else:
            extractor = AutoFeatureExtractor.from_pretrained(spec.path, **spec.loading_arguments)
    except Exception as error:  # transformers checks values by errors of many kinds
        reason = str(error).strip().split("\n")[0]
        raise CheckpointError(
            f"model.checkpoint: cannot load the feature extractor of {spec.name!r}: {reason} "
            "A checkpoint for audio needs preprocessor_config.json beside config.json."
        ) from None
    if type(extractor).__name__ not in _READERS:
        raise CheckpointError(
            f"model.checkpoint: {spec.name!r} reads audio through {type(extractor).__name__}, which ftkit does not "
            f"know. Known are {name_list(_READERS)}: start from wav2vec2, HuBERT, WavLM, AST or Whisper."
        )
    return extractor


def audio_input(spec: CheckpointSpec, extractor: Any) -> AudioInput:
    """Returns how a checkpoint reads, from its config file and its feature extractor.

    Raises:
        CheckpointError: its config cannot be read.
    """
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(spec.path, **spec.loading_arguments)
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).strip().split("\n")[0]
        raise CheckpointError(f"model.checkpoint: cannot read {spec.name!r}: {reason}") from None
    return _READERS[type(extractor).__name__](extractor, config)


# Of models whose convolutions stand in their code, and not in their configs: `(kernel, stride)` of each.
_CONVOLUTIONS = {"moonshine": ((127, 64), (7, 3), (3, 2))}


def _waveform(extractor: Any, config: PretrainedConfig) -> AudioInput:
    """Samples themselves, of any length: wav2vec2, HuBERT, WavLM, data2vec, Moonshine ...

    Raises:
        CheckpointError: how many samples become a position is not said.
    """
    of_config = zip(getattr(config, "conv_kernel", ()), getattr(config, "conv_stride", ()), strict=True)
    strides = _CONVOLUTIONS.get(config.model_type) or tuple(of_config)
    if not strides:
        raise CheckpointError(
            f"model.checkpoint: of checkpoints of type {config.model_type!r} ftkit does not know how many samples "
            "become one position: config.json has no conv_kernel.\nFix: start from wav2vec2, HuBERT, WavLM, Moonshine "
            "or Whisper."
        )
    masked = getattr(config, "apply_spec_augment", False) and getattr(config, "mask_time_prob", 0.0) > 0
    # A group norm runs over all of a batch's width. wav2vec2's was never trained with a mask, whatever the extractor
    # offers; Moonshine's was, and its mask counts positions by the strides alone, without the kernels.
    has_norm_over_time = getattr(config, "feat_extract_norm", "layer") == "group"
    return AudioInput(
        rate=extractor.sampling_rate,
        limit=None,
        strides=strides,
        has_mask=bool(extractor.return_attention_mask) and not has_norm_over_time,
        hears_padding=not extractor.return_attention_mask or has_norm_over_time or config.model_type in _CONVOLUTIONS,
        mask_positions=config.mask_time_length if masked else 0,
        masks_itself=bool(getattr(config, "apply_spec_augment", False)),
        can_mask=hasattr(config, "apply_spec_augment"),
        levels_loudness=extractor.do_normalize,
    )


def _spectrogram_of_any_length(extractor: Any, config: PretrainedConfig) -> AudioInput:
    """Frames of a spectrogram, as many as there are: Speech2Text, whose frames are 25 ms long and 10 ms apart.

    Its convolutions have biases, so that behind the end of a recording silence is no silence any more; a recording of
    a single frame would be divided by its deviation, 0.
    """
    frame, step = round(0.025 * extractor.sampling_rate), round(0.010 * extractor.sampling_rate)
    return AudioInput(
        rate=extractor.sampling_rate,
        limit=None,
        strides=((frame, step), *(((1, 2),) * config.num_conv_layers)),  # its kernels reach over both ends
        num_frame_steps=1,
        frame=frame + step,
        has_mask=True,
        hears_padding=True,
        levels_loudness=bool(extractor.do_ceptral_normalize and extractor.normalize_means),
    )


def _spectrogram_patches(extractor: Any, config: PretrainedConfig) -> AudioInput:
    """Patches of a spectrogram of a fixed length, and two tokens more: AST."""
    patches = ((config.max_length - config.patch_size) // config.time_stride + 1) * (
        (config.num_mel_bins - config.patch_size) // config.frequency_stride + 1
    )
    frame, step = round(0.025 * extractor.sampling_rate), round(0.010 * extractor.sampling_rate)
    limit = frame + step * (extractor.max_length - 1)
    return AudioInput(rate=extractor.sampling_rate, limit=limit, positions=patches + 2, frame=frame)


def _spectrogram_frames(extractor: Any, config: PretrainedConfig) -> AudioInput:
    """Frames of a spectrogram of a fixed length: Whisper, whose encoder reads 30 seconds always."""
    return AudioInput(
        rate=extractor.sampling_rate,
        limit=extractor.n_samples,
        positions=config.max_source_positions,
        time_axis=1,
        masks_itself=bool(getattr(config, "apply_spec_augment", False)),
    )


_READERS: dict[str, Callable[[Any, PretrainedConfig], AudioInput]] = {
    "Wav2Vec2FeatureExtractor": _waveform,
    "ASTFeatureExtractor": _spectrogram_patches,
    "WhisperFeatureExtractor": _spectrogram_frames,
    "Speech2TextFeatureExtractor": _spectrogram_of_any_length,
}
"""transformers' feature extractor -> how a checkpoint that has it reads."""
