"""What is said, written by a decoder, token by token."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ftkit.adapters.constant_loss import constant_cross_entropy
from ftkit.adapters.objective import Prediction
from ftkit.adapters.objectives.equal_lengths import parts_of_equal_lengths
from ftkit.adapters.objectives.generation import GenerationObjective
from ftkit.adapters.objectives.joined_transcripts import joined_transcript
from ftkit.adapters.preprocessors.speech_to_text import SpeechToTextPreprocessor
from ftkit.adapters.rows import Arrays, Batch, Encoded, Tensors
from ftkit.models.loading import LoadedModel

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


class TranscriptGeneration(GenerationObjective):
    """The decoder writes what is said in a window; the windows of a recording are joined."""

    preprocessor: SpeechToTextPreprocessor  # type: ignore[assignment]
    options: ClassVar[tuple[str, ...]] = (*GenerationObjective.options, "freeze_feature_encoder")

    def __init__(
        self,
        preprocessor: SpeechToTextPreprocessor,
        auto_class: str,
        *,
        freeze_feature_encoder: bool = True,
        **options: Any,
    ) -> None:
        """Takes the options of a generation.

        Args:
            freeze_feature_encoder: not used: decoders read what the whole encoder makes.
            options: of `GenerationObjective`.
        """
        super().__init__(preprocessor, auto_class, **options)  # type: ignore[arg-type]

    @property
    def starts_trained(self) -> bool:
        """A checkpoint of speech transcribes before it is trained."""
        return True

    def build(self) -> LoadedModel:
        """Loads the checkpoint; what its decoder is told stands in its generation config alone."""
        loaded = super().build()
        if getattr(loaded.model.config, "forced_decoder_ids", None) is not None:
            loaded.model.config.forced_decoder_ids = None  # generate would read it where no language is told
        for name, value in self.preprocessor.model_masks.items():
            setattr(loaded.model.config, name, value)
        return loaded

    @property
    def _embedded_tokenizer(self) -> Any:
        return self.preprocessor.target_tokenizer

    def _special_generation_ids(self) -> Mapping[str, Any]:
        return self.preprocessor.prompt.generation

    def items(self, encoded: Encoded) -> np.ndarray:
        """Returns the number of tokens that are learnt to be written of each row."""
        return np.array([len(ids) for ids in _written(encoded)], np.int64)

    def constant_loss(self, examples: Sequence[Any], encoded: Encoded) -> float:
        """Returns the loss of the tokens' shares among all transcripts, whatever is heard."""
        tokens = np.concatenate([np.asarray(ids, np.int64) for ids in _written(encoded)])
        counts = np.bincount(tokens, minlength=len(self.preprocessor.target_tokenizer))
        return constant_cross_entropy(counts, label_smoothing=self.label_smoothing)

    def predict(self, model: PreTrainedModel, batch: Batch) -> Tensors:
        """Writes the transcripts of a batch, recordings of different lengths one after another where that matters."""
        import torch

        places, parts = [], []
        for rows, part in parts_of_equal_lengths(batch):
            places.append(rows)
            parts.append(super().predict(model, part))
        return self._joined(parts, torch.cat(places).argsort())

    def _written(self, model: Any, inputs: Tensors, config: Any, *, streamer: Any = None) -> Tensors:
        """Writes transcripts; Whisper's `generate` leaves out what it was told, and the end of the longest."""
        import torch

        # Each rank writes by itself, see GenerationObjective.
        written_BT: torch.Tensor = model.generate(**inputs, generation_config=config, synced_gpus=False)
        written_BT = written_BT[:, int(self.preprocessor.prompt.is_returned) :]
        over = [*torch.as_tensor(config.eos_token_id).reshape(-1).tolist(), config.pad_token_id]
        ended_B = torch.isin(written_BT, torch.as_tensor(over, device=written_BT.device)).any(dim=1)
        return {"predictions": written_BT, "cut_off": ~ended_B & (written_BT.shape[1] >= config.max_new_tokens)}

    def finish(self, arrays: Arrays, encoded: Encoded, start: int, stop: int) -> Arrays:
        """Turns token ids into texts, and texts of windows into those of recordings: `predictions` (N,) of str."""
        found = super().finish(arrays, encoded, start, stop)
        if encoded.first_rows is None:
            return found
        firsts = encoded.first_rows[start : stop + 1] - encoded.first_rows[start]
        share = self.preprocessor.overlap / self.preprocessor.window
        texts = np.empty(stop - start, object)
        texts[:] = [
            joined_transcript(list(found["predictions"][first:last]), share)
            for first, last in itertools.pairwise(firsts)
        ]
        return {"predictions": texts, "cut_off": np.logical_or.reduceat(found["cut_off"], firsts[:-1])}

    def references(self, examples: Sequence[Any]) -> np.ndarray:
        """Returns the transcripts as they were written, (N,) of str."""
        return transcripts_of(examples)

    def decode(self, arrays: Arrays, examples: Sequence[Any]) -> list[Prediction]:
        """Returns `prediction` of each recording, and whether it was `cut_off`."""
        pairs = zip(arrays["predictions"], arrays["cut_off"].tolist(), strict=True)
        return [{"prediction": text, "cut_off": cut_off} for text, cut_off in pairs]


def transcripts_of(examples: Sequence[Any]) -> np.ndarray:
    """Returns what is said in recordings, (N,) of str."""
    texts = np.empty(len(examples), object)
    texts[:] = [example.text for example in examples]
    return texts


def _written(encoded: Encoded) -> list[Sequence[int]]:
    """Returns what is learnt of each row."""
    return [encoded.rows.labels[owner] for owner in encoded.rows.owners]
