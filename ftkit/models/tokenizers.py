"""Tokenizers, made ready for padded batches without ever changing the vocabulary."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ftkit.errors import CheckpointError
from ftkit.models.spec import CheckpointSpec

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# transformers writes about 1e30 where a tokenizer states no limit.
NO_LIMIT = 1_000_000


_WHITE_SPACE = " \t\n\r\N{LOWER ONE EIGHTH BLOCK}"  # the last is what sentencepiece writes for a space


def load_tokenizer(spec: CheckpointSpec) -> PreTrainedTokenizerBase:
    """Loads a checkpoint's tokenizer, with a pad token and padding on the right.

    Raises:
        CheckpointError: it has none, or its ids do not fit the model's embedding table.
    """
    from transformers import AutoTokenizer

    try:
        if spec.processor_path is not None:
            tokenizer = AutoTokenizer.from_pretrained(spec.processor_path, trust_remote_code=spec.trust_remote_code)
        else:
            tokenizer = AutoTokenizer.from_pretrained(spec.path, **spec.loading_arguments)
    except Exception as error:  # tokenizers raises bare ones
        reason = str(error).strip().split("\n")[0]
        if "trust_remote_code" in str(error):
            raise CheckpointError(
                f"model.checkpoint: tokenizer_config.json of {spec.name!r} (auto_map) asks for the checkpoint's own "
                "Python code, which was not run.\n"
                f"Fix: read that code; if you trust its authors, say {spec.trust_key}."
            ) from None
        if isinstance(error, ImportError) and "SentencePiece" in reason:
            raise CheckpointError(
                f"model.checkpoint: the tokenizer of {spec.name!r} is read by a package that is not installed here.\n"
                "Fix: pip install sentencepiece"
            ) from None
        raise CheckpointError(
            f"model.checkpoint: cannot load the tokenizer of {spec.name!r}: {reason} "
            "A checkpoint needs tokenizer.json (or its vocabulary files) beside config.json."
        ) from None
    # Without its files transformers makes a tokenizer of special tokens alone, which reads every text as unknown.
    if not tokenizer.get_vocab().keys() - {*tokenizer.all_special_tokens, "▁"}:
        raise CheckpointError(
            f"model.checkpoint: the tokenizer of {spec.name!r} is empty: its files are missing. "
            "Copy tokenizer.json (or the vocabulary files) from where the checkpoint came from."
        )
    # CANINE reads characters by their code points, and states no vocabulary.
    if 0 < spec.vocab_size < len(tokenizer) and not spec.add_tokens:
        raise CheckpointError(
            f"model.checkpoint: the tokenizer of {spec.name!r} has {len(tokenizer)} tokens, the model embeds only "
            f"{spec.vocab_size}. They do not belong together; copy the tokenizer that the model was trained with."
        )
    tokenizer.add_tokens(list(spec.add_tokens))  # those it knows already stay as they are
    ensure_pad_token(tokenizer, spec)
    tokenizer.padding_side = "right"
    return tokenizer


TARGET_TOKENIZER = "target_tokenizer"  # its folder inside a checkpoint that reads and writes with different ones


def load_target_tokenizer(spec: CheckpointSpec, tokenizer: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    """Returns the tokenizer of what is written; for most checkpoints it is that of what is read.

    Raises:
        CheckpointError: as `load_tokenizer`.
    """
    folder = Path(spec.processor_path or spec.path) / TARGET_TOKENIZER
    if not folder.is_dir():
        if spec.decoder is None or spec.processor_path is not None or spec.decoder.path == spec.path:
            return tokenizer
        return load_tokenizer(spec.decoder)
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder, trust_remote_code=False)


def ensure_pad_token(tokenizer: PreTrainedTokenizerBase, spec: CheckpointSpec) -> None:
    """Gives a tokenizer without a pad token one it already has: GPT and Llama checkpoints come without.

    No token is added, so no id and no embedding changes. Padding is masked; the token's meaning is not used.

    Raises:
        CheckpointError: it has no special token at all.
    """
    if tokenizer.pad_token is not None:
        return
    for name in ("eos_token", "unk_token", "bos_token"):
        token = getattr(tokenizer, name, None)
        if token is not None:
            tokenizer.pad_token = token
            return
    raise CheckpointError(
        f"model.checkpoint: the tokenizer of {spec.name!r} has no pad, eos, unk or bos token to pad with. "
        'Name one in its tokenizer_config.json, such as "pad_token": "<pad>".'
    )


def max_input_length(tokenizer: PreTrainedTokenizerBase, spec: CheckpointSpec) -> int | None:
    """Returns how many tokens of an input the checkpoint can read; None when neither file states a limit."""
    limits = [spec.max_positions] if spec.max_positions else []
    stated = tokenizer.model_max_length  # whatever tokenizer_config.json says
    if type(stated) is int and 0 < stated < NO_LIMIT:
        limits.append(stated)
    return min(limits) if limits else None


def end_of_text(tokenizer: PreTrainedTokenizerBase, spec: CheckpointSpec, *, or_sep: bool = False) -> int:
    """Returns the token that ends a text.

    Args:
        or_sep: where there is no eos token, the sep token ends a text, as it does for decoders of the BERT type.

    Raises:
        CheckpointError: there is none.
    """
    end = tokenizer.eos_token_id
    if end is None and or_sep:
        end = tokenizer.sep_token_id
    if end is None:
        raise CheckpointError(
            f"model.checkpoint: the tokenizer of {spec.name!r} has no eos token, so nothing could end a text. "
            'Name one in its tokenizer_config.json, such as "eos_token": "</s>".'
        )
    return int(end)


def control_ids(tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """Returns the tokens that no writing is made of: special and added ones, but for added white space, as Gemma's."""
    added = {id_ for id_, token in tokenizer.added_tokens_decoder.items() if token.content.strip(_WHITE_SPACE)}
    return frozenset({*tokenizer.all_special_ids, *added})
