"""Token classification: a tag for every word of a sentence, or of a document of any length.

The families differ in what a word has seen when its tag is read off. Encoders, the encoder of an encoder-decoder and
decoders without their causal mask see the whole text: the tag is read at the word's first piece. A causal decoder has
not seen the word there, so it is read at the last.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pyarrow as pa

from ftkit.adapters.adapter import AdapterBase, Arrays, Batch, Built, Encoded, Prediction
from ftkit.adapters.legal_paths import LegalPaths
from ftkit.adapters.loading import load_with_head
from ftkit.adapters.windows import cut_windows
from ftkit.adapters.word_pieces import WordEncoder
from ftkit.console import warn
from ftkit.errors import CheckpointError, ConfigError
from ftkit.models.checkpoint import CheckpointSpec
from ftkit.models.tokenizers import load_tokenizer, max_input_length
from ftkit.tag_schemes import Scheme, conlleval_entities, strict_entities
from ftkit.types import LabelSpace, Split, TokenExample

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

NO_LOSS = -100
DEFAULT_OVERLAP = 4  # windows share a quarter: context enough on both sides, a third more tokens to read
Row = dict[str, list[int]]


class Tagger(AdapterBase):
    """BERT, RoBERTa, DeBERTa ...; GPT-2, Llama, Qwen ...; the encoders of T5, mT5 ...

    Attributes:
        label_piece: the piece of a word that bears its tag: `first` or `last`.
        legal_paths: whether the predicted tags of a text follow their scheme.
    """

    version: ClassVar[int] = 1

    def __init__(
        self,
        spec: CheckpointSpec,
        labels: LabelSpace,
        *,
        max_length: int | None = None,
        scheme: Scheme = "IOB2",
        label_piece: str | None = None,
        window_overlap: int | None = None,
        class_weights: Sequence[float] | None = None,
        label_smoothing: float = 0.0,
        legal_paths: bool = True,
    ) -> None:
        _check_head_exists(spec)
        self.spec, self.labels, self.scheme = spec, labels, scheme
        self.tokenizer = load_tokenizer(spec)
        self.words = WordEncoder(self.tokenizer, spec.name)
        limit = max_input_length(self.tokenizer, spec)
        self.max_length = min(filter(None, (max_length, limit)), default=None)
        self.looks_ahead = spec.attention == "bidirectional"
        self.label_piece = label_piece or ("first" if self.looks_ahead else "last")
        self.window_overlap = window_overlap
        self.class_weights, self.label_smoothing = class_weights, label_smoothing
        # Whoever trained elsewhere scored the likeliest tag of each word; so is a checkpoint of theirs scored here.
        self._paths = LegalPaths(labels.names, scheme) if legal_paths else None
        if self._capacity is not None and self._capacity < 1:
            raise ConfigError(
                f"data.max_length: {self.max_length} tokens leave no room beside the {self.words.special.count} "
                "special tokens of this tokenizer. Say more."
            )

    @property
    def padding(self) -> Mapping[str, int]:
        """Column -> padding value."""
        return {"input_ids": self.tokenizer.pad_token_id, "labels": NO_LOSS, "word_positions": 0}

    @property
    def fitted_options(self) -> Mapping[str, Any]:
        """The piece that bears the tag: by default it follows from the attention, and the run records it."""
        return {"label_piece": self.label_piece}

    @property
    def _capacity(self) -> int | None:
        """Pieces of words that fit into one row."""
        return None if self.max_length is None else self.max_length - self.words.special.count

    def use_tokenizer(self, tokenizer: PreTrainedTokenizerBase) -> None:
        """Takes an equal tokenizer for its own, so that many adapters keep one in memory."""
        self.tokenizer = self.words.tokenizer = tokenizer

    # --- examples -> rows ---

    def encode(self, split: Split) -> Encoded:
        """Cuts texts into rows that fit the model; every word bears loss in exactly one of them."""
        if not self.tokenizer.is_fast:
            warn(
                f"The tokenizer of {self.spec.name} is a slow one, written in Python. Words and tags are aligned all "
                "the same, but encoding takes longer. If the checkpoint has a fast one, save it once: "
                "AutoTokenizer.from_pretrained(NAME, use_fast=True).save_pretrained(FOLDER)."
            )
        encoded = self.encode_prompt(split)
        columns = [name for name in encoded.rows.column_names if name != "word_positions"]
        return Encoded(
            rows=encoded.rows.select_columns(columns),
            lengths=encoded.lengths,
            num_truncated=encoded.num_truncated,
            first_rows=encoded.first_rows,
        )

    def encode_prompt(self, split: Split) -> Encoded:
        """Returns the rows of `encode` with `word_positions`: where the words are that each row answers for."""
        from datasets import Dataset
        from datasets.table import InMemoryTable

        self.words.learn([word for example in split.examples for word in example.words])
        rows: list[Row] = []
        first_rows, num_truncated = [0], 0
        for example in split.examples:
            pieces, is_cut = self._pieces(example.words)
            rows.extend(self._rows(pieces, example.tags))
            first_rows.append(len(rows))
            num_truncated += is_cut
        table = {name: pa.array([row[name] for row in rows], pa.list_(pa.int64())) for name in rows[0]}
        return Encoded(
            rows=Dataset(InMemoryTable(pa.table(table))),
            lengths=np.asarray([len(row["input_ids"]) for row in rows], np.int64),
            num_truncated=num_truncated,
            first_rows=np.asarray(first_rows, np.int64),
        )

    def _pieces(self, words: Sequence[str]) -> tuple[list[tuple[int, ...]], bool]:
        """Returns the pieces of each word, and whether one alone was longer than the model and lost some."""
        pieces = [self.words.pieces(word) for word in words]
        capacity = self._capacity
        if capacity is None or all(len(ids) <= capacity for ids in pieces):
            return pieces, False
        kept = slice(None, capacity) if self.label_piece == "first" else slice(-capacity, None)
        return [ids[kept] for ids in pieces], True

    def _rows(self, pieces: Sequence[tuple[int, ...]], tags: Sequence[str] | None) -> Iterator[Row]:
        """Yields the rows of one text.

        Example, BERT, "Bo Nakamura" with B-PER I-PER (ids 1 2): the pieces [CLS] bo naka ##mura [SEP] get the labels
        -100 1 2 -100 -100 and the word positions 1 2.
        """
        special, sizes = self.words.special, [len(ids) for ids in pieces]
        overlap = self.window_overlap
        if self._capacity is not None and overlap is None:
            overlap = self._capacity // DEFAULT_OVERLAP
        for window in cut_windows(sizes, self._capacity, overlap or 0, looks_ahead=self.looks_ahead):
            inside = [id_ for ids in pieces[window.start : window.stop] for id_ in ids]
            input_ids = [*special.before, *inside, *special.after] or [self.words.nothing]
            ends = np.cumsum(sizes[window.start : window.stop], dtype=np.int64) + len(special.before)
            starts = ends - sizes[window.start : window.stop]
            places = starts if self.label_piece == "first" else ends - 1
            positions = places[window.first - window.start : window.last - window.start].tolist()
            row = {"input_ids": input_ids, "word_positions": positions}
            if tags is not None:
                row["labels"] = [NO_LOSS] * len(input_ids)
                for position, tag in zip(positions, tags[window.first : window.last], strict=True):
                    row["labels"][position] = self.labels.index(tag)
            yield row

    # --- checkpoint -> model ---

    def build(self) -> Built:
        """Loads the checkpoint in float32 with a head for the tags, and its attention as declared.

        Raises:
            CheckpointError: its weights cannot be read, more than a head is missing, or its attention cannot be
                unmasked.
        """
        from transformers import AutoConfig, AutoModelForTokenClassification

        config = AutoConfig.from_pretrained(
            self.spec.path,
            **self.spec.loading_arguments,
            num_labels=len(self.labels),
            id2label=self.labels.id2label,
            label2id=self.labels.label2id,
        )
        if self.spec.family == "decoder" and getattr(config, "is_causal", True) == self.looks_ahead:
            config.is_causal = not self.looks_ahead  # transformers masks by it, and save_pretrained keeps it
        built = load_with_head(AutoModelForTokenClassification, self.spec, tokenizer=self.tokenizer, config=config)
        if self.spec.family == "decoder" and self.looks_ahead:
            _check_looks_ahead(built.model, self.spec)
        return built

    # --- outputs -> losses and predictions ---

    def count_items(self, encoded: Encoded) -> int:
        """Returns the number of words: each bears one term of the loss."""
        return sum(label != NO_LOSS for labels in encoded.rows["labels"] for label in labels)

    def loss(self, outputs: Any, labels: torch.Tensor) -> torch.Tensor:
        """Returns each row's cross-entropy, summed over its words: (B,)."""
        from torch.nn import functional

        logits_BLT = outputs.logits.float().transpose(1, 2)
        weights_L = None if self.class_weights is None else logits_BLT.new_tensor(self.class_weights)
        loss_BT = functional.cross_entropy(
            logits_BLT, labels, weight=weights_L, label_smoothing=self.label_smoothing, reduction="none"
        )
        return loss_BT.sum(dim=1)

    def run(self, model: PreTrainedModel, inputs: Batch) -> Batch:
        """Returns `scores`, the log-probabilities of each word's tags (B, W, L), and `loss` (B,) with labels."""
        inputs = dict(inputs)
        positions_BW = inputs.pop("word_positions")
        labels = inputs.pop("labels", None)
        outputs = model(**inputs)
        loss = {} if labels is None else {"loss": self.loss(outputs, labels)}
        index_BWL = positions_BW[:, :, None].expand(-1, -1, outputs.logits.shape[-1])
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
        """Returns `words`, `tags` and `entities` of each text.

        An entity has `label`, `score` (the mean probability of its words' tags), `start`, `end` (characters of the
        text; of an input in words, word positions; the end not included) and `text`.
        """
        found = zip(examples, arrays["predictions"], arrays["confidences"], strict=True)
        return [self._prediction(example, path, confidences) for example, path, confidences in found]

    def _prediction(self, example: TokenExample, path: np.ndarray, confidences: np.ndarray) -> Prediction:
        tags = [self.labels.names[index] for index in path]
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
        return {"words": list(example.words), "tags": tags, "entities": entities}


def ragged(arrays: Iterable[np.ndarray]) -> np.ndarray:
    """Returns arrays of any lengths as one array of objects, (N,)."""
    items = list(arrays)
    rows = np.empty(len(items), object)
    for index, item in enumerate(items):  # one by one: of equal lengths NumPy would make a table
        rows[index] = item
    return rows


def _check_head_exists(spec: CheckpointSpec) -> None:
    """Refuses a model type for which transformers has no token classifier, before any weight is read.

    A head of our own would train, but nothing except ftkit could load the result.
    """
    from transformers.models.auto.modeling_auto import MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING_NAMES as KNOWN

    if spec.model_type in KNOWN or spec.trust_remote_code:
        return
    examples = {
        "encoder": "bert, roberta, deberta-v2, modernbert",
        "decoder": "gpt2, gpt_neox, llama, mistral, qwen2, qwen3",
        "encoder-decoder": "t5, mt5, umt5, t5gemma",
    }
    raise CheckpointError(
        f"model.checkpoint: token classification has no head for a {spec.model_type!r} checkpoint in transformers, so "
        f"{spec.name!r} cannot be tagged with. Of family {spec.family} it works "
        f"for {examples[spec.family]} ..."
    )


def _check_looks_ahead(model: PreTrainedModel, spec: CheckpointSpec) -> None:
    """Refuses a model that keeps its causal mask though its config says otherwise: tries it with two texts.

    Raises:
        CheckpointError: the first token's output does not depend on the last token.
    """
    import torch

    was_training = model.training
    model.eval()
    ids = torch.arange(2, 8, device=model.device)[None, :] % spec.vocab_size
    other = ids.clone()
    other[0, -1] = (ids[0, -1] + 1) % spec.vocab_size
    with torch.inference_mode():
        one, two = (model(input_ids=tokens).logits[0, 0] for tokens in (ids, other))
    model.train(was_training)
    if torch.equal(one, two):
        raise CheckpointError(
            f"model.attention: a {spec.model_type!r} model keeps its causal mask, so {spec.name!r} cannot read both "
            "directions. Say model.attention: causal. It works for llama, mistral, qwen2, qwen3, gpt2, gpt_neox ..."
        )
