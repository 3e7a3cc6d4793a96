"""What is said, read off the frames: connectionist temporal classification (Graves et al. 2006, ICML)."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ftkit.adapters.objective import ObjectiveBase, Prediction
from ftkit.adapters.objectives.equal_lengths import parts_of_equal_lengths
from ftkit.adapters.objectives.transcripts import transcripts_of
from ftkit.adapters.preprocessors.ctc import CtcPreprocessor
from ftkit.adapters.preprocessors.tokens import NO_LOSS
from ftkit.adapters.rows import Arrays, Batch, Encoded, Tensors
from ftkit.errors import CheckpointError, ConfigError
from ftkit.models.ctc_vocabulary import own_tokenizer
from ftkit.models.loading import LoadedModel, has_auto_model, load_with_head

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

_HEAD = "lm_head"  # of all models of this auto class that read waveforms


class CtcObjective(ObjectiveBase):
    """Each frame is read as a character or none; all ways to read a transcript off the frames count.

    The loss of a recording is that of its characters, and a step's is divided by the characters of a step, as fairseq
    fine-tunes wav2vec2: long recordings count for more than short ones, and accumulating steps changes nothing.
    transformers' own `mean` divides by the characters of each recording, and weighs all recordings alike.
    """

    options: ClassVar[tuple[str, ...]] = ("label_smoothing", "generation", "freeze_feature_encoder")
    formats: ClassVar[tuple[str, ...]] = ("jsonl", "txt")

    def __init__(
        self,
        preprocessor: CtcPreprocessor,
        auto_class: str,
        *,
        label_smoothing: float = 0.0,
        generation: Mapping[str, Any] | None = None,
        freeze_feature_encoder: bool = True,
    ) -> None:
        """Refuses what means nothing here.

        Args:
            generation: not used: nothing is searched for.
            freeze_feature_encoder: keep the convolutions over the waveform as they were pretrained.

        Raises:
            ConfigError: a smoothing.
        """
        if label_smoothing:
            raise ConfigError("train.label_smoothing_factor: CTC has no label at a frame to smooth. Leave it out.")
        self.preprocessor, self.auto_class = preprocessor, auto_class
        self.freeze_feature_encoder = freeze_feature_encoder

    @property
    def starts_trained(self) -> bool:
        """A checkpoint that was trained to write these characters does so before it is trained on."""
        return self._writes_own_characters()

    @classmethod
    def check_checkpoint(cls, spec: Any, auto_class: str) -> None:
        """Refuses a checkpoint whose type has no CTC model in transformers, such as AST, before anything is read.

        Raises:
            CheckpointError: it has none.
        """
        if not has_auto_model(auto_class, spec):
            raise CheckpointError(
                f"model.checkpoint: transformers has no model that is read by CTC for checkpoints of type "
                f"{spec.model_type!r}, such as {spec.name!r}. Start from wav2vec2, HuBERT, WavLM or data2vec; or from "
                "Whisper, which writes what it hears."
            )

    # --- checkpoint -> model ---

    def build(self) -> LoadedModel:
        """Loads the checkpoint in float32, with an output for each character.

        Raises:
            CheckpointError: its weights cannot be read, or more than a head is missing.
        """
        reads = self.preprocessor
        loaded = load_with_head(
            self.auto_class,
            reads.spec,
            vocab_size=len(reads.target_tokenizer),
            pad_token_id=reads.blank_id,
            # Of use to others who train on: rows whose loss would be infinite are left out here.
            ctc_loss_reduction="mean",
            ctc_zero_infinity=True,
            layerdrop=0.0,  # as the field's recipes: on several processes a layer that was left out is waited for
            **reads.model_masks,
        )
        model: Any = loaded.model
        if self.freeze_feature_encoder and hasattr(model, "freeze_feature_encoder"):
            model.freeze_feature_encoder()
        return self._with_own_head(loaded)

    def _with_own_head(self, loaded: LoadedModel) -> LoadedModel:
        """Makes a head new that was trained to write other characters: as many, by chance, and it would be kept."""
        names = frozenset(f"{_HEAD}.{name}" for name, _ in loaded.model.lm_head.named_parameters())
        if names <= loaded.new_parameters or self._writes_own_characters():
            return loaded
        loaded.model.lm_head.reset_parameters()
        return LoadedModel(loaded.model, loaded.new_parameters | names, loaded.resized)

    def _writes_own_characters(self) -> bool:
        if self.preprocessor.keeps_vocabulary:
            return True
        own = own_tokenizer(self.preprocessor.spec)
        return own is not None and own.get_vocab() == self.preprocessor.target_tokenizer.get_vocab()

    def facts(self, model: PreTrainedModel) -> dict[str, Any]:
        """Returns whether the convolutions over the waveform were trained, and how many characters are written."""
        return {
            "feature_encoder_is_frozen": self.freeze_feature_encoder,
            "vocabulary_size": len(self.preprocessor.target_tokenizer),
        }

    # --- outputs -> losses and predictions ---

    def items(self, encoded: Encoded) -> np.ndarray:
        """Returns the number of characters that are learnt of each row."""
        return np.array([len(encoded.rows.labels[owner]) for owner in encoded.rows.owners], np.int64)

    def loss(self, outputs: Any, batch: Batch) -> torch.Tensor:
        """Returns each recording's negative log-likelihood, over all ways to read its transcript off the frames: (B,).

        Frames of silence that fills up a batch are left out. No loss is infinite: recordings with too few frames were
        left out, and one that is infinite all the same is for the guard to name.
        """
        import torch
        from torch.nn import functional

        log_probs_TBV = functional.log_softmax(outputs.logits.float(), dim=-1).transpose(0, 1)
        is_label_BL = batch.labels != NO_LOSS
        with torch.backends.cudnn.flags(enabled=False):  # it takes other types, and is not deterministic
            return functional.ctc_loss(
                log_probs_TBV,
                batch.labels[is_label_BL],
                batch.extras["num_frames"].clamp(max=len(log_probs_TBV)),
                is_label_BL.sum(dim=1),
                blank=self.preprocessor.blank_id,
                reduction="none",
            )

    def predict(self, model: PreTrainedModel, batch: Batch) -> Tensors:
        """Returns the likeliest token of each frame, (B, T), blanks behind the recording's end; see `reduce`."""
        import torch
        from torch.nn.functional import pad

        found, places = [], []
        for rows, part in parts_of_equal_lengths(batch):
            found.append(self.reduce(model(**part.inputs), part))
            places.append(rows)
        order, blank = torch.cat(places).argsort(), self.preprocessor.blank_id
        width = max(part["predictions"].shape[1] for part in found)
        ids = [pad(part["predictions"], (0, width - part["predictions"].shape[1]), value=blank) for part in found]
        return {
            "predictions": torch.cat(ids)[order],
            "confidences": torch.cat([part["confidences"] for part in found])[order],
        }

    def reduce(self, outputs: Any, batch: Batch) -> Tensors:
        """Returns what is kept of a batch's outputs: tokens (B, T), and the mean of their probabilities (B,)."""
        import torch

        probabilities_BT, ids_BT = outputs.logits.float().softmax(dim=-1).max(dim=-1)
        frames_B = batch.extras["num_frames"].to(ids_BT.device)
        is_real_BT = torch.arange(ids_BT.shape[1], device=ids_BT.device) < frames_B[:, None]
        confidences_B = (probabilities_BT * is_real_BT).sum(dim=1) / frames_B.clamp(min=1)
        return {"predictions": ids_BT.where(is_real_BT, self.preprocessor.blank_id), "confidences": confidences_B}

    def finish(self, arrays: Arrays, encoded: Encoded, start: int, stop: int) -> Arrays:
        """Reads transcripts off the frames, those of a long recording off the frames of all its windows."""
        rows, lengths = list(arrays["predictions"]), encoded.costs[encoded.rows_of(start, stop)]
        firsts = np.arange(len(rows) + 1) if encoded.first_rows is None else encoded.first_rows[start : stop + 1]
        texts = np.empty(stop - start, object)
        texts[:] = [
            self._text(joined_frames(rows[first:last], lengths[first:last], self.preprocessor.frames_shared))
            for first, last in itertools.pairwise((firsts - firsts[0]).tolist())
        ]
        counts = np.diff(firsts)
        confidences = np.add.reduceat(arrays["confidences"], firsts[:-1] - firsts[0]) / counts
        return {"predictions": texts, "confidences": confidences}

    def _text(self, ids: np.ndarray) -> str:
        return " ".join(self.preprocessor.target_tokenizer.decode([int(id_) for id_ in ids]).split())

    def references(self, examples: Sequence[Any]) -> np.ndarray:
        """Returns the transcripts as they were written, (N,) of str."""
        return transcripts_of(examples)

    def decode(self, arrays: Arrays, examples: Sequence[Any]) -> list[Prediction]:
        """Returns `prediction` of each recording, and its `confidence`: the mean of the likeliest tokens of frames."""
        pairs = zip(arrays["predictions"], arrays["confidences"].tolist(), strict=True)
        return [{"prediction": text, "confidence": confidence} for text, confidence in pairs]

    def no_prediction(self, example: Any = None) -> Prediction:
        """Returns a row without a transcript."""
        return {"prediction": None, "confidence": None}

    def recipe(self) -> dict[str, Any]:
        """Returns the class that loads the model."""
        return {"auto_class": self.auto_class}


def joined_frames(windows: Sequence[np.ndarray], lengths: Sequence[int], shared: int) -> np.ndarray:
    """Returns the frames of a recording that was heard in windows: of what two share, each gives the half at its side.

    At its edges a window lacks what stands before or behind it; in the middle of what is shared both hear equally far.

    Example: windows of 4 frames that share 2: [1, 2, 3, 9] and [9, 4, 5, 6] are 1 2 3 4 5 6.

    Args:
        windows: tokens of the frames of each window, (W,) of (T,).
        lengths: frames of each window that are of the recording.
        shared: frames that neighbours share.
    """
    left = shared // 2
    parts = []
    for number, (ids, length) in enumerate(zip(windows, lengths, strict=True)):
        begin = left if number else 0
        end = int(length) if number == len(windows) - 1 else int(length) - (shared - left)
        parts.append(ids[begin:end])
    return np.concatenate(parts)
