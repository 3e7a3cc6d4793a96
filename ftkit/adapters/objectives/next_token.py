"""The next token of a text: in training those that bear loss, in prediction one after another until the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from transformers import TextStreamer

from ftkit.adapters.objective import Prediction
from ftkit.adapters.objectives.generation import DecoderGeneration
from ftkit.adapters.preprocessors.next_token import NextTokenPreprocessor
from ftkit.adapters.rows import Arrays, Batch, Encoded, Tensors
from ftkit.data.conversations import ConversationExample
from ftkit.errors import ConfigError
from ftkit.models.loading import LoadedModel
from ftkit.models.packed_rows import leak_of_packed_rows

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class NextTokenObjective(DecoderGeneration):
    """A model that goes on writing, judged by how well it tells each token of an answer from all before it."""

    preprocessor: NextTokenPreprocessor  # type: ignore[assignment]
    formats = ("jsonl",)

    def __init__(
        self,
        preprocessor: NextTokenPreprocessor,
        auto_class: str,
        *,
        label_smoothing: float = 0.0,
        generation: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(
            preprocessor,  # type: ignore[arg-type]
            auto_class,
            label_smoothing=label_smoothing,
            generation=generation,
        )

    @property
    def is_measured(self) -> bool:
        """Judged by the loss of tokens; predictions are to be read."""
        return True

    def build(self) -> LoadedModel:
        """Loads the checkpoint in float32, with the search and the ends of an answer in its generation config.

        Raises:
            CheckpointError: its weights cannot be read, or some are missing.
            ConfigError: rows are to be packed, and the model mixes what is packed.
        """
        loaded = super().build()
        config: Any = loaded.model.generation_config
        stated = config.eos_token_id if isinstance(config.eos_token_id, list) else [config.eos_token_id]
        config.eos_token_id = list(dict.fromkeys([*self.preprocessor.end_ids, *stated]))
        if self.preprocessor.packing:
            self._check_keeps_apart(loaded.model)
        return loaded

    def warnings(self, loaded: LoadedModel) -> list[str]:
        """Returns what a user should know of the chat template."""
        return [*super().warnings(loaded), *self.preprocessor.sequences.warnings]

    def _check_keeps_apart(self, model: Any) -> None:
        reason = leak_of_packed_rows(model)
        if reason is not None:
            raise ConfigError(
                f"data.packing: a model of type {model.config.model_type!r} does not keep rows apart that are packed "
                f"into one: {reason}. Leave the key out."
            )

    # --- outputs -> losses ---

    def measure(self, outputs: Any, batch: Batch) -> Tensors:
        """Returns each row's `loss`, `items`, the `num_first` of them that are likeliest, and `bytes`, (B,) each."""
        read = self._read(outputs, batch)
        hits_N = (read.logits.argmax(dim=-1) == read.labels).float()
        return {
            "loss": self._losses(read),
            "items": read.summed(hits_N.new_ones(hits_N.shape)),
            "num_first": read.summed(hits_N),
            "bytes": batch.extras["num_bytes"],
        }

    # --- what is written ---

    @property
    def talks(self) -> bool:
        """Answers conversations, where these are what it was trained on."""
        return self.preprocessor.form == "conversation"

    def stream(self, model: PreTrainedModel, batch: Batch, on_text: Callable[[str], None]) -> Prediction:
        """Answers one conversation, and tells the answer word by word while it is written."""
        streamer = _Told(self.preprocessor.processor, on_text)
        arrays = self._written(model, batch.inputs, model.generation_config, streamer=streamer)
        text = self._text(arrays["predictions"][0].tolist(), {*self.preprocessor.end_ids})
        return {"prediction": text, "cut_off": bool(arrays["cut_off"][0])}

    def finish(self, arrays: Arrays, encoded: Encoded, start: int, stop: int) -> Arrays:
        """Turns token ids into texts, up to the token that ends them: `predictions` (N,) of str."""
        ends = {*self.preprocessor.end_ids}
        texts = [self._text([int(id_) for id_ in row], ends) for row in arrays["predictions"]]
        predictions = np.empty(len(texts), object)
        predictions[:] = texts
        return {"predictions": predictions, "cut_off": arrays["cut_off"]}

    def _text(self, ids: list[int], ends: set[int]) -> str:
        length = next((place for place, id_ in enumerate(ids) if id_ in ends), len(ids))
        return str(self.preprocessor.processor.decode(ids[:length], skip_special_tokens=True)).strip()

    def references(self, examples: Sequence[ConversationExample]) -> np.ndarray:
        """Returns the last answers, (N,) of str; empty ones where there is none."""
        found = np.empty(len(examples), object)
        found[:] = [(example.answer or "").strip() for example in examples]
        return found

    def decode(self, arrays: Arrays, examples: Sequence[ConversationExample]) -> list[Prediction]:
        """Returns what was written for each example as `prediction`, and whether it was `cut_off`."""
        return [
            {"prediction": text, "cut_off": cut_off}
            for text, cut_off in zip(arrays["predictions"], arrays["cut_off"].tolist(), strict=True)
        ]


class _Told(TextStreamer):
    """Hands over what is written, word by word."""

    def __init__(self, tokenizer: Any, on_text: Callable[[str], None]) -> None:
        super().__init__(tokenizer, skip_prompt=True, skip_special_tokens=True)
        self._on_text = on_text

    def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
        """Is called with each piece of text that further tokens do not change."""
        self._on_text(text)
