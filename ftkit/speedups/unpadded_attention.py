"""Attention over the real tokens of a batch, flattened to one sequence: every token sees its own row only."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.utils import is_flash_attn_2_available

from ftkit.speedups.token_rows import TokenMask

# What would change the scores and is not known here: positions as in T5, a cap as in Gemma 2, sinks as in gpt-oss.
_CHANGES_SCORES = ("position_bias", "softcap", "s_aux")


def attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: TokenMask | torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **others: Any,
) -> tuple[torch.Tensor, None]:
    """The attention function that transformers' models call; without a TokenMask it is transformers' sdpa.

    Args:
        query: (1, heads, N, D); keys and values may have fewer heads.

    Returns:
        (1, N, heads, D), and no weights.

    Raises:
        NotImplementedError: the model changes scores in a way that is not known here.
    """
    if not isinstance(attention_mask, TokenMask):
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **others
        )
    changed = [name for name in _CHANGES_SCORES if others.get(name) is not None]
    if changed:
        raise NotImplementedError(f"its attention has a {changed[0]}")
    assert query.shape[2] == key.shape[2] == attention_mask.rows.num_tokens
    compute = fastest_kernel(query, value, dropout)
    return compute(module, query, key, value, attention_mask, dropout=dropout, scaling=scaling), None


def fastest_kernel(query: torch.Tensor, value: torch.Tensor, dropout: float) -> Callable[..., torch.Tensor]:
    """Returns what computes attention fastest on this device, in this type."""
    if query.device.type == "cpu":
        return by_length
    if _suits_flash(query, value):
        if is_flash_attn_2_available():
            return by_flash_attn
        if not dropout and pytorch_kernel() is not None:
            return by_varlen
    return at_once


def _suits_flash(query: torch.Tensor, value: torch.Tensor) -> bool:
    width = query.shape[-1]
    return (
        query.device.type == "cuda"
        and _dtype(query) in (torch.bfloat16, torch.float16)
        and width == value.shape[-1] <= 256
        and width % 8 == 0
        and torch.cuda.get_device_capability(query.device) >= (8, 0)
    )


def _dtype(query: torch.Tensor) -> torch.dtype:
    """Returns the type attention is computed in: rotary positions widen queries, and autocast narrows them again."""
    kind = query.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else query.dtype


@functools.cache
def pytorch_kernel() -> Callable[..., Any] | None:
    """Returns PyTorch's own kernel; None where there is none, or one without windows and shared heads."""
    try:
        from torch.nn.attention.varlen import varlen_attn
    except ImportError:
        return None
    has_all = {"window_size", "enable_gqa", "scale"} <= inspect.signature(varlen_attn).parameters.keys()
    return varlen_attn if has_all else None


# What one more call of attention costs on a CPU, forward and backward, in pairs of tokens that are compared.
GROUP_COST = 8000.0
# Tokens of a row up to which the flash kernel for CPUs is slow in bf16, backwards. A thousand tokens of 8 heads of 32,
# forward and backward, on one core of an Intel Xeon with AMX: 13 a row took 62 ms with it and 10 in plain products,
# 128 took 31 and 17, 256 took 21 and 31. In float32 it is the faster one at any length.
SHORT = 128

# Each takes (1, heads, N, D) and returns (1, N, heads, D).


def by_length(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: TokenMask,
    *,
    dropout: float,
    scaling: float | None,
) -> torch.Tensor:
    """Rows of about one length at a time, as a batch with little padding or none."""
    outputs = []
    for tokens, group in mask.groups(GROUP_COST):
        rows = [states[:, :, tokens] for states in (query, key, value)]
        outputs.append(at_once(module, *(rows[0], rows[1], rows[2]), group, dropout=dropout, scaling=scaling))
    if mask.rows.num_filled:
        outputs.append(outputs[0].new_zeros(1, mask.rows.num_filled, *outputs[0].shape[2:]))
    return torch.cat(outputs, dim=1)


def at_once(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: TokenMask,
    *,
    dropout: float,
    scaling: float | None,
) -> torch.Tensor:
    """All rows, padded for attention alone: what a GPU does with dropout, or in float32."""
    rows = mask.rows
    query, key, value = (rows.padded(states.transpose(1, 2)).transpose(1, 2) for states in (query, key, value))
    causal = mask.is_causal(rows.shape[1])  # padding is on the right, so no token sees it
    with _fast_backward(query, rows.shape[1]):
        output, _ = sdpa_attention_forward(
            module,
            *(query, key, value),
            attention_mask=None if causal else _padded_mask(mask, query.device),
            is_causal=causal,
            dropout=dropout,
            scaling=scaling,
        )
    return rows.flat(output)


def _fast_backward(query: torch.Tensor, width: int) -> contextlib.AbstractContextManager[None]:
    """Takes plain products in the place of PyTorch's flash kernel for CPUs where short rows train in bf16."""
    in_bf16 = query.device.type == "cpu" and torch.is_grad_enabled() and _dtype(query) == torch.bfloat16
    return sdpa_kernel(SDPBackend.MATH) if in_bf16 and width <= SHORT else contextlib.nullcontext()


def _padded_mask(mask: TokenMask, device: torch.device) -> torch.Tensor | None:
    """Returns what is seen in a padded batch, (B or 1, 1, T or 1, T); None where it is all.

    Where a token saw nothing, NaN would come of it.
    """
    band_TT = mask.band(mask.rows.shape[1], device)
    if mask.rows.are_even:
        return None if band_TT is None else band_TT[None, None]
    real_BT = mask.rows.is_real(device)
    if band_TT is None:
        return real_BT[:, None, None, :]
    return (band_TT & real_BT[:, None, None, :]) | ~real_BT[:, None, :, None]


def by_varlen(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: TokenMask,
    *,
    dropout: float,
    scaling: float | None,
) -> torch.Tensor:
    """PyTorch's kernel for rows of different lengths; it knows no dropout."""
    assert not dropout
    varlen_attn = pytorch_kernel()
    assert varlen_attn is not None
    states, bounds, width = _varlen_inputs(query, key, value, mask)
    return varlen_attn(
        *states,
        *(bounds, bounds, width, width),
        scale=scaling,
        window_size=mask.window(width),
        enable_gqa=query.shape[1] != key.shape[1],
    )[None]


def by_flash_attn(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: TokenMask,
    *,
    dropout: float,
    scaling: float | None,
) -> torch.Tensor:
    """The flash-attn package's kernel for rows of different lengths."""
    from flash_attn import flash_attn_varlen_func

    states, bounds, width = _varlen_inputs(query, key, value, mask)
    return flash_attn_varlen_func(
        *states,
        *(bounds, bounds, width, width),
        dropout_p=dropout,
        softmax_scale=scaling,
        causal=mask.right == 0,
        window_size=mask.window(width),
    )[None]


def _varlen_inputs(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: TokenMask
) -> tuple[list[torch.Tensor], torch.Tensor, int]:
    """Returns queries, keys and values (N, heads, D), the bounds of the rows (B + 1,), and the longest row."""
    dtype = _dtype(query)
    states = [states[0].transpose(0, 1).to(dtype) for states in (query, key, value)]
    return states, mask.rows.on(query.device).bounds, max(mask.rows.shape[1], mask.rows.num_filled)
