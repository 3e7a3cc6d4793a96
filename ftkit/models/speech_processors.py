"""The processors of checkpoints that hear and write: a feature extractor and a tokenizer, saved as one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftkit.models.audio_input import load_feature_extractor
from ftkit.models.spec import CheckpointSpec

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_USUAL = "Wav2Vec2Processor"  # of all that read waveforms; it holds any tokenizer


def speech_processor(spec: CheckpointSpec, tokenizer: PreTrainedTokenizerBase) -> Any:
    """Returns transformers' own processor for a checkpoint, around its feature extractor and a tokenizer.

    What it saves, `AutoProcessor` and the pipeline of speech recognition load.

    Raises:
        CheckpointError: the checkpoint has no feature extractor, or one of a sort that ftkit does not know.
    """
    import transformers
    from transformers.models.auto.processing_auto import PROCESSOR_MAPPING_NAMES

    extractor = load_feature_extractor(spec)
    name = PROCESSOR_MAPPING_NAMES.get(spec.model_type) or _USUAL
    return getattr(transformers, name)(feature_extractor=extractor, tokenizer=tokenizer)
