"""What the families of models that write text share: rows, loss, search, and token ids back into texts."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
import pyarrow as pa

from ftkit.adapters.adapter import AdapterBase, Arrays, Batch, Built, Encoded, Prediction
from ftkit.adapters.generation_loading import check_can_generate, generation_config, load_generator
from ftkit.models.checkpoint import CheckpointSpec
from ftkit.models.encoder_decoder import sides
from ftkit.models.generation import GenerationSpec
from ftkit.models.tokenizers import TARGET_TOKENIZER, load_target_tokenizer, load_tokenizer, max_input_length
from ftkit.types import LabelSpace, Split, TextToTextExample

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

NO_LOSS = -100
ENCODE_CHUNK = 2_000  # texts handed to the tokenizer at once: it works on all cores within a chunk
SLACK = 1.25  # texts to come may be longer than those of train
Ids = list[int]


class TrainingRow(NamedTuple):
    """A pair as it is trained on.

    Attributes:
        columns: what the model reads, and `labels`.
        length: tokens of the longer side, or of prompt and target in one row.
    """

    columns: dict[str, Ids]
    length: int
    source_was_cut: bool
    target_was_cut: bool


class TextGenerator(AdapterBase):
    """What the families share: loss, search, and token ids back into texts.

    Attributes:
        max_new_tokens: tokens written at most; read off the targets of train unless it was set.
        num_beams: of the search; `for_validation` gives an adapter with those of validation.
    """

    version: ClassVar[int] = 1
    writes_text: ClassVar[bool] = True

    def __init__(
        self,
        spec: CheckpointSpec,
        labels: LabelSpace | None = None,
        *,
        max_length: int | None = None,
        max_target_length: int | None = None,
        source_lang: str | None = None,
        target_lang: str | None = None,
        prompt_template: str | None = None,
        label_smoothing: float = 0.0,
        max_new_tokens: int | None = None,
        generation: Mapping[str, Any] | None = None,
    ) -> None:
        check_can_generate(spec)
        self.spec, self.labels = spec, labels
        self.tokenizer = load_tokenizer(spec)
        self.target_tokenizer = load_target_tokenizer(spec, self.tokenizer)
        limit = max_input_length(self.tokenizer, spec)
        self.max_length = min(filter(None, (max_length, limit)), default=None)
        self.max_target_length = max_target_length
        self.source_lang, self.target_lang = source_lang, target_lang
        self.label_smoothing = label_smoothing
        self.generation = GenerationSpec(**(generation or {}))
        self.num_beams = self.generation.num_beams
        self._prepare(prompt_template)
        self.max_new_tokens = self._bounded(max_new_tokens or self.generation.max_new_tokens)

    def _prepare(self, prompt_template: str | None) -> None:
        raise NotImplementedError

    @property
    def fitted_options(self) -> Mapping[str, Any]:
        """What was read off the training data."""
        return {"max_new_tokens": self.max_new_tokens}

    def for_validation(self) -> TextGenerator:
        """Returns an adapter that searches as is enough to compare checkpoints."""
        quick = copy.copy(self)
        quick.num_beams = self.generation.validation_num_beams
        return quick

    def save_tokenizer(self, folder: Path) -> None:
        """Writes the tokenizer of what is read, and that of what is written where it is another."""
        self.tokenizer.save_pretrained(folder)
        if self.target_tokenizer is not self.tokenizer:
            self.target_tokenizer.save_pretrained(folder / TARGET_TOKENIZER)

    @property
    def padding(self) -> Mapping[str, int]:
        """Column -> padding value."""
        pad = self.tokenizer.pad_token_id
        target_pad = self.target_tokenizer.pad_token_id
        return {"input_ids": pad, "token_type_ids": 0, "decoder_input_ids": target_pad, "labels": NO_LOSS}

    # --- examples -> rows ---

    def encode(self, split: Split) -> Encoded:
        """Turns pairs into rows with labels; a row is as long as its longer side, as fairseq counts tokens."""
        rows = [row for chunk in _chunks(split.examples, ENCODE_CHUNK) for row in self._training_rows(chunk)]
        encoded = _encoded(
            [row.columns for row in rows],
            [row.length for row in rows],
            sum(row.source_was_cut for row in rows),
            num_truncated_targets=sum(row.target_was_cut for row in rows),
        )
        if split.name == "train":
            self.fit(encoded)
        return encoded

    def encode_prompt(self, split: Split) -> Encoded:
        """Turns sources into what the model is given to write a target; the target is not looked at."""
        rows: list[dict[str, Ids]] = []
        cut = 0
        for chunk in _chunks(split.examples, ENCODE_CHUNK):
            for ids, was_cut in self._prompts([example.source for example in chunk], self._prompt_limit()):
                rows.append({"input_ids": ids})
                cut += was_cut
        return _encoded(rows, [len(row["input_ids"]) for row in rows], cut, pads_left=self._pads_left)

    _pads_left: ClassVar[bool] = False

    def _training_rows(self, examples: Sequence[TextToTextExample]) -> Iterator[TrainingRow]:
        raise NotImplementedError

    def _prompts(self, sources: Sequence[str], limit: int | None) -> list[tuple[Ids, bool]]:
        """Returns what the model reads for each source, and whether something was cut off."""
        raise NotImplementedError

    def _prompt_limit(self) -> int | None:
        return self.max_length

    def fit(self, train: Encoded) -> None:
        """Derives how long generated texts may be from the longest target, in tokens, unless it was set."""
        self.max_new_tokens = self._bounded(self.max_new_tokens or math.ceil(_target_lengths(train).max() * SLACK))

    def _bounded(self, num_tokens: int | None) -> int | None:
        """Returns as many tokens as the model can write at most: beyond its positions it would fail."""
        return min(filter(None, (num_tokens, self._longest_output))) if num_tokens else None

    @property
    def _longest_output(self) -> int | None:
        """Tokens that the model can write at most."""
        raise NotImplementedError

    # --- checkpoint -> model ---

    def build(self) -> Built:
        """Loads the checkpoint in float32, with the search written into its generation config.

        Raises:
            CheckpointError: its weights cannot be read, or some are missing.
        """
        built = load_generator(self.spec, self.tokenizer)
        model = built.model
        model.generation_config = generation_config(
            model,
            self.generation,
            max_new_tokens=self.max_new_tokens,
            pad_token_id=self.target_tokenizer.pad_token_id,
            eos_token_id=self._end,
            special=self._special_generation_ids(),
        )
        for config in (model.config, *sides(model.config)):
            config.use_cache = False  # of use to generate only, and the generation config asks for it there
        return built

    def _special_generation_ids(self) -> dict[str, int]:
        return {}

    @property
    def _end(self) -> int:
        """The token that ends a target."""
        raise NotImplementedError

    # --- outputs -> losses and predictions ---

    def count_items(self, encoded: Encoded) -> int:
        """Returns the number of target tokens."""
        return int(_target_lengths(encoded).sum())

    def loss(self, outputs: Any, labels: torch.Tensor) -> torch.Tensor:
        """Returns each row's cross-entropy, summed over the tokens of its target: (B,)."""
        from torch.nn import functional

        logits_BTV, labels_BT = self._aligned(outputs.logits, labels)
        losses = functional.cross_entropy(
            logits_BTV.float().flatten(0, 1),
            labels_BT.flatten(),
            label_smoothing=self.label_smoothing,
            ignore_index=NO_LOSS,
            reduction="none",
        )
        return losses.view(labels_BT.shape).sum(dim=1)

    def _aligned(self, logits_BTV: torch.Tensor, labels_BT: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns logits and the labels that they predict, position by position."""
        return logits_BTV, labels_BT

    def run(self, model: PreTrainedModel, inputs: Batch) -> Batch:
        """Writes texts for a padded batch.

        Returns:
            `predictions` (B, T), the new tokens alone, padded; `cut_off` (B,), where the end was not reached.
        """
        import torch

        config = copy.deepcopy(model.generation_config)
        config.num_beams = self.num_beams
        generator: Any = model
        written_BT = generator.generate(**inputs, generation_config=config)[:, self._num_given(inputs) :]
        ends = torch.as_tensor(config.eos_token_id, device=written_BT.device).reshape(-1)
        return {"predictions": written_BT, "cut_off": ~torch.isin(written_BT, ends).any(dim=1)}

    def _num_given(self, inputs: Batch) -> int:
        """Returns how many tokens of a generated row the model was given."""
        raise NotImplementedError

    def finish(self, arrays: Arrays, encoded: Encoded, start: int, stop: int) -> Arrays:
        """Turns token ids into texts of one line: `predictions` (N,) of str."""
        texts = self.target_tokenizer.batch_decode(
            [[int(id_) for id_ in row] for row in arrays["predictions"]], skip_special_tokens=True
        )
        predictions = np.empty(len(texts), object)
        predictions[:] = [" ".join(text.splitlines()).strip() for text in texts]
        return {"predictions": predictions, "cut_off": arrays["cut_off"]}

    def references(self, examples: Sequence[TextToTextExample]) -> np.ndarray:
        """Returns the targets, (N,) of str."""
        targets = np.empty(len(examples), object)
        targets[:] = [example.target for example in examples]
        return targets

    def decode(self, arrays: Arrays, examples: Sequence[TextToTextExample]) -> list[Prediction]:
        """Returns `prediction` of each example; an empty source has an empty one."""
        pairs = zip(arrays["predictions"], examples, strict=True)
        return [{"prediction": text if example.source.strip() else ""} for text, example in pairs]


def _target_lengths(encoded: Encoded) -> np.ndarray:
    """Returns the tokens of each row's target, its end included: (R,)."""
    labels = encoded.rows.with_format("arrow")[:]["labels"].combine_chunks()
    is_target = labels.flatten().to_numpy() != NO_LOSS
    ends = np.cumsum(labels.value_lengths().to_numpy())
    return np.diff(np.cumsum(is_target)[ends - 1], prepend=0)


def _chunks(examples: Sequence[TextToTextExample], size: int) -> Iterator[Sequence[TextToTextExample]]:
    for start in range(0, len(examples), size):
        yield examples[start : start + size]


def _encoded(
    rows: list[dict[str, Ids]],
    lengths: list[int],
    num_truncated: int,
    *,
    num_truncated_targets: int = 0,
    pads_left: bool = False,
) -> Encoded:
    from datasets import Dataset
    from datasets.table import InMemoryTable

    columns = {name: pa.array([row[name] for row in rows], pa.list_(pa.int32())) for name in rows[0]}
    return Encoded(
        rows=Dataset(InMemoryTable(pa.table(columns))),
        lengths=np.asarray(lengths, np.int64),
        num_truncated=num_truncated,
        num_truncated_targets=num_truncated_targets,
        pads_left=pads_left,
    )
