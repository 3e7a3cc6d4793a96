"""A text that the model writes: token by token in prediction, with its true predecessors in training."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ftkit.adapters.constant_loss import constant_cross_entropy
from ftkit.adapters.objective import ObjectiveBase, Prediction
from ftkit.adapters.objectives.read_logits import ReadLogits, read_logits
from ftkit.adapters.preprocessors.text_to_text import TextToTextPreprocessor
from ftkit.adapters.preprocessors.tokens import NO_LOSS, label_counts
from ftkit.adapters.rows import Arrays, Batch, Encoded, Tensors
from ftkit.models.encoder_decoder import sides
from ftkit.models.generation import KEPT_SETTINGS, GenerationSpec
from ftkit.models.generator_loading import check_can_generate, generation_config, load_generator
from ftkit.models.loading import LoadedModel

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from ftkit.models.spec import CheckpointSpec


class GenerationObjective(ObjectiveBase):
    """What the families share: loss, search, and token ids back into texts.

    Attributes:
        num_beams: of the search; `for_validation` gives an objective with those of validation.
    """

    options: ClassVar[tuple[str, ...]] = ("label_smoothing", "generation")
    one_pass: ClassVar[bool] = False
    most_rows: ClassVar[int | None] = 64  # each keeps keys and values in memory, times the beams of the search
    formats: ClassVar[tuple[str, ...]] = ("jsonl", "txt")

    def __init__(
        self,
        preprocessor: TextToTextPreprocessor,
        auto_class: str,
        *,
        label_smoothing: float = 0.0,
        generation: Mapping[str, Any] | None = None,
    ) -> None:
        self.preprocessor, self.auto_class = preprocessor, auto_class
        self.label_smoothing = label_smoothing
        self.generation = GenerationSpec(**(generation or {}))
        self.num_beams = self.generation.num_beams

    @classmethod
    def check_checkpoint(cls, spec: CheckpointSpec, auto_class: str) -> None:
        """Refuses a checkpoint whose type has no model that writes text, before anything is read.

        Raises:
            CheckpointError: it has none.
        """
        check_can_generate(spec, auto_class)

    def for_validation(self) -> GenerationObjective:
        """Returns an objective that searches as is enough to compare checkpoints."""
        quick = copy.copy(self)
        quick.num_beams = self.generation.validation_num_beams
        return quick

    # --- checkpoint -> model ---

    def build(self) -> LoadedModel:
        """Loads the checkpoint in float32, with the search written into its generation config.

        Raises:
            CheckpointError: its weights cannot be read, or some are missing.
        """
        reads = self.preprocessor
        loaded = load_generator(self.auto_class, reads.spec, self._embedded_tokenizer)
        model = loaded.model
        model.generation_config = generation_config(
            model,
            self.generation,
            max_new_tokens=reads.max_new_tokens,
            pad_token_id=reads.target_tokenizer.pad_token_id,
            eos_token_id=reads.end_id,
            special=self._special_generation_ids(),
            of_task=reads.spec.searches.get(reads.pretrained_task or ""),
        )
        for config in (model.config, *sides(model.config)):
            config.use_cache = False  # of use to generate only, and the generation config asks for it there
        return loaded

    @property
    def _embedded_tokenizer(self) -> Any:
        """Returns the tokenizer to which tokens may have been added."""
        return self.preprocessor.processor

    def _special_generation_ids(self) -> Mapping[str, Any]:
        return {}

    def facts(self, model: PreTrainedModel) -> dict[str, Any]:
        """Returns how the final scores' texts are searched for, the checkpoint's own settings included."""
        config = model.generation_config
        kept = {name: getattr(config, name, None) for name in ("max_new_tokens", *KEPT_SETTINGS)}
        kept |= {"length_penalty": None} if self.num_beams == 1 else {}  # it means something to beams alone
        return {"generation": {"num_beams": self.num_beams, **{key: value for key, value in kept.items() if value}}}

    # --- outputs -> losses and predictions ---

    def items(self, encoded: Encoded) -> np.ndarray:
        """Returns the number of target tokens in each row."""
        return label_counts(encoded)

    def constant_loss(self, examples: Sequence[Any], encoded: Encoded) -> float:
        """Returns the loss of the tokens' shares among all targets, whatever the source and the words before."""
        counts = np.bincount(_target_tokens(encoded), minlength=len(self.preprocessor.target_tokenizer))
        return constant_cross_entropy(counts, label_smoothing=self.label_smoothing)

    def loss(self, outputs: Any, batch: Batch) -> torch.Tensor:
        """Returns each row's cross-entropy, summed over the tokens of its target: (B,)."""
        return self._losses(self._read(outputs, batch))

    def read_positions(self, batch: Batch) -> torch.Tensor | None:
        """Reads the logits of positions that tell a token of the target."""
        return None if batch.labels is None else self._told(batch.labels) != NO_LOSS

    def _told(self, labels_BT: torch.Tensor) -> torch.Tensor:
        """Returns the token that each position should tell, (B, T)."""
        return labels_BT

    def _read(self, outputs: Any, batch: Batch) -> ReadLogits:
        return read_logits(outputs.logits, self._told(batch.labels))

    def _losses(self, read: ReadLogits) -> torch.Tensor:
        from torch.nn.functional import cross_entropy

        losses_N = cross_entropy(read.logits, read.labels, label_smoothing=self.label_smoothing, reduction="none")
        return read.summed(losses_N)

    def predict(self, model: PreTrainedModel, batch: Batch) -> Tensors:
        """Writes texts for a padded batch, those that may be equally long together.

        What is written for a row does not depend on how long the others are.

        Returns:
            `predictions` (B, T), the new tokens alone, padded; `cut_off` (B,), where the end was not reached.
        """
        import torch

        config = copy.deepcopy(model.generation_config)
        config.num_beams = self.num_beams
        if self.preprocessor.longest_source is None:
            return self._written(model, batch.inputs, config)
        lengths = batch.inputs["attention_mask"].sum(dim=1).tolist()
        limits_B = torch.as_tensor(self.preprocessor.most_written(lengths))
        places, parts = [], []
        for limit in limits_B.unique().tolist():
            rows = (limits_B == limit).nonzero().squeeze(1)
            config.max_new_tokens = limit
            places.append(rows)
            parts.append(self._written(model, batch.take(rows.numpy()).inputs, config))
        return self._joined(parts, torch.cat(places).argsort())

    def _written(self, model: Any, inputs: Tensors, config: Any, *, streamer: Any = None) -> Tensors:
        import torch

        # Ranks write unequal numbers of texts, each by itself: the weights of a sharded model are gathered meanwhile.
        written_BT = model.generate(**inputs, generation_config=config, streamer=streamer, synced_gpus=False)
        written_BT = written_BT[:, self._num_given(inputs) :]
        ends = torch.as_tensor(config.eos_token_id, device=written_BT.device).reshape(-1)
        return {"predictions": written_BT, "cut_off": ~torch.isin(written_BT, ends).any(dim=1)}

    def _joined(self, parts: Sequence[Tensors], order: torch.Tensor) -> Tensors:
        """Returns the rows of parts in their order, texts padded to one length."""
        import torch
        from torch.nn.functional import pad

        longest = max(part["predictions"].shape[1] for part in parts)
        value = self.preprocessor.target_tokenizer.pad_token_id
        texts = [pad(text_BT, (0, longest - text_BT.shape[1]), value=value) for text_BT in _each(parts, "predictions")]
        return {"predictions": torch.cat(texts)[order], "cut_off": torch.cat(_each(parts, "cut_off"))[order]}

    def _num_given(self, inputs: Tensors) -> int:
        """Returns how many tokens of a generated row the model was given."""
        raise NotImplementedError

    def finish(self, arrays: Arrays, encoded: Encoded, start: int, stop: int) -> Arrays:
        """Turns token ids into texts of one line: `predictions` (N,) of str."""
        texts = self.preprocessor.target_tokenizer.batch_decode(
            [[int(id_) for id_ in row] for row in arrays["predictions"]], skip_special_tokens=True
        )
        predictions = np.empty(len(texts), object)
        predictions[:] = [" ".join(text.splitlines()).strip() for text in texts]
        return {"predictions": predictions, "cut_off": arrays["cut_off"]}

    def references(self, examples: Sequence[Any]) -> np.ndarray:
        """Returns the targets, (N,) of str; a row with several has a tuple of them."""
        targets = np.empty(len(examples), object)
        for position, example in enumerate(examples):
            targets[position] = example.targets if example.other_targets else example.target
        return targets

    def decode(self, arrays: Arrays, examples: Sequence[Any]) -> list[Prediction]:
        """Returns `prediction` of each example, and whether it was `cut_off`; an empty source has an empty one."""
        rows = zip(arrays["predictions"], arrays["cut_off"].tolist(), examples, strict=True)
        return [
            {"prediction": text, "cut_off": cut_off}
            if example.source.strip()
            else {"prediction": "", "cut_off": False}
            for text, cut_off, example in rows
        ]

    def no_prediction(self, example: Any = None) -> Prediction:
        """Returns a row without a text."""
        return {"prediction": None, "cut_off": None}

    def recipe(self) -> dict[str, Any]:
        """Returns the class that loads the model."""
        return {"auto_class": self.auto_class}


class EncoderDecoderGeneration(GenerationObjective):
    """The target stands on a side of its own."""

    def _special_generation_ids(self) -> Mapping[str, Any]:
        return self._languages.generation_ids

    @property
    def _languages(self) -> Any:
        return self.preprocessor.languages  # type: ignore[attr-defined]

    def build(self) -> LoadedModel:
        """Loads the checkpoint, or joins two, and writes into its config how a target begins and ends."""
        loaded = super().build()
        config: Any = loaded.model.config
        config.decoder_start_token_id, config.eos_token_id = self._languages.start_id, self.preprocessor.end_id
        config.pad_token_id = self.preprocessor.target_tokenizer.pad_token_id
        return loaded

    def _num_given(self, inputs: Tensors) -> int:
        return 1  # the start token


class DecoderGeneration(GenerationObjective):
    """The target goes on where the prompt ends."""

    def _told(self, labels_BT: torch.Tensor) -> torch.Tensor:
        from torch.nn.functional import pad

        return pad(labels_BT[:, 1:], (0, 1), value=NO_LOSS)

    def _num_given(self, inputs: Tensors) -> int:
        return inputs["input_ids"].shape[1]


def _target_tokens(encoded: Encoded) -> np.ndarray:
    """Returns the tokens of all targets, one behind the other."""
    labels = encoded.rows.with_format("arrow")[:]["labels"].combine_chunks().flatten().to_numpy()
    return labels[labels != NO_LOSS]


def _each(parts: Sequence[Tensors], name: str) -> list[torch.Tensor]:
    return [part[name] for part in parts]
