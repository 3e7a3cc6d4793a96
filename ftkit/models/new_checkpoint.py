"""Fresh checkpoints: a tokenizer trained on the user's text, and a small model with random weights."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Size = Literal["tiny", "small"]

MAX_POSITIONS = 512
PAD, END, UNKNOWN = "<pad>", "</s>", "<unk>"
# Room for tasks that mark places in a text; the original has 100.
NUM_SENTINELS = 100


@dataclass(frozen=True)
class Recipe:
    """How a checkpoint of one architecture is made.

    Attributes:
        train_tokenizer: texts and the size of the vocabulary -> tokenizer.
        model_class: the transformers class that the checkpoint is saved from.
        sizes: size -> keys of its config.
        config: other keys of its config.
        dropouts: the keys that hold dropout probabilities.
        width: the key that holds the width of the model.
        deviation: the key that holds the standard deviation of the initial weights; None keeps the type's own way.
    """

    train_tokenizer: Callable[[Iterable[str], int], PreTrainedTokenizerBase]
    model_class: str
    sizes: dict[Size, dict[str, Any]]
    config: dict[str, Any]
    dropouts: tuple[str, ...]
    width: str
    deviation: str | None


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draws weights from a seed; the random numbers of others go on as if nothing had been drawn."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def make_checkpoint(
    folder: Path,
    architecture: str,
    size: Size,
    texts: Iterable[str],
    *,
    vocab_size: int | None = None,
    dropout: float = 0.1,
    seed: int = 42,
) -> dict[str, int]:
    """Trains a tokenizer and writes an untrained checkpoint: config.json, model.safetensors, tokenizer files.

    Args:
        folder: where to write.
        architecture: a key of `RECIPES`.
        texts: what the tokenizer is trained on; for translation the texts of both languages, which share it.
        vocab_size: tokens at most; few texts give fewer. Default: by size.
        seed: of the weights.

    Returns:
        `vocab_size` and `num_parameters`.
    """
    import transformers

    recipe = RECIPES[architecture]
    tokenizer = recipe.train_tokenizer(texts, vocab_size or VOCAB_SIZES[size])
    sizes = recipe.sizes[size]
    initial = {} if recipe.deviation is None else {recipe.deviation: sizes[recipe.width] ** -0.5}
    config = transformers.AutoConfig.for_model(
        architecture,
        vocab_size=len(tokenizer),
        **sizes,
        **recipe.config,
        **initial,
        **dict.fromkeys(recipe.dropouts, dropout),
        **_special_ids(architecture, tokenizer),
    )
    with seeded(seed):
        model = getattr(transformers, recipe.model_class)(config)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return {"vocab_size": len(tokenizer), "num_parameters": model.num_parameters()}


def _special_ids(architecture: str, tokenizer: PreTrainedTokenizerBase) -> dict[str, int | None]:
    ids = {"pad_token_id": tokenizer.pad_token_id}
    if architecture == "bert":
        return ids
    ids["eos_token_id"] = tokenizer.eos_token_id
    if architecture == "gpt2":
        return {**ids, "bos_token_id": tokenizer.bos_token_id}
    # The first thing the decoder reads is the pad token, in Marian as in T5.
    ids["decoder_start_token_id"] = tokenizer.pad_token_id
    return {**ids, "forced_eos_token_id": None} if architecture == "marian" else ids


# --- tokenizers ---------------------------------------------------------------------------------------------


def train_byte_pairs(texts: Iterable[str], vocab_size: int, special: list[str]) -> Any:
    """Returns a tokenizer over bytes: it reads every text and gives it back as it was, unknown letters too."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=special,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def _marian_tokenizer(texts: Iterable[str], vocab_size: int) -> PreTrainedTokenizerBase:
    """a </s>, for sources and targets alike: one vocabulary of byte pairs."""
    from tokenizers import processors
    from transformers import PreTrainedTokenizerFast

    tokenizer = train_byte_pairs(texts, vocab_size, [PAD, END, UNKNOWN])
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"$A {END}", pair=f"$A $B {END}", special_tokens=[(END, tokenizer.token_to_id(END))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=END,
        unk_token=UNKNOWN,
        model_max_length=MAX_POSITIONS,
        model_input_names=["input_ids", "attention_mask"],
    )


def _gpt2_tokenizer(texts: Iterable[str], vocab_size: int) -> PreTrainedTokenizerBase:
    """No special token is added to a text; one ends it, another pads."""
    from transformers import PreTrainedTokenizerFast

    end = "<|endoftext|>"
    tokenizer = train_byte_pairs(texts, vocab_size, [end, "<|pad|>"])
    tokenizer.pre_tokenizer.add_prefix_space = False
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=end,
        eos_token=end,
        unk_token=end,
        pad_token="<|pad|>",
        model_max_length=MAX_POSITIONS,
        model_input_names=["input_ids", "attention_mask"],
    )


def _bert_tokenizer(texts: Iterable[str], vocab_size: int) -> PreTrainedTokenizerBase:
    """[CLS] a [SEP] b [SEP] over word pieces; upper case and accents are kept."""
    from tokenizers import BertWordPieceTokenizer
    from transformers import BertTokenizer

    options = {"lowercase": False, "strip_accents": False}
    trained = BertWordPieceTokenizer(**options)
    trained.train_from_iterator(texts, vocab_size=vocab_size, show_progress=False)
    vocab = dict(sorted(trained.get_vocab().items(), key=lambda item: item[1]))
    return BertTokenizer(vocab=vocab, do_lower_case=False, strip_accents=False, model_max_length=MAX_POSITIONS)


def _t5_tokenizer(texts: Iterable[str], vocab_size: int) -> PreTrainedTokenizerBase:
    """a </s> over unigrams, with sentinels at the end of the vocabulary."""
    import json

    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import T5Tokenizer

    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=max(vocab_size - NUM_SENTINELS, 64),
        special_tokens=[PAD, END, UNKNOWN],
        unk_token=UNKNOWN,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    pieces = [(piece, score) for piece, score in json.loads(tokenizer.to_str())["model"]["vocab"]]
    sentinels = [(f"<extra_id_{index}>", 0.0) for index in reversed(range(NUM_SENTINELS))]
    return T5Tokenizer(vocab=pieces + sentinels, extra_ids=NUM_SENTINELS, model_max_length=MAX_POSITIONS)


# --- recipes ------------------------------------------------------------------------------------------------

VOCAB_SIZES: dict[Size, int] = {"tiny": 4_000, "small": 16_000}


def _both_sides(layers: int, heads: int, inner: int) -> dict[str, int]:
    return {
        f"{side}_{name}": value
        for side in ("encoder", "decoder")
        for name, value in (("layers", layers), ("attention_heads", heads), ("ffn_dim", inner))
    }


RECIPES: dict[str, Recipe] = {
    "marian": Recipe(
        _marian_tokenizer,
        "MarianMTModel",
        {
            # The 2.6 M transformer of arXiv 2105.14462, and fairseq's transformer_iwslt_de_en.
            "tiny": {"d_model": 128, **_both_sides(4, 4, 256)},
            "small": {"d_model": 512, **_both_sides(6, 4, 1024)},
        },
        {
            "max_position_embeddings": MAX_POSITIONS,
            "scale_embedding": True,
            "activation_function": "relu",
            "tie_word_embeddings": True,
        },
        ("dropout",),
        width="d_model",
        deviation="init_std",
    ),
    "t5": Recipe(
        _t5_tokenizer,
        "T5ForConditionalGeneration",
        {
            "tiny": {"d_model": 128, "d_kv": 32, "d_ff": 256, "num_layers": 4, "num_heads": 4},
            "small": {"d_model": 512, "d_kv": 64, "d_ff": 1024, "num_layers": 6, "num_heads": 8},
        },
        {"n_positions": MAX_POSITIONS},
        ("dropout_rate",),
        width="d_model",
        deviation=None,
    ),
    "bert": Recipe(
        _bert_tokenizer,
        "BertForMaskedLM",
        {
            "tiny": {
                "hidden_size": 128,
                "num_hidden_layers": 2,
                "num_attention_heads": 2,
                "intermediate_size": 512,
            },
            "small": {
                "hidden_size": 512,
                "num_hidden_layers": 4,
                "num_attention_heads": 8,
                "intermediate_size": 2048,
            },
        },
        {"max_position_embeddings": MAX_POSITIONS},
        ("hidden_dropout_prob", "attention_probs_dropout_prob"),
        width="hidden_size",
        deviation=None,
    ),
    "gpt2": Recipe(
        _gpt2_tokenizer,
        "GPT2LMHeadModel",
        {
            "tiny": {"n_embd": 128, "n_layer": 4, "n_head": 4},
            "small": {"n_embd": 512, "n_layer": 6, "n_head": 8},
        },
        {"n_positions": MAX_POSITIONS},
        ("resid_pdrop", "embd_pdrop", "attn_pdrop"),
        width="n_embd",
        deviation=None,
    ),
}
"""Architecture -> recipe; the names are transformers' own model types."""


def text_lines(tables: Iterable[Iterable[Any]]) -> Iterator[str]:
    """Yields every text in the rows of tables, also inside a cell such as `{"en": ..., "de": ...}`."""
    for table in tables:
        for row in table:
            for cell in row.values.values():
                yield from (text for text in (cell.values() if isinstance(cell, dict) else [cell]) if _is_text(text))


def _is_text(cell: Any) -> bool:
    return isinstance(cell, str) and bool(cell.strip())
