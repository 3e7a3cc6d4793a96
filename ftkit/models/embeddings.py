"""Embeddings for tokens that the checkpoint does not know."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def embed_added_tokens(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, added: Sequence[str]
) -> frozenset[str]:
    """Gives added tokens a row of the embedding tables, where they have none; new rows start near the others' mean.

    Args:
        tokenizer: it knows the tokens already.
        added: what the user asked for; words that the checkpoint knows as one token are not new.

    Returns:
        Names of the parameters that are partly new now: with all of their rows they are trained and saved. A row
        that was spare before, as T5 has some, was never trained and counts as new.
    """
    ids: Any = tokenizer.convert_tokens_to_ids(list(added))
    if all(index < tokenizer.vocab_size for index in ids):
        return frozenset()
    embeddings: Any = model.get_input_embeddings()
    if len(tokenizer) > embeddings.weight.shape[0]:
        model.resize_token_embeddings(len(tokenizer))
        _part_places(model)
    tables: list[Any] = [model.get_input_embeddings(), model.get_output_embeddings()]
    return frozenset(
        f"{name}.{inner}"
        for name, module in model.named_modules()
        if any(module is table for table in tables)
        for inner, _ in module.named_parameters()
    )


def _part_places(model: PreTrainedModel) -> None:
    """Gives every place that reads a table a module of its own, around the same weights.

    Resizing leaves both sides of an encoder-decoder one module, and peft, which replaces modules, would replace it on
    one side.
    """
    import torch

    known: set[int] = set()
    for name, module in list(model.named_modules(remove_duplicate=False)):
        if isinstance(module, torch.nn.Embedding) and id(module) in known:
            own = copy.copy(module)
            own._parameters = dict(module._parameters)
            model.set_submodule(name, own)
        known.add(id(module))
