"""Tiny untrained checkpoints of every family, each made on disk in well under a second.

They differ where real checkpoints differ: the kind of subword model, special tokens, pair templates, offset
positions, embedding tables with spare rows, tokenizers without a pad token. The vocabularies are written out
from `EXAMPLES` rather than trained, so that token ids never change with a library's version.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftkit.types import Family, Label, LabelSpace, Split, TextExample

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from ftkit.adapters.rows import Batch, Encoded
    from ftkit.adapters.task_adapter import TaskAdapter

EXAMPLES: tuple[tuple[str, str], ...] = (
    ("my card was lost on the train", "topic_10"),
    ("I lost my card, please block it now", "topic_10"),
    ("please block the card, it was stolen", "topic_10"),
    ("was my card stolen?", "topic_10"),
    ("the rain will not stop today", "topic_2"),
    ("will it rain today or will the sun shine?", "topic_2"),
    ("sun today, rain tonight", "topic_2"),
    ("a cold wind and no sun", "topic_2"),
    ("our team won the game", "Sport"),
    ("the game was lost, our team was slow", "Sport"),
    ("who won the game tonight?", "Sport"),
    ("a slow team will not win the cup", "Sport"),
    ("boil the rice with a little salt", "food"),
    ("add salt and oil to the rice", "food"),
    ("too much salt in the soup", "food"),
    ("is the soup too cold?", "food"),
)
"""Sixteen texts of four topics. The label names sort otherwise by number than by spelling."""

MODEL_TYPES: dict[str, Family] = {
    "bert": "encoder",
    "distilbert": "encoder",
    "roberta": "encoder",
    "deberta-v2": "encoder",
    "modernbert": "encoder",
    "electra": "encoder",
    "albert": "encoder",
    "xlm-roberta": "encoder",
    "gpt2": "decoder",
    "llama": "decoder",
    "qwen2": "decoder",
    "gpt_neox": "decoder",
    "opt": "decoder",
    "t5": "encoder-decoder",
    "bart": "encoder-decoder",
    "mbart": "encoder-decoder",
}

MAX_POSITIONS = 128
HIDDEN, LAYERS, HEADS = 32, 2, 2
WORDS = sorted({word for text, _ in EXAMPLES for word in text.replace(",", "").replace("?", "").split()})
CHARACTERS = [chr(code) for code in range(33, 127)] + ["é", "ü"]


@dataclass(frozen=True)
class Recipe:
    """How a checkpoint is made.

    Attributes:
        tokenizer: makes the tokenizer.
        model_class: the transformers class that the checkpoint is saved from, as its authors pretrained it.
        config: the sizes and special ids, in the words of this model type's config.
        dropouts: the config keys that hold dropout probabilities.
        spare_rows: embedding rows without a token, as T5, Qwen and Pythia checkpoints have them.
        config_type: the model type of its config where it is not the checkpoint's name here.
    """

    tokenizer: Callable[[], PreTrainedTokenizerBase]
    model_class: str
    config: dict[str, Any]
    dropouts: tuple[str, ...]
    spare_rows: int = 0
    config_type: str | None = None


def made_once(make: Callable[[str, Path], Path], root: Path) -> Callable[[str], Path]:
    """Returns a function that makes a checkpoint once and returns its folder from then on: never write to it.

    Args:
        make: writes the checkpoint of a name into a folder, and returns it.
        root: of the folders.
    """
    made: dict[str, Path] = {}

    def folder_of(name: str) -> Path:
        if name not in made:
            made[name] = make(name, root / name)
        return made[name]

    return folder_of


def make_checkpoint(
    model_type: str, folder: Path, *, dropout: float = 0.0, seed: int = 0, sizes: Mapping[str, float] | None = None
) -> Path:
    """Writes a checkpoint (config.json, model.safetensors, tokenizer files) and returns its folder.

    Args:
        model_type: one of `MODEL_TYPES`.
        folder: where to write; made if need be.
        dropout: probability for every dropout that the model has.
        seed: of the random weights.
        sizes: other sizes than the usual, in the words of this model type's config.
    """
    import torch
    import transformers

    recipe = (RECIPES | WRITERS | OTHERS)[model_type]
    tokenizer = recipe.tokenizer()
    config = transformers.AutoConfig.for_model(
        recipe.config_type or model_type,
        vocab_size=len(tokenizer) + recipe.spare_rows,
        **_special_ids(model_type, tokenizer),
        **recipe.config | (sizes or {}),
        **dict.fromkeys(recipe.dropouts, dropout),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = getattr(transformers, recipe.model_class)(config)
    folder = Path(folder)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def make_adapter(folder: Path, labels: LabelSpace, *, max_length: int | None = None, **options: Any) -> TaskAdapter:
    """Returns the text classification adapter of a checkpoint, found as a run finds it."""
    from ftkit.kinds.text_classification import KIND
    from ftkit.models.checkpoint import inspect_checkpoint
    from ftkit.models.spec import ModelSpec

    spec = inspect_checkpoint(ModelSpec(checkpoint=str(folder)))
    return KIND.task_adapter(spec).make(spec, labels, max_length=max_length, options=options)


def batch_of(adapter: TaskAdapter, encoded: Encoded, *, training: bool = False) -> Batch:
    """Returns all rows as one batch."""
    rows = encoded.rows.__getitems__(list(range(encoded.num_rows)))
    return adapter.preprocessor.collate(rows, training=training, rngs=None)


def make_split(
    texts: Sequence[str], labels: Sequence[Label] | None = None, *, pairs: Sequence[str] | None = None
) -> Split:
    """Returns a split of these texts, or pairs of texts, with labels where given."""
    examples = [
        TextExample(id=index, text=text, text_pair=pairs and pairs[index], label=labels and labels[index])
        for index, text in enumerate(texts)
    ]
    return Split("test", "examples.csv", examples)


def _special_ids(model_type: str, tokenizer: PreTrainedTokenizerBase) -> dict[str, int]:
    """The ids that configs of this type state; few decoders state a pad id."""
    from transformers import AutoConfig

    usual = AutoConfig.for_model((RECIPES | WRITERS | OTHERS)[model_type].config_type or model_type)
    ids = {f"{name}_id": getattr(tokenizer, f"{name}_id") for name in tokenizer.SPECIAL_TOKENS_ATTRIBUTES[:7]}
    # An encoder's text begins with [CLS] and ends with [SEP], whatever the config calls them.
    ids["bos_token_id"] = ids["cls_token_id"] if ids["bos_token_id"] is None else ids["bos_token_id"]
    ids["eos_token_id"] = ids["sep_token_id"] if ids["eos_token_id"] is None else ids["eos_token_id"]
    stated = {name for name in ids if getattr(usual, name, None) is not None}
    stated |= set() if MODEL_TYPES.get(model_type) == "encoder" else {"eos_token_id"}
    return {name: ids[name] for name in sorted(stated) if ids[name] is not None}


# --- vocabularies ---


def _word_pieces(special_tokens: list[str]) -> dict[str, int]:
    characters = [character for character in CHARACTERS if character == character.lower()]
    pieces = [*special_tokens, *characters, *(f"##{character}" for character in characters)]
    return _ids([*pieces, *(word.lower() for word in WORDS)])


def _byte_pairs(first: list[str], last: list[str]) -> dict[str, Any]:
    """Bytes, and the known words where they follow a space (written `Ġ`); merged letter by letter."""
    from tokenizers import pre_tokenizers

    merges = _merges("Ġ")
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = [*first, *alphabet, *("".join(merge) for merge in merges), *last]
    return {"vocab": _ids(tokens), "merges": merges}


def _byte_fallback_pairs(special_tokens: list[str]) -> dict[str, Any]:
    """SentencePiece BPE as in Llama: bytes stand in for unknown characters only; `▁` is the space."""
    merges = _merges("▁")
    fallback = [f"<0x{byte:02X}>" for byte in range(256)]
    tokens = [*special_tokens, *fallback, "▁", *CHARACTERS, *("".join(merge) for merge in merges)]
    return {"vocab": _ids(tokens), "merges": merges}


def _unigrams(first: list[str], last: list[str]) -> list[tuple[str, float]]:
    """Known words are likelier than characters; special tokens score 0, as converted models have them."""
    scores = dict.fromkeys(first, 0.0) | {"▁": -4.0}
    scores |= dict.fromkeys((f"▁{word}" for word in WORDS), -5.0) | dict.fromkeys(CHARACTERS, -9.0)
    return list((scores | dict.fromkeys(last, 0.0)).items())


def _merges(space: str) -> list[tuple[str, str]]:
    words = [space + word for word in WORDS]
    return list(dict.fromkeys((word[:size], word[size]) for word in words for size in range(1, len(word))))


def _ids(tokens: list[str]) -> dict[str, int]:
    return {token: index for index, token in enumerate(dict.fromkeys(tokens))}


# --- tokenizers ---


def _bert_tokenizer() -> PreTrainedTokenizerBase:
    """[CLS] a [SEP] b [SEP], token types 0 and 1."""
    from transformers import BertTokenizer

    vocab = _word_pieces(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    return BertTokenizer(vocab=vocab, model_max_length=MAX_POSITIONS)


def _roberta_tokenizer() -> PreTrainedTokenizerBase:
    """<s> a </s></s> b </s>, no token types. BART has the same."""
    from transformers import RobertaTokenizer

    pairs = _byte_pairs(["<s>", "<pad>", "</s>", "<unk>"], ["<mask>"])
    return RobertaTokenizer(**pairs, model_max_length=MAX_POSITIONS)


def _deberta_tokenizer() -> PreTrainedTokenizerBase:
    """[CLS] a [SEP] b [SEP] over unigrams."""
    from transformers import DebertaV2Tokenizer

    vocab = _unigrams(["[PAD]", "[CLS]", "[SEP]", "[UNK]"], ["[MASK]"])
    return DebertaV2Tokenizer(vocab=vocab)


def _modernbert_tokenizer() -> PreTrainedTokenizerBase:
    """[CLS] a [SEP] b [SEP] over bytes, no token types; a tokenizer without a class of its own."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    special = ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"]
    pairs = _byte_pairs([], special)
    tokenizer = Tokenizer(models.BPE(**pairs))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B [SEP]",
        special_tokens=[(token, pairs["vocab"][token]) for token in ("[CLS]", "[SEP]")],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        pad_token="[PAD]",
        mask_token="[MASK]",
        model_max_length=MAX_POSITIONS,
        model_input_names=["input_ids", "attention_mask"],
    )


def _albert_tokenizer() -> PreTrainedTokenizerBase:
    """[CLS] a [SEP] b [SEP] over lower-case unigrams, token types 0 and 1."""
    from transformers import AlbertTokenizer

    vocab = _unigrams(["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"], [])
    return AlbertTokenizer(vocab=vocab, model_max_length=MAX_POSITIONS)


def _xlm_roberta_tokenizer() -> PreTrainedTokenizerBase:
    """<s> a </s></s> b </s> over unigrams."""
    from transformers import XLMRobertaTokenizer

    vocab = _unigrams(["<s>", "<pad>", "</s>", "<unk>"], ["<mask>"])
    return XLMRobertaTokenizer(vocab=vocab, model_max_length=MAX_POSITIONS)


def _gpt2_tokenizer() -> PreTrainedTokenizerBase:
    """No special token is ever added, and there is no pad token."""
    from transformers import GPT2Tokenizer

    return GPT2Tokenizer(**_byte_pairs([], ["<|endoftext|>"]), model_max_length=MAX_POSITIONS)


def _llama_tokenizer() -> PreTrainedTokenizerBase:
    """<s> a, no pad token, no longest input, padding on the left unless told otherwise."""
    from transformers import LlamaTokenizer

    return LlamaTokenizer(**_byte_fallback_pairs(["<unk>", "<s>", "</s>"]), add_bos_token=True)


def _qwen2_tokenizer() -> PreTrainedTokenizerBase:
    """No special token is added; end of text and padding are one token."""
    from transformers import Qwen2Tokenizer

    return Qwen2Tokenizer(**_byte_pairs([], ["<|endoftext|>"]))


def _gpt_neox_tokenizer() -> PreTrainedTokenizerBase:
    """No special token is added; <|padding|> is a token of its own."""
    from transformers import GPTNeoXTokenizer

    return GPTNeoXTokenizer(**_byte_pairs(["<|endoftext|>", "<|padding|>"], []))


def _opt_tokenizer() -> PreTrainedTokenizerBase:
    """</s> a: the end of one text begins the next."""
    from transformers import GPT2Tokenizer

    pairs = _byte_pairs(["<s>", "<pad>", "</s>", "<unk>"], [])
    special = {"bos_token": "</s>", "eos_token": "</s>", "unk_token": "</s>", "pad_token": "<pad>"}
    return GPT2Tokenizer(**pairs, **special, add_bos_token=True)


def _t5_tokenizer() -> PreTrainedTokenizerBase:
    """a </s> b </s> over unigrams, with sentinels at the end of the vocabulary."""
    from transformers import T5Tokenizer

    sentinels = [f"<extra_id_{index}>" for index in reversed(range(8))]
    vocab = _unigrams(["<pad>", "</s>", "<unk>"], sentinels)
    return T5Tokenizer(vocab=vocab, extra_ids=len(sentinels), model_max_length=MAX_POSITIONS)


def _mbart_tokenizer() -> PreTrainedTokenizerBase:
    """a b </s> en_XX: the language follows the end of the sequence."""
    from transformers import MBartTokenizer
    from transformers.models.mbart.tokenization_mbart import FAIRSEQ_LANGUAGE_CODES

    vocab = _unigrams(["<s>", "<pad>", "</s>", "<unk>"], [*FAIRSEQ_LANGUAGE_CODES, "<mask>"])
    return MBartTokenizer(vocab=vocab, src_lang="en_XX", model_max_length=MAX_POSITIONS)


def _marian_tokenizer() -> PreTrainedTokenizerBase:
    """a </s> over unigrams, one vocabulary for both languages."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.Unigram(_unigrams(["<pad>", "</s>", "<unk>"], []), unk_id=2))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A $B </s>", special_tokens=[("</s>", 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        model_max_length=MAX_POSITIONS,
        model_input_names=["input_ids", "attention_mask"],
    )


def _nllb_tokenizer() -> PreTrainedTokenizerBase:
    """eng_Latn a </s>: the language comes first, on both sides."""
    from transformers import NllbTokenizer

    codes = ["deu_Latn", "eng_Latn", "fra_Latn"]
    vocab = _ids(["<s>", "<pad>", "</s>", "<unk>", "▁", *CHARACTERS, *("".join(pair) for pair in _merges("▁"))])
    return NllbTokenizer(vocab=vocab, merges=_merges("▁"), extra_special_tokens=codes, model_max_length=MAX_POSITIONS)


# --- recipes ---

# Larger than the usual 0.02: at this width random weights must be large for inputs to make a difference.
_INITIAL = {"initializer_range": 0.2}
_BERT_SIZES = {
    "hidden_size": HIDDEN,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "intermediate_size": 2 * HIDDEN,
    "max_position_embeddings": MAX_POSITIONS,
    **_INITIAL,
}
_LLAMA_SIZES = {**_BERT_SIZES, "num_key_value_heads": 1}
_BART_SIZES = {
    "d_model": HIDDEN,
    "encoder_layers": LAYERS,
    "decoder_layers": LAYERS,
    "encoder_attention_heads": HEADS,
    "decoder_attention_heads": HEADS,
    "encoder_ffn_dim": 2 * HIDDEN,
    "decoder_ffn_dim": 2 * HIDDEN,
    "max_position_embeddings": MAX_POSITIONS,
    "init_std": 0.2,
}
_BERT_DROPOUTS = ("hidden_dropout_prob", "attention_probs_dropout_prob")
_BART_DROPOUTS = ("dropout", "attention_dropout", "activation_dropout", "classifier_dropout")
# Two rows of the position table lie before the first position.
_ROBERTA_SIZES = {**_BERT_SIZES, "max_position_embeddings": MAX_POSITIONS + 2, "type_vocab_size": 1}

RECIPES: dict[str, Recipe] = {
    "bert": Recipe(_bert_tokenizer, "BertForMaskedLM", _BERT_SIZES, _BERT_DROPOUTS),
    "distilbert": Recipe(
        _bert_tokenizer,
        "DistilBertForMaskedLM",
        {
            "dim": HIDDEN,
            "hidden_dim": 2 * HIDDEN,
            "n_layers": LAYERS,
            "n_heads": HEADS,
            "max_position_embeddings": MAX_POSITIONS,
            **_INITIAL,
        },
        ("dropout", "attention_dropout", "seq_classif_dropout"),
    ),
    "roberta": Recipe(_roberta_tokenizer, "RobertaForMaskedLM", _ROBERTA_SIZES, _BERT_DROPOUTS),
    "deberta-v2": Recipe(
        _deberta_tokenizer,
        "DebertaV2ForMaskedLM",
        {
            **_BERT_SIZES,
            "type_vocab_size": 0,
            "relative_attention": True,
            "position_biased_input": False,
            "pos_att_type": ["p2c", "c2p"],
            "position_buckets": 16,
            "norm_rel_ebd": "layer_norm",
            "share_att_key": True,
        },
        (*_BERT_DROPOUTS, "pooler_dropout"),
    ),
    "modernbert": Recipe(
        _modernbert_tokenizer,
        "ModernBertForMaskedLM",
        {
            "hidden_size": HIDDEN,
            "num_hidden_layers": LAYERS,
            "num_attention_heads": HEADS,
            "intermediate_size": 2 * HIDDEN,
            "max_position_embeddings": MAX_POSITIONS,
            "global_attn_every_n_layers": 2,
            "local_attention": 16,
            "initializer_range": 0.2,
            "classifier_pooling": "mean",
        },
        ("embedding_dropout", "mlp_dropout", "attention_dropout", "classifier_dropout"),
    ),
    "electra": Recipe(_bert_tokenizer, "ElectraForPreTraining", {**_BERT_SIZES, "embedding_size": 16}, _BERT_DROPOUTS),
    "albert": Recipe(
        _albert_tokenizer,
        "AlbertForMaskedLM",
        {**_BERT_SIZES, "embedding_size": 16},
        (*_BERT_DROPOUTS, "classifier_dropout_prob"),
    ),
    "xlm-roberta": Recipe(_xlm_roberta_tokenizer, "XLMRobertaForMaskedLM", _ROBERTA_SIZES, _BERT_DROPOUTS),
    "gpt2": Recipe(
        _gpt2_tokenizer,
        "GPT2LMHeadModel",
        {"n_embd": HIDDEN, "n_layer": LAYERS, "n_head": HEADS, "n_positions": MAX_POSITIONS, **_INITIAL},
        ("resid_pdrop", "embd_pdrop", "attn_pdrop"),
    ),
    "llama": Recipe(_llama_tokenizer, "LlamaForCausalLM", _LLAMA_SIZES, ("attention_dropout",)),
    "qwen2": Recipe(
        _qwen2_tokenizer,
        "Qwen2ForCausalLM",
        {**_LLAMA_SIZES, "tie_word_embeddings": True},
        ("attention_dropout",),
        spare_rows=8,
    ),
    "gpt_neox": Recipe(
        _gpt_neox_tokenizer,
        "GPTNeoXForCausalLM",
        _BERT_SIZES,
        ("hidden_dropout", "attention_dropout", "classifier_dropout"),
        spare_rows=8,
    ),
    "opt": Recipe(
        _opt_tokenizer,
        "OPTForCausalLM",
        {
            "hidden_size": HIDDEN,
            "word_embed_proj_dim": HIDDEN,
            "num_hidden_layers": LAYERS,
            "num_attention_heads": HEADS,
            "ffn_dim": 2 * HIDDEN,
            "max_position_embeddings": MAX_POSITIONS,
            "init_std": 0.2,
        },
        ("dropout", "attention_dropout"),
    ),
    "t5": Recipe(
        _t5_tokenizer,
        "T5ForConditionalGeneration",
        {
            "d_model": HIDDEN,
            "d_kv": HIDDEN // HEADS,
            "d_ff": 2 * HIDDEN,
            "num_layers": LAYERS,
            "num_heads": HEADS,
            "relative_attention_num_buckets": 8,
            "relative_attention_max_distance": 16,
            "decoder_start_token_id": 0,
        },
        ("dropout_rate", "classifier_dropout"),
        spare_rows=8,
    ),
    "bart": Recipe(_roberta_tokenizer, "BartForConditionalGeneration", _BART_SIZES, _BART_DROPOUTS),
    "mbart": Recipe(_mbart_tokenizer, "MBartForConditionalGeneration", _BART_SIZES, _BART_DROPOUTS),
}
assert RECIPES.keys() == MODEL_TYPES.keys()

WRITERS: dict[str, Recipe] = {
    "marian": Recipe(_marian_tokenizer, "MarianMTModel", {**_BART_SIZES, "decoder_start_token_id": 0}, _BART_DROPOUTS),
    "nllb": Recipe(
        _nllb_tokenizer, "M2M100ForConditionalGeneration", _BART_SIZES, _BART_DROPOUTS, config_type="m2m_100"
    ),
    "pegasus": Recipe(
        _marian_tokenizer,
        "PegasusForConditionalGeneration",
        {**_BART_SIZES, "decoder_start_token_id": 0, "scale_embedding": True},
        _BART_DROPOUTS,
    ),
}
"""Checkpoints that translate and that transformers has no classifier for."""

OTHERS: dict[str, Recipe] = {
    "qwen3": Recipe(
        _qwen2_tokenizer,
        "Qwen3ForCausalLM",
        {**_LLAMA_SIZES, "head_dim": HIDDEN // HEADS, "tie_word_embeddings": True},
        ("attention_dropout",),
        spare_rows=8,
    ),
    "mistral": Recipe(_llama_tokenizer, "MistralForCausalLM", _LLAMA_SIZES, ("attention_dropout",)),
}
"""Decoders that differ from the ones above where they are loaded with a head."""
