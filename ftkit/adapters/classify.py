"""Text classification and regression: one label, several labels or a number per text or pair of texts.

The families differ in where the sentence is read off. Encoders pool their first token. Decoders pool the last
real token, which transformers finds by the pad id: so the pad id must be set. Encoder-decoders pool the last
end-of-sequence token: so a text must not smuggle one in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pyarrow as pa

from ftkit.adapters.adapter import AdapterBase, Arrays, Batch, Built, Encoded, Prediction
from ftkit.adapters.loading import load_with_head
from ftkit.errors import CheckpointError
from ftkit.models.checkpoint import CheckpointSpec
from ftkit.models.tokenizers import load_tokenizer, max_input_length
from ftkit.types import LabelSpace, Split, TextExample

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

ENCODE_CHUNK = 2_000  # texts handed to the tokenizer at once: it works on all cores within a chunk


class EncoderClassifier(AdapterBase):
    """BERT, RoBERTa, DeBERTa, ModernBERT, ELECTRA ...: the whole adapter; the other families change details."""

    version: ClassVar[int] = 1
    joins_pairs_with: ClassVar[str | None] = None

    def __init__(
        self,
        spec: CheckpointSpec,
        labels: LabelSpace,
        *,
        max_length: int | None = None,
        class_weights: Sequence[float] | None = None,
        label_smoothing: float = 0.0,
    ) -> None:
        _check_classifier_exists(spec)
        self.spec = spec
        self.labels = labels
        self.tokenizer = load_tokenizer(spec)
        limit = max_input_length(self.tokenizer, spec)
        self.max_length = min(filter(None, (max_length, limit)), default=None)
        self.class_weights = class_weights
        self.label_smoothing = label_smoothing

    @property
    def padding(self) -> Mapping[str, int]:
        """Column -> padding value."""
        return {"input_ids": self.tokenizer.pad_token_id, "token_type_ids": 0}

    # --- examples -> rows ---

    def encode(self, split: Split) -> Encoded:
        """Tokenizes a split in its own order; ids beyond `max_length` are cut and counted."""
        from datasets import Dataset
        from datasets.table import InMemoryTable

        chunks: list[pa.Table] = []
        lengths: list[int] = []
        truncated = 0
        for chunk in _chunks(split.examples, ENCODE_CHUNK):
            encoding = self._tokenize(chunk)
            truncated += sum(bool(row.overflowing) for row in encoding.encodings)
            columns = {name: pa.array(encoding[name], pa.list_(pa.int32())) for name in self._model_inputs(encoding)}
            if chunk[0].label is not None:
                columns["labels"] = self._encode_labels(chunk)
            lengths.extend(len(ids) for ids in encoding["input_ids"])
            chunks.append(pa.table(columns))
        rows = Dataset(InMemoryTable(pa.concat_tables(chunks)))
        return Encoded(rows=rows, lengths=np.asarray(lengths, np.int64), num_truncated=truncated)

    def _tokenize(self, examples: Sequence[TextExample]) -> Any:
        texts: list[str] = [example.text for example in examples]
        pairs: list[str] | None = [example.text_pair or "" for example in examples]
        if examples[0].text_pair is None:
            pairs = None
        elif self.joins_pairs_with is not None and not self._has_pair_template():
            texts = [self.joins_pairs_with.join(pair) for pair in zip(texts, pairs or (), strict=True)]
            pairs = None
        return self.tokenizer(texts, pairs, truncation=self.max_length is not None, max_length=self.max_length)

    def _has_pair_template(self) -> bool:
        """Tells whether the tokenizer marks where the second text begins; GPT-2's does not."""
        return self.tokenizer.num_special_tokens_to_add(pair=True) > self.tokenizer.num_special_tokens_to_add(
            pair=False
        )

    def _model_inputs(self, encoding: Mapping[str, Any]) -> list[str]:
        return [name for name in ("input_ids", "token_type_ids") if name in encoding]

    def _encode_labels(self, examples: Sequence[TextExample]) -> pa.Array:
        if self.labels.problem_type == "regression":
            return pa.array([float(example.label) for example in examples], pa.float32())  # type: ignore[arg-type]
        if self.labels.problem_type == "single_label_classification":
            return pa.array([self.labels.index(str(example.label)) for example in examples], pa.int64())
        rows = np.zeros((len(examples), len(self.labels)), np.float32)
        for row, example in zip(rows, examples, strict=True):
            row[[self.labels.index(name) for name in example.label]] = 1.0  # type: ignore[union-attr]
        return pa.array(list(rows), pa.list_(pa.float32()))

    # --- checkpoint -> model ---

    def build(self) -> Built:
        """Loads the checkpoint in float32 with a head for the labels.

        Raises:
            CheckpointError: its weights cannot be read, or more than a head is missing.
        """
        from transformers import AutoModelForSequenceClassification

        return load_with_head(
            AutoModelForSequenceClassification,
            self.spec,
            tokenizer=self.tokenizer,
            num_labels=len(self.labels),
            id2label=self.labels.id2label,
            label2id=self.labels.label2id,
            problem_type=self.labels.problem_type,
        )

    def count_items(self, encoded: Encoded) -> int:
        """One loss term a row."""
        return len(encoded)

    # --- outputs -> losses and predictions ---

    def loss(self, outputs: Any, labels: torch.Tensor) -> torch.Tensor:
        """Returns each row's loss, (B,): cross-entropy, mean binary cross-entropy, or squared error."""
        from torch.nn import functional

        logits_BL = outputs.logits.float()
        weights_L = None if self.class_weights is None else logits_BL.new_tensor(self.class_weights)
        if self.labels.problem_type == "regression":
            return (logits_BL.squeeze(-1) - labels) ** 2
        if self.labels.problem_type == "single_label_classification":
            return functional.cross_entropy(
                logits_BL, labels, weight=weights_L, label_smoothing=self.label_smoothing, reduction="none"
            )
        # Smoothing moves each yes/no target towards one half, as cross-entropy's does towards the uniform.
        targets_BL = labels * (1 - self.label_smoothing) + self.label_smoothing / 2
        loss_BL = functional.binary_cross_entropy_with_logits(
            logits_BL, targets_BL, pos_weight=weights_L, reduction="none"
        )
        return loss_BL.mean(dim=-1)

    def reduce(self, outputs: Any) -> Batch:
        """Returns `predictions` (B,) ids, (B, L) booleans or (B,) numbers, and `scores` (B, L) probabilities.

        With single labels, `confidences` (B,) is the score of the prediction.
        """
        logits_BL = outputs.logits.float()
        if self.labels.problem_type == "regression":
            return {"predictions": logits_BL.squeeze(-1)}
        if self.labels.problem_type == "multi_label_classification":
            scores_BL = logits_BL.sigmoid()
            return {"predictions": scores_BL >= 0.5, "scores": scores_BL}
        scores_BL = logits_BL.softmax(dim=-1)
        confidences_B, predictions_B = scores_BL.max(dim=-1)
        return {"predictions": predictions_B, "scores": scores_BL, "confidences": confidences_B}

    def encode_prompt(self, split: Split) -> Encoded:
        """Returns the same rows as `encode`: nothing is written, so nothing has to be hidden."""
        return self.encode(split)

    def run(self, model: PreTrainedModel, inputs: Batch) -> Batch:
        """Runs a padded batch through the model; see `reduce`."""
        inputs = dict(inputs)
        labels = inputs.pop("labels", None)
        outputs = model(**inputs)
        loss = {} if labels is None else {"loss": self.loss(outputs, labels)}
        return {**self.reduce(outputs), **loss}

    def finish(self, arrays: Arrays, encoded: Encoded, start: int, stop: int) -> Arrays:
        """Returns the arrays as they are: a row is an example."""
        return arrays

    def references(self, examples: Sequence[TextExample]) -> np.ndarray:
        """Returns label ids (N,), yes or no for each label (N, L), or numbers (N,)."""
        array = np.asarray(self._encode_labels(examples).to_pylist())
        return array.astype(bool) if self.labels.problem_type == "multi_label_classification" else array

    def decode(self, arrays: Arrays, examples: Sequence[TextExample]) -> list[Prediction]:
        """Returns `label`, `score` and `scores` for each row; `score` alone is the number for regression."""
        names = self.labels.names
        if self.labels.problem_type == "regression":
            return [{"score": value} for value in arrays["predictions"].tolist()]
        rows = zip(arrays["predictions"].tolist(), arrays["scores"].tolist(), strict=True)
        if self.labels.problem_type == "multi_label_classification":
            return [_multi_label_prediction(names, chosen, scores) for chosen, scores in rows]
        return [
            {"label": names[index], "score": scores[index], "scores": dict(zip(names, scores, strict=True))}
            for index, scores in rows
        ]


class DecoderClassifier(EncoderClassifier):
    """GPT-2, Llama, Qwen ...: the last real token is pooled.

    Their tokenizers rarely mark where a second text begins, so a pair is joined by a line break instead. An empty
    text has no token to pool, so it becomes one end-of-text token.
    """

    joins_pairs_with = "\n"

    def _tokenize(self, examples: Sequence[TextExample]) -> Any:
        encoding = super()._tokenize(examples)
        end = self.tokenizer.eos_token_id
        nothing = self.tokenizer.pad_token_id if end is None else end
        encoding["input_ids"] = [ids or [nothing] for ids in encoding["input_ids"]]
        return encoding


class EncoderDecoderClassifier(EncoderClassifier):
    """T5, BART ...: the last end-of-sequence token is pooled, and every row must hold equally many."""

    def _tokenize(self, examples: Sequence[TextExample]) -> Any:
        # A literal "</s>" in a text would move the pooled position. Asking the tokenizer to read it as plain text is
        # not enough: SentencePiece vocabularies hold it as a piece like any other.
        encoding = super()._tokenize(examples)
        end, unknown = self.tokenizer.eos_token_id, self.tokenizer.unk_token_id
        encoding["input_ids"] = [
            [
                unknown if id_ == end and not added else id_
                for id_, added in zip(row.ids, row.special_tokens_mask, strict=True)
            ]
            for row in encoding.encodings
        ]
        return encoding

    def _model_inputs(self, encoding: Mapping[str, Any]) -> list[str]:
        return ["input_ids"]


def _multi_label_prediction(names: Sequence[str], chosen: Sequence[bool], scores: Sequence[float]) -> Prediction:
    labels = [name for name, yes in zip(names, chosen, strict=True) if yes]
    return {"label": labels, "score": max(scores), "scores": dict(zip(names, scores, strict=True))}


def _chunks(examples: Sequence[TextExample], size: int) -> Iterator[Sequence[TextExample]]:
    for start in range(0, len(examples), size):
        yield examples[start : start + size]


def _check_classifier_exists(spec: CheckpointSpec) -> None:
    """Refuses a checkpoint whose type has no classifier in transformers, such as Marian, before anything is read."""
    from transformers.models.auto import modeling_auto

    if spec.trust_remote_code or spec.model_type in modeling_auto.MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES:
        return
    raise CheckpointError(
        f"model.checkpoint: transformers has no text classifier for checkpoints of type {spec.model_type!r}, such as "
        f"{spec.name!r}. Start from another one: BERT, RoBERTa, GPT-2, Llama, T5 and BART have one."
    )
