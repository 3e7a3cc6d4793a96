"""Linear layers by oneDNN: the same numbers and gradients, on machines where it pays and only there."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from ftkit.engine import onednn
from ftkit.engine.onednn import cpu_fact, use_onednn

pytestmark = pytest.mark.skipif(
    not torch.backends.mkldnn.is_available() or not hasattr(torch.ops.mkldnn, "_linear_pointwise"),
    reason="this build of torch has no oneDNN",
)


@pytest.fixture
def slow_mkl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onednn, "mkl_is_slow", lambda: True)
    monkeypatch.setattr(onednn, "LEAST_WEIGHTS", 0)


@pytest.fixture
def products(monkeypatch: pytest.MonkeyPatch) -> list[torch.Size]:
    """The shapes of what oneDNN was given to multiply."""
    seen: list[torch.Size] = []
    product = onednn._product

    def watched(input: torch.Tensor, *others: Any) -> torch.Tensor:
        seen.append(input.shape)
        return product(input, *others)

    monkeypatch.setattr(onednn, "_product", watched)
    return seen


@pytest.mark.parametrize("model_type", ["bert", "gpt2", "t5"])
def test_outputs_and_gradients_are_the_same(
    model_type: str, checkpoint: Callable[[str], Path], slow_mkl: None, products: list[torch.Size]
) -> None:
    from transformers import AutoModelForSequenceClassification

    plain = AutoModelForSequenceClassification.from_pretrained(checkpoint(model_type), num_labels=3).eval()
    plain.config.pad_token_id = 0
    by_onednn = copy.deepcopy(plain)
    assert use_onednn(by_onednn) > 8
    ids = torch.tensor([[5, 6, 7, 1], [9, 4, 8, 1]])
    losses = []
    for model in (plain, by_onednn):
        outputs = model(input_ids=ids, labels=torch.tensor([0, 2]))
        outputs.loss.backward()
        losses.append(outputs.loss.item())
    assert len(products) > 24, "three for every layer"
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)
    compared = 0
    for (name, one), other in zip(plain.named_parameters(), by_onednn.parameters(), strict=True):
        if one.grad is not None:
            torch.testing.assert_close(other.grad, one.grad, atol=1e-5, rtol=1e-3, msg=name)
            compared += int(one.grad.abs().sum() > 0)
    assert compared > 8


@pytest.mark.parametrize("bias", [True, False])
def test_rows_that_lie_apart_and_layers_without_a_bias(bias: bool, slow_mkl: None) -> None:
    layer = torch.nn.Linear(6, 5, bias=bias)
    patched = copy.deepcopy(layer)
    assert use_onednn(patched) == 1
    first_tokens = torch.randn(4, 3, 6)[:, 0].requires_grad_()
    again = first_tokens.detach().clone().requires_grad_()
    for one, input in ((layer, first_tokens), (patched, again)):
        one(input).square().sum().backward()
    torch.testing.assert_close(again.grad, first_tokens.grad)
    torch.testing.assert_close(patched.weight.grad, layer.weight.grad)


def test_frozen_weights_get_no_gradient(slow_mkl: None) -> None:
    layer = torch.nn.Linear(6, 5).requires_grad_(False)
    use_onednn(layer)
    input = torch.randn(2, 6, requires_grad=True)
    layer(input).sum().backward()
    assert input.grad is not None
    assert layer.weight.grad is None


def test_other_types_autocast_and_single_rows_are_computed_as_ever(slow_mkl: None, products: list[torch.Size]) -> None:
    layer = torch.nn.Linear(6, 5)
    use_onednn(layer)
    assert layer(torch.randn(6)).shape == (5,)
    assert layer(torch.randn(0, 6)).shape == (0, 5)
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(torch.randn(2, 6)).dtype is torch.bfloat16
    assert layer.double()(torch.randn(2, 6, dtype=torch.float64)).dtype is torch.float64
    assert products == []


def test_a_patched_model_saves_the_same_weights(slow_mkl: None, tmp_path: Path) -> None:
    layer = torch.nn.Linear(6, 5)
    names = list(layer.state_dict())
    use_onednn(layer)
    assert list(layer.state_dict()) == names


def test_rows_are_filled_up_so_that_few_kernels_are_made(slow_mkl: None, products: list[torch.Size]) -> None:
    layer = torch.nn.Linear(6, 5)
    patched = copy.deepcopy(layer)
    use_onednn(patched)
    for shape in ((3, 7, 6), (40, 6), (32, 6)):
        one = torch.randn(shape).requires_grad_()
        other = one.detach().clone().requires_grad_()
        expected, found = layer(one), patched(other)
        torch.testing.assert_close(found, expected)
        expected.square().sum().backward()
        found.square().sum().backward()
        torch.testing.assert_close(other.grad, one.grad)
    torch.testing.assert_close(patched.weight.grad, layer.weight.grad)
    torch.testing.assert_close(patched.bias.grad, layer.bias.grad)
    assert [rows for rows, width in products if width == 6] == [32, 64, 32]


def test_small_layers_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onednn, "mkl_is_slow", lambda: True)
    layers = torch.nn.Sequential(torch.nn.Linear(320, 320), torch.nn.Linear(320, 2))
    assert use_onednn(layers) == 1
    assert ["forward" in vars(layer) for layer in layers] == [True, False]


@pytest.mark.parametrize(
    ("vendor", "family", "capability", "slow"),
    [
        ("AuthenticAMD", "26", "AVX512", True),
        ("AuthenticAMD", "25", "AVX512", False),  # Zen 4
        ("GenuineIntel", "26", "AVX512", False),
        ("AuthenticAMD", "26", "AVX2", False),
        ("AuthenticAMD", None, "AVX512", False),
    ],
)
def test_where_it_is_used(
    vendor: str, family: str | None, capability: str, slow: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onednn, "cpu_fact", {"vendor_id": vendor, "cpu family": family}.get)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    monkeypatch.setattr(torch.backends.mkl, "is_available", lambda: True)
    assert onednn.mkl_is_slow.__wrapped__() is slow


def test_where_nothing_is_gained_nothing_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onednn, "mkl_is_slow", lambda: False)
    layer = torch.nn.Linear(6, 5)
    assert use_onednn(layer) == 0
    assert "forward" not in vars(layer)


def test_facts_of_the_cpu_are_read_where_linux_tells_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text("processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 26\nmodel\t\t: 2\n")
    monkeypatch.setattr(onednn, "CPU_INFO", file)
    assert cpu_fact("vendor_id") == "AuthenticAMD"
    assert cpu_fact("cpu family") == "26"
    assert cpu_fact("cpu") is None
    monkeypatch.setattr(onednn, "CPU_INFO", tmp_path / "none")
    assert cpu_fact("vendor_id") is None
