"""A tag for every word: the likeliest sequence that its scheme allows."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from ftkit.adapters.constant_loss import constant_cross_entropy
from ftkit.adapters.objective import Prediction
from ftkit.adapters.objectives.labelled import LabelledObjective
from ftkit.adapters.objectives.legal_paths import LegalPaths
from ftkit.adapters.preprocessor import Preprocessor
from ftkit.adapters.preprocessors.tokens import label_counts
from ftkit.adapters.rows import Arrays, Batch, Encoded, Tensors
from ftkit.errors import CheckpointError
from ftkit.models.loading import LoadedModel, has_auto_model, load_with_head
from ftkit.models.reading import check_looks_ahead, config_that_reads
from ftkit.models.spec import CheckpointSpec
from ftkit.tag_schemes import PLAIN, Scheme, conlleval_entities, strict_entities
from ftkit.types import TokenExample

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


class TagObjective(LabelledObjective):
    """Token classification with transformers' own heads.

    Attributes:
        scheme: of the tags.
    """

    options: ClassVar[tuple[str, ...]] = ("scheme", "class_weights", "label_smoothing", "legal_paths")

    def __init__(
        self,
        preprocessor: Preprocessor,
        auto_class: str,
        *,
        scheme: Scheme | Literal["none"] = "IOB2",
        class_weights: Sequence[float] | None = None,
        label_smoothing: float = 0.0,
        legal_paths: bool = True,
    ) -> None:
        """Makes the objective.

        Args:
            scheme: of the tags; `none`, where each is a name by itself and there are no entities.
            legal_paths: whether the predicted tags of a text follow their scheme.
        """
        super().__init__(preprocessor, auto_class, class_weights=class_weights, label_smoothing=label_smoothing)
        self.scheme = scheme
        # Whoever trained elsewhere scored the likeliest tag of each word; so is a checkpoint of theirs scored here.
        self._paths = LegalPaths(self.labels.names, scheme) if legal_paths and scheme != PLAIN else None

    @classmethod
    def check_checkpoint(cls, spec: CheckpointSpec, auto_class: str) -> None:
        """Refuses a model type for which transformers has no token classifier, before any weight is read.

        A head of our own would train, but nothing except ftkit could load the result.

        Raises:
            CheckpointError: it has none.
        """
        if has_auto_model(auto_class, spec):
            return
        raise CheckpointError(
            f"model.checkpoint: token classification has no head for a {spec.model_type!r} checkpoint in "
            f"transformers, so {spec.name!r} cannot be tagged with. It works for bert, roberta, deberta-v2, "
            "modernbert, gpt2, gpt_neox, llama, mistral, qwen2, qwen3, t5, mt5, umt5, t5gemma ..."
        )

    def build(self) -> LoadedModel:
        """Loads the checkpoint in float32 with a head for the tags, and its attention as declared.

        Raises:
            CheckpointError: its weights cannot be read, more than a head is missing, or its attention cannot be
                unmasked.
        """
        spec = self.preprocessor.spec
        config = config_that_reads(
            spec,
            **self.head_config,
        )
        loaded = load_with_head(self.auto_class, spec, tokenizer=self.preprocessor.processor, config=config)
        check_looks_ahead(loaded.model, spec)
        return loaded

    def items(self, encoded: Encoded) -> np.ndarray:
        """Returns the number of words in each row: each bears one term of the loss."""
        return label_counts(encoded)

    def loss(self, outputs: Any, batch: Batch) -> torch.Tensor:
        """Returns each row's cross-entropy, summed over its words: (B,)."""
        from torch.nn import functional

        logits_BLT = outputs.logits.float().transpose(1, 2)
        weights_L = None if self.class_weights is None else logits_BLT.new_tensor(self.class_weights)
        loss_BT = functional.cross_entropy(
            logits_BLT, batch.labels, weight=weights_L, label_smoothing=self.label_smoothing, reduction="none"
        )
        return loss_BT.sum(dim=1)

    def constant_loss(self, examples: Sequence[TokenExample], encoded: Encoded) -> float:
        """Returns the loss of the tags' shares among all words."""
        tags = np.concatenate(list(self.references(examples)))
        return constant_cross_entropy(
            np.bincount(tags, minlength=len(self.labels)),
            weights=self.class_weights,
            label_smoothing=self.label_smoothing,
        )

    def predict(self, model: PreTrainedModel, batch: Batch) -> Tensors:
        """Returns `scores`, the log-probabilities of each word's tags (B, W, L), and `loss` (B,) with labels."""
        outputs = model(**batch.inputs)
        loss = {} if batch.labels is None else {"loss": self.loss(outputs, batch)}
        index_BWL = batch.extras["word_positions"][:, :, None].expand(-1, -1, outputs.logits.shape[-1])
        return {"scores": outputs.logits.gather(1, index_BWL).float().log_softmax(dim=-1), **loss}

    def finish(self, arrays: Arrays, encoded: Encoded, start: int, stop: int) -> Arrays:
        """Puts the windows of each text together and finds its likeliest legal tags.

        Returns:
            `predictions`, output positions, and `confidences`, their probabilities: each (N,) of arrays (W,).
        """
        assert encoded.first_rows is not None
        first_rows = (encoded.first_rows[start : stop + 1] - encoded.first_rows[start]).tolist()
        rows = encoded.rows.select(encoded.rows_of(start, stop))
        counts = [len(positions) for positions in rows["word_positions"]]
        scores = [row[:count] for row, count in zip(arrays["scores"], counts, strict=True)]
        predictions, confidences = [], []
        for first, last in itertools.pairwise(first_rows):
            log_probs_WL = np.concatenate(scores[first:last])
            path = log_probs_WL.argmax(axis=1) if self._paths is None else self._paths.best(log_probs_WL)
            predictions.append(path)
            confidences.append(np.exp(log_probs_WL[np.arange(len(path)), path]))
        found = {"predictions": ragged(predictions), "confidences": ragged(confidences)}
        if "loss" in arrays:
            found["loss"] = np.add.reduceat(arrays["loss"], first_rows[:-1])
        return found

    def references(self, examples: Sequence[TokenExample]) -> np.ndarray:
        """Returns output positions of the tags of each text, (N,) of arrays (W,)."""
        return ragged(np.asarray([self.labels.index(tag) for tag in example.tags or ()]) for example in examples)

    def decode(self, arrays: Arrays, examples: Sequence[TokenExample]) -> list[Prediction]:
        """Returns `words`, `tags` and `entities` of each text; no `entities` where tags have no scheme.

        An entity has `label`, `score` (the mean probability of its words' tags), `start`, `end` (characters of the
        text; of an input in words, word positions; the end not included) and `text`.
        """
        found = zip(examples, arrays["predictions"], arrays["confidences"], strict=True)
        return [self._prediction(example, path, confidences) for example, path, confidences in found]

    def _prediction(self, example: TokenExample, path: np.ndarray, confidences: np.ndarray) -> Prediction:
        tags = [self.labels.names[index] for index in path]
        words_and_tags: Prediction = {"words": list(example.words), "tags": tags}
        if self.scheme == PLAIN:
            return words_and_tags
        entities = []
        # Tags that need not follow their scheme hold entities as conlleval reads them.
        found = conlleval_entities(tags) if self._paths is None else strict_entities(tags, self.scheme)
        for label, first, last in found:
            start, end, text = first, last, " ".join(example.words[first:last])
            if example.text is not None and example.offsets is not None:
                start, end = example.offsets[first][0], example.offsets[last - 1][1]
                text = example.text[start:end]
            score = float(confidences[first:last].mean())
            entities.append({"label": label, "score": score, "start": start, "end": end, "text": text})
        return {**words_and_tags, "entities": entities}

    def no_prediction(self, example: Any = None) -> Prediction:
        """Returns a text without words, tags and entities."""
        return {"words": None, "tags": None, **({} if self.scheme == PLAIN else {"entities": None})}

    def recipe(self) -> dict[str, Any]:
        """Returns the class that loads the model."""
        return {"auto_class": self.auto_class}


def ragged(arrays: Iterable[np.ndarray]) -> np.ndarray:
    """Returns arrays of any lengths as one array of objects, (N,)."""
    items = list(arrays)
    rows = np.empty(len(items), object)
    for index, item in enumerate(items):  # one by one: of equal lengths NumPy would make a table
        rows[index] = item
    return rows
