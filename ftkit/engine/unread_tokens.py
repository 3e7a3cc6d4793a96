"""A last layer that computes the token that the head reads, and not the others.

The head of a BERT for classification reads the first token of the last layer. All tokens take part in that layer's
attention, as keys and values; what comes behind, three quarters of the layer, is computed for the first token alone:

    skip_unread_tokens(model)          # once, before a tuner is put on it

Logits and gradients stay the same. In a model of six layers an eighth of all products is saved.
"""

from __future__ import annotations

from typing import Any

import torch

from ftkit.engine.evaluation import evaluating
from ftkit.engine.token_rows import current_rows, unpadding
from ftkit.engine.unpadded import leaves_padding_out, two_rows
from ftkit.tuners.targets import layer_stacks

# What a layer does with each token by itself begins here, with nothing but states as its input. The first is that of
# BERT and its many relatives, the second DistilBERT's.
PLACES = ("attention.output", "sa_layer_norm")
TOLERANCE = 1e-3  # of what lies between the logits of two rows; reading other tokens changes as much as that


def skip_unread_tokens(model: Any) -> bool:
    """Lets the last layer compute the first token alone behind its attention, if the head reads no other.

    That is tried on two rows; a model that needs more is left as it was.

    Args:
        model: with a head for whole texts, on any device.

    Returns:
        Whether tokens are skipped from now on.
    """
    place = _place(model)
    if place is None:
        return False
    lengths = [3, 7]
    inputs = {name: tensor.to(model.device) for name, tensor in two_rows(model, lengths).items()}
    hook = None
    with evaluating(model), torch.no_grad():
        try:
            expected = model(**inputs).logits
            hook = place.register_forward_pre_hook(_take_first)
            found = [model(**inputs).logits]
            if leaves_padding_out(model):
                with unpadding(lengths):
                    found.append(model(**inputs).logits)
            same = all(_are_close(logits, expected) for logits in found)
        except Exception:  # whatever an architecture trips over
            same = False
    if hook is not None and not same:
        hook.remove()
    return same


def _place(model: Any) -> torch.nn.Module | None:
    stacks = layer_stacks(model)
    if len(stacks) != 1:
        return None
    last = dict(list(model.get_submodule(next(iter(stacks))).children())[-1].named_modules())
    return next((last[place] for place in PLACES if place in last), None)


def _take_first(module: torch.nn.Module, args: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...] | None:
    """Returns the first token of each row, (B, 1, H), of states (B, T, H), or (1, N, H) where padding is left out."""
    if torch.compiler.is_dynamo_compiling():
        return None  # one compiled graph serves all layers
    rows = current_rows()
    if rows is not None and args[0].shape[:2] == (1, rows.num_tokens):
        return tuple(rows.first_tokens(states) for states in args)
    return tuple(states[:, :1] for states in args)


def _are_close(found_2L: torch.Tensor, expected_2L: torch.Tensor) -> bool:
    """Tells whether logits are the same; of a head that gives every text the same, such as zeros, none are."""
    between_rows = (expected_2L[0] - expected_2L[1]).abs().max()
    difference = (found_2L - expected_2L).abs().max() if found_2L.shape == expected_2L.shape else torch.inf
    return bool(difference < TOLERANCE * between_rows)
