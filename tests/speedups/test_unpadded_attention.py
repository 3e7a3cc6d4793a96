"""Attention over flattened rows: however it is computed, each token sees its own row, as far as it may."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers.utils import is_flash_attn_2_available

from ftkit.speedups import unpadded_attention
from ftkit.speedups.token_rows import Rows, TokenMask
from ftkit.speedups.unpadded_attention import at_once, attend, by_flash_attn, by_length, by_varlen

LENGTHS = (5, 2, 9, 2, 1)
WIDTH = max(LENGTHS)
SIGHTS = {"both ways": (WIDTH, WIDTH), "causal": (WIDTH, 0), "window": (2, 2), "causal window": (3, 0)}
SCALING = 0.3

Kernel = Callable[..., torch.Tensor]


def states_of(num_tokens: int, heads: int = 4, shared: int = 2, size: int = 8) -> list[torch.Tensor]:
    """Returns queries and, for fewer heads, keys and values: (1, heads, N, D)."""
    generator = torch.Generator().manual_seed(0)
    shapes = [(1, count, num_tokens, size) for count in (heads, heads // shared, heads // shared)]
    return [torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True) for shape in shapes]


def module_of(shared: int = 2) -> Any:
    module = torch.nn.Module()
    module.num_key_value_groups = shared  # type: ignore[assignment]
    return module


def one_row(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, left: int, right: int, scale: float
) -> torch.Tensor:
    """The definition: (heads, T, D) of one row."""
    key, value = (states.repeat_interleave(len(query) // len(states), 0) for states in (key, value))
    places = torch.arange(query.shape[1])
    distance = places[None] - places[:, None]
    scores = (query @ key.transpose(1, 2)) * scale
    return scores.masked_fill((distance > right) | (distance < -left), -torch.inf).softmax(-1) @ value


def by_definition(states: Sequence[torch.Tensor], lengths: Sequence[int], left: int, right: int) -> torch.Tensor:
    """Rows lie in the order of their lengths."""
    outputs, start = [], 0
    for length in sorted(lengths):
        outputs.append(one_row(*(row[0, :, start : start + length] for row in states), left, right, SCALING))
        start += length
    return torch.cat(outputs, 1).transpose(0, 1)[None]


def varlen_kernel(q: Any, k: Any, v: Any, bounds: torch.Tensor, scale: float, window: tuple[int, int]) -> torch.Tensor:
    """What kernels for rows of different lengths compute: (N, heads, D); -1 is no limit."""
    left, right = (len(q) if side == -1 else side for side in window)
    outputs = []
    for start, stop in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        row = [states[start:stop].transpose(0, 1) for states in (q, k, v)]
        outputs.append(one_row(*row, left, right, scale).transpose(0, 1))
    return torch.cat(outputs)


@pytest.fixture
def kernels(monkeypatch: pytest.MonkeyPatch) -> dict[str, Kernel]:
    """All ways to compute, those for GPUs with stand-ins for their kernels."""

    def varlen_attn(
        q: Any,
        k: Any,
        v: Any,
        cu_q: Any,
        cu_k: Any,
        max_q: int,
        max_k: int,
        *,
        scale: Any,
        window_size: Any,
        enable_gqa: Any,
    ) -> torch.Tensor:
        assert cu_q is cu_k
        assert cu_q.dtype is torch.int32
        assert max_q == max_k == int((cu_q[1:] - cu_q[:-1]).max())
        assert enable_gqa == (q.shape[1] != k.shape[1])
        return varlen_kernel(q, k, v, cu_q, scale, window_size)

    def flash_attn_varlen_func(
        q: Any, k: Any, v: Any, cu_q: Any, cu_k: Any, max_q: int, max_k: int, *, dropout_p: float, **settings: Any
    ) -> torch.Tensor:
        assert not dropout_p
        assert settings["causal"] == (settings["window_size"][1] == 0)
        return varlen_kernel(q, k, v, cu_q, settings["softmax_scale"], settings["window_size"])

    package = types.ModuleType("flash_attn")
    package.flash_attn_varlen_func = flash_attn_varlen_func  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "flash_attn", package)
    monkeypatch.setattr(unpadded_attention, "pytorch_kernel", lambda: varlen_attn)
    return {kernel.__name__: kernel for kernel in (by_length, at_once, by_varlen, by_flash_attn)}


@pytest.mark.parametrize("name", ["by_length", "at_once", "by_varlen", "by_flash_attn"])
@pytest.mark.parametrize("sight", SIGHTS)
@pytest.mark.parametrize("shared", [1, 2])
def test_outputs_and_gradients_are_those_of_each_row_by_itself(
    kernels: dict[str, Kernel], name: str, sight: str, shared: int
) -> None:
    states = states_of(sum(LENGTHS), shared=shared)
    expected = by_definition(states, LENGTHS, *SIGHTS[sight])
    mask = TokenMask(Rows(LENGTHS), *SIGHTS[sight])
    found = kernels[name](module_of(shared), *states, mask, dropout=0.0, scaling=SCALING)
    torch.testing.assert_close(found, expected)
    pattern = torch.linspace(-1, 1, found.numel(), dtype=torch.float64).view_as(found)
    gradients = [torch.autograd.grad((output * pattern).sum(), states) for output in (found, expected)]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other)


@given(st.lists(st.integers(0, 12), min_size=1, max_size=7).filter(any), st.sampled_from(sorted(SIGHTS)))
@settings(max_examples=30, deadline=None)
def test_any_rows(lengths: list[int], sight: str) -> None:
    """Empty ones too."""
    states = states_of(sum(lengths))
    expected = by_definition(states, lengths, *SIGHTS[sight])
    mask = TokenMask(Rows(lengths), *SIGHTS[sight])
    for kernel in (by_length, at_once):
        found = kernel(module_of(), *states, mask, dropout=0.0, scaling=SCALING)
        torch.testing.assert_close(found, expected)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=6).filter(any))
@settings(max_examples=30, deadline=None)
def test_flattened_states_are_put_back_where_they_were(lengths: list[int]) -> None:
    rows = Rows(lengths)
    real = torch.arange(max(lengths))[None] < torch.tensor(lengths)[:, None]
    states = torch.arange(1.0, 1 + 2 * real.numel()).view(*real.shape, 2) * real[..., None]
    flat = rows.flat(states)
    assert flat.shape == (1, sum(lengths), 2)
    assert torch.equal(rows.padded(flat), states)
    assert torch.equal(rows.is_real(states.device), real)
    places = torch.arange(max(lengths))[None]
    assert torch.equal(rows.flat(places), rows.flat(places.expand(len(lengths), -1)))
    assert rows.flat_once(places) is rows.flat_once(places)


@pytest.mark.parametrize("kernel", [by_length, at_once])
@pytest.mark.parametrize("sight", ["both ways", "causal"])
def test_dropout_drops_its_share_and_keeps_the_mean(kernel: Kernel, sight: str) -> None:
    """With equal scores, and values of 1, a token that sees n gets the mean of n coins that show 0 or 1 / (1 - p)."""
    lengths, p = [8] * 600, 0.25
    query = torch.zeros(1, 2, sum(lengths), 4)
    mask = TokenMask(Rows(lengths), *SIGHTS[sight])
    torch.manual_seed(0)
    found = kernel(module_of(1), query, query, torch.ones_like(query), mask, dropout=p, scaling=1.0)[0, :, :, 0]
    last = found.view(600, 8, 2)[:, -1].flatten()  # sees all 8 in either case
    assert abs(float(last.mean()) - 1) < 0.02
    assert abs(float(last.var()) - p / (1 - p) / 8) < 0.006


def test_scores_that_are_changed_in_an_unknown_way_are_refused() -> None:
    states, mask = states_of(sum(LENGTHS)), TokenMask(Rows(LENGTHS), WIDTH, 0)
    with pytest.raises(NotImplementedError, match="softcap"):
        attend(module_of(), *states, mask, softcap=30.0)
    attend(module_of(), *states, mask, softcap=None, position_ids=torch.arange(3), is_causal=True)


# --- what is chosen where ---


def query_on(device: str, dtype: torch.dtype, size: int = 64) -> Any:
    return types.SimpleNamespace(device=torch.device(device), dtype=dtype, shape=(1, 2, 10, size))


@pytest.mark.parametrize(
    ("query", "dropout", "has_flash_attn", "expected"),
    [
        (query_on("cpu", torch.bfloat16), 0.0, True, by_length),
        (query_on("cuda", torch.float32), 0.0, True, at_once),
        (query_on("cuda", torch.bfloat16), 0.0, False, by_varlen),
        (query_on("cuda", torch.bfloat16), 0.1, False, at_once),
        (query_on("cuda", torch.float16), 0.1, True, by_flash_attn),
        (query_on("cuda", torch.bfloat16, size=20), 0.0, True, at_once),
        (query_on("cuda", torch.bfloat16, size=512), 0.0, True, at_once),
        (query_on("mps", torch.float16), 0.0, False, at_once),
    ],
)
def test_the_fastest_way_that_can_do_it_is_chosen(
    monkeypatch: pytest.MonkeyPatch, query: Any, dropout: float, has_flash_attn: bool, expected: Kernel
) -> None:
    monkeypatch.setattr(unpadded_attention, "is_flash_attn_2_available", lambda: has_flash_attn)
    monkeypatch.setattr(unpadded_attention, "pytorch_kernel", lambda: by_varlen)  # of any version
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    assert unpadded_attention.fastest_kernel(query, query, dropout) is expected
    if expected in (by_varlen, by_flash_attn):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))
        assert unpadded_attention.fastest_kernel(query, query, dropout) is at_once


def test_pytorch_has_the_kernel_that_is_called() -> None:
    version = tuple(map(int, torch.__version__.split(".")[:2]))
    assert version < (2, 13) or unpadded_attention.pytorch_kernel() is not None


# --- on a GPU ---

ON_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@ON_GPU
@pytest.mark.parametrize("sight", SIGHTS)
@pytest.mark.parametrize("name", ["at_once", "by_varlen", "by_flash_attn"])
def test_kernels_on_a_gpu_agree_with_the_definition(name: str, sight: str) -> None:
    if name == "by_flash_attn" and not is_flash_attn_2_available():
        pytest.skip("flash-attn is not installed")
    if name == "by_varlen" and unpadded_attention.pytorch_kernel() is None:
        pytest.skip("this PyTorch is older than 2.13, and has no such kernel")
    exact = states_of(sum(LENGTHS), size=64)
    expected = by_definition(exact, LENGTHS, *SIGHTS[sight])
    states = [state.detach().to("cuda", torch.bfloat16).requires_grad_() for state in exact]
    mask = TokenMask(Rows(LENGTHS), *SIGHTS[sight])
    found = getattr(unpadded_attention, name)(module_of(), *states, mask, dropout=0.0, scaling=SCALING)
    torch.testing.assert_close(found.double().cpu(), expected, atol=0.03, rtol=0.03)
    pattern = torch.linspace(-1, 1, expected.numel(), dtype=torch.float64).view_as(expected)
    wanted = torch.autograd.grad((expected * pattern).sum(), exact)
    gradients = torch.autograd.grad((found * pattern.to(found)).sum(), states)
    for one, other in zip(gradients, wanted, strict=True):
        torch.testing.assert_close(one.double().cpu(), other, atol=0.06, rtol=0.06)


@ON_GPU
def test_nothing_waits_for_the_gpu() -> None:
    states = [state.detach().to("cuda", torch.bfloat16) for state in states_of(sum(LENGTHS), size=64)]
    attend(module_of(), *states, TokenMask(Rows(LENGTHS), WIDTH, WIDTH), scaling=SCALING)  # sets kernels up
    found = []
    torch.cuda.set_sync_debug_mode("error")  # whatever waits raises
    try:
        for dropout in (0.0, 0.1):
            mask = TokenMask(Rows(LENGTHS), WIDTH, WIDTH)
            found.append(attend(module_of(), *states, mask, dropout=dropout, scaling=SCALING)[0])
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert all(states.isfinite().all() for states in found)
