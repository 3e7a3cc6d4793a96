"""Leaving padding out changes what is computed, never what comes out."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import tiny
from ftkit.adapters.rows import Batch
from ftkit.engine.current_batch import computing
from ftkit.errors import ConfigError
from ftkit.speedups.token_rows import Rows, current_rows
from ftkit.speedups.unpad import unpad, working_types
from ftkit.tuners.apply import apply_tuner
from ftkit.tuners.spec import TunerSpec

ROOT = Path(__file__).resolve().parents[2]
MODEL_TYPES = (
    *("albert", "bert", "distilbert", "electra", "modernbert", "roberta", "xlm-roberta"),
    *("gpt2", "gpt_neox", "llama", "opt", "qwen2"),
)
HEADS = {"classify": "AutoModelForSequenceClassification", "tag": "AutoModelForTokenClassification"}
NUM_LABELS = 3
LENGTHS = (3, 11, 3, 20, 1, 7)  # two rows of one length, and longer than ModernBERT's window of 8 on either side

Model = Callable[..., Any]


@pytest.fixture(scope="module")
def model(checkpoint: Callable[[str], Path]) -> Model:
    """`model("bert", "tag")` is a tiny model that leaves padding out, made once; a third word makes another one."""

    @functools.cache
    def make(model_type: str, head: str = "classify", name: str = "unpadded", **config: Any) -> Any:
        import transformers

        torch.manual_seed(0)
        settings = transformers.AutoConfig.from_pretrained(checkpoint(model_type), num_labels=NUM_LABELS)
        for key, value in config.items():
            setattr(settings, key, list(value) if isinstance(value, tuple) else value)
        made = getattr(transformers, HEADS[head]).from_pretrained(checkpoint(model_type), config=settings).eval()
        made.config.pad_token_id = pad_id(made)
        if not name.startswith("plain"):
            unpad(made)
        return made

    return make


@contextlib.contextmanager
def unpadding(lengths: Sequence[int]) -> Iterator[Rows]:
    """Computes a batch with rows of these lengths in the block."""
    with computing(Batch({}, lengths=lengths)):
        rows = current_rows()
        assert rows is not None
        yield rows


def with_padding() -> contextlib.AbstractContextManager[None]:
    """Computes, in the block, a batch that says no lengths."""
    return computing(Batch({}))


def pad_id(model: Any) -> int:
    found = model.config.pad_token_id
    return 0 if found is None else found


def batch_of(model: Any, lengths: Sequence[int], seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(5, model.config.vocab_size, (len(lengths), max(lengths)), generator=generator)
    real = torch.arange(max(lengths))[None] < torch.tensor(lengths)[:, None]
    padding = pad_id(model)
    ids[ids == padding] = 4 if padding != 4 else 3
    return {"input_ids": ids.where(real, torch.tensor(padding)), "attention_mask": real.long()}


def real_logits(model: Any, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Returns the logits of texts (B, L), or of real tokens (N, L)."""
    logits = model(**batch).logits
    return logits[batch["attention_mask"].bool()] if logits.dim() == 3 else logits


def trained_on(model: Any, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Returns logits, and the gradients of a loss that weighs each of them differently."""
    model.zero_grad()
    logits = real_logits(model, batch)
    weights = torch.linspace(-1, 1, logits.numel()).view_as(logits)
    (logits * weights).mean().backward()
    gradients = {name: value.grad.clone() for name, value in model.named_parameters() if value.grad is not None}
    return logits.detach(), gradients


def check_same(model: Any, lengths: Sequence[int], seed: int = 0) -> None:
    batch = batch_of(model, lengths, seed)
    logits, gradients = trained_on(model, batch)
    with unpadding(lengths) as rows:
        found, found_gradients = trained_on(model, batch)
    assert rows.num_uses
    torch.testing.assert_close(found, logits, atol=1e-5, rtol=1e-5)
    assert found_gradients.keys() == gradients.keys()
    for name, gradient in gradients.items():
        torch.testing.assert_close(found_gradients[name], gradient, atol=1e-5, rtol=1e-5, msg=name)


def test_a_filling_comes_and_goes() -> None:
    rows = Rows([3, 1], filled_to=8)
    assert (rows.num_real, rows.num_filled, rows.num_tokens) == (4, 4, 8)
    states = torch.tensor([[10, 11, 12], [20, 0, 0]])
    flat = rows.flat(states)
    assert flat.tolist() == [[20, 10, 11, 12, 20, 20, 20, 20]], "short rows first, then copies of a real token"
    assert rows.padded(flat).tolist() == states.tolist()
    assert rows.is_real(states.device).tolist() == [[True, True, True], [True, False, False]]
    assert rows.on(states.device).bounds.tolist() == [0, 1, 4, 8], "it attends to itself, as one row"
    even = Rows([2, 2], filled_to=8)
    assert even.padded(even.flat(states[:, :2])).tolist() == states[:, :2].tolist()
    assert Rows([4, 4], filled_to=8).num_filled == 0


def test_rows_are_those_of_the_batch_that_is_computed() -> None:
    assert current_rows() is None
    with unpadding([3, 1]) as rows:
        assert current_rows() is rows, "made once for all layers"
        assert rows.shape == (2, 3)
        with with_padding():
            assert current_rows() is None
        with unpadding([3, 1]) as others:
            assert others is not rows
        assert current_rows() is not None
    assert current_rows() is None


# --- the same numbers ---


# transformers has no tagger of OPT's type.
@pytest.mark.parametrize(
    ("model_type", "head"),
    [(name, head) for name in MODEL_TYPES for head in HEADS if (name, head) != ("opt", "tag")],
)
def test_logits_and_gradients_are_those_with_padding(model: Model, model_type: str, head: str) -> None:
    found = model(model_type, head)
    check_same(found, LENGTHS)

    @given(st.lists(st.integers(1, 24), min_size=1, max_size=6), st.integers(0, 9))
    @settings(max_examples=6, deadline=None)
    def of_any_lengths(lengths: list[int], seed: int) -> None:
        check_same(found, lengths, seed)

    of_any_lengths()


def test_a_causal_model_that_looks_both_ways_does_so_without_padding(model: Model) -> None:
    check_same(model("llama", "tag", "both ways", is_causal=False), LENGTHS)


def test_a_sliding_window_slides_within_a_row(model: Model) -> None:
    kinds = ("full_attention", "sliding_attention")
    wide, narrow = model("qwen2"), model("qwen2", "classify", "window", sliding_window=4, layer_types=kinds)
    check_same(narrow, LENGTHS)
    batch = batch_of(wide, LENGTHS)
    narrow.load_state_dict(wide.state_dict())
    with unpadding(LENGTHS):
        same = (narrow(**batch).logits - wide(**batch).logits).abs().amax(1) < 1e-6
    assert same.tolist() == [length <= 4 for length in LENGTHS]


def test_outside_of_the_context_it_is_the_model_it_was(model: Model) -> None:
    for model_type in ("bert", "llama", "modernbert"):
        plain, ready = model(model_type, "classify", "plain"), model(model_type)
        ready.load_state_dict(plain.state_dict())
        batch = batch_of(plain, LENGTHS)
        assert torch.equal(ready(**batch).logits, plain(**batch).logits)
        with unpadding(LENGTHS), with_padding():
            assert torch.equal(ready(**batch).logits, plain(**batch).logits)


def test_a_model_that_is_not_ready_computes_as_ever(model: Model) -> None:
    plain = model("bert", "classify", "plain")
    batch = batch_of(plain, LENGTHS)
    expected = plain(**batch).logits
    with unpadding(LENGTHS) as rows:
        assert torch.equal(plain(**batch).logits, expected)
    assert not rows.num_uses


def test_a_text_is_written_as_ever(checkpoint: Callable[[str], Path]) -> None:
    from transformers import AutoModelForCausalLM

    writer = AutoModelForCausalLM.from_pretrained(checkpoint("llama"))
    ids = torch.arange(5, 15).view(2, 5)
    expected = writer.generate(input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=5, do_sample=False)
    unpad(writer)
    found = writer.generate(input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=5, do_sample=False)
    assert torch.equal(found, expected)


def test_layers_compute_real_tokens_and_few_to_make_their_number_round(model: Model) -> None:
    found = model("bert")
    seen: list[torch.Size] = []
    handle = found.bert.encoder.layer[1].intermediate.register_forward_hook(
        lambda module, args, output: seen.append(args[0].shape)
    )
    with unpadding(LENGTHS):
        found(**batch_of(found, LENGTHS))
    handle.remove()
    assert seen == [(1, 64, tiny.HIDDEN)], "45 tokens and a filling; 120 with padding"


def test_padding_has_no_influence(model: Model) -> None:
    found = model("bert", "tag")
    batch = batch_of(found, LENGTHS)
    with unpadding(LENGTHS), torch.no_grad():
        expected = real_logits(found, batch)
        batch["input_ids"][batch["attention_mask"] == 0] = 7
        assert torch.equal(real_logits(found, batch), expected)


def test_nothing_of_it_is_saved(model: Model, tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification

    found = model("bert")
    found.save_pretrained(tmp_path)
    assert "unpadded" not in (tmp_path / "config.json").read_text()
    assert AutoModelForSequenceClassification.from_pretrained(tmp_path).config._attn_implementation == "sdpa"


# --- beside what else is done to a model ---


@pytest.mark.parametrize("tuner", [{"method": "lora"}, {"method": "last-layers", "num_layers": 1}, {"method": "ia3"}])
def test_tuned_models_train_alike(model: Model, tuner: dict[str, Any]) -> None:
    spec = TunerSpec(**tuner)
    for model_type in ("bert", "llama"):
        made = model(model_type, "classify", f"for {spec.method}")
        head = [name for name, _ in made.named_parameters() if name.startswith(("classifier", "score"))]
        tuned = apply_tuner(made, head, spec, peft_task="SEQ_CLS")
        tuned.eval()
        torch.manual_seed(1)
        with torch.no_grad():
            for name, parameter in tuned.named_parameters():
                if "lora_B" in name:
                    parameter.normal_(std=0.2)  # zeros would hide what goes through it
        check_same(tuned, LENGTHS)


@pytest.mark.parametrize("reentrant", [False, True])
def test_layers_that_are_computed_again_know_their_own_rows(model: Model, reentrant: bool) -> None:
    found = model("llama", "classify", f"checkpointed {reentrant}")
    batches = [(LENGTHS, batch_of(found, LENGTHS)), ((9, 2), batch_of(found, (9, 2), seed=1))]

    def gradients(*, padded: bool) -> dict[str, torch.Tensor]:
        found.zero_grad()
        losses = []
        for lengths, batch in batches:  # both forward passes before the first backward pass
            with unpadding(lengths):
                if padded:
                    with with_padding():
                        losses.append(real_logits(found, batch).square().mean())
                else:
                    losses.append(real_logits(found, batch).square().mean())
        sum(losses).backward()  # type: ignore[union-attr]
        return {name: value.grad.clone() for name, value in found.named_parameters() if value.grad is not None}

    found.train()
    expected = gradients(padded=True)
    found.activation_checkpointing_enable({"use_reentrant": reentrant})
    found.enable_input_require_grads()
    for name, gradient in gradients(padded=False).items():
        torch.testing.assert_close(gradient, expected[name], atol=1e-5, rtol=1e-4, msg=name)


@pytest.mark.parametrize("model_type", ["bert", "llama", "modernbert"])
def test_bf16_rounds_no_more_than_with_padding(model: Model, model_type: str) -> None:
    found = model(model_type)
    batch = batch_of(found, LENGTHS)
    exact = real_logits(found, batch).detach()
    with torch.autocast("cpu", torch.bfloat16):
        padded, gradients = trained_on(found, batch)
        with unpadding(LENGTHS):
            unpadded, found_gradients = trained_on(found, batch)
    rounding = float((padded - exact).abs().max())
    assert 0 < float((unpadded - exact).abs().max()) < 3 * rounding + 1e-3
    whole, found_whole = (
        torch.cat([value.flatten() for value in found.values()]) for found in (gradients, found_gradients)
    )
    assert (found_whole - whole).norm() <= 0.05 * whole.norm()


def test_dropout_drops_as_with_padding(model: Model) -> None:
    """The same mean over many passes, and as wide a spread."""
    found = model("bert", "classify", "dropout", hidden_dropout_prob=0.2, attention_probs_dropout_prob=0.2)
    lengths = [6, 2] * 100
    batch = {name: tensor[:2].repeat(100, 1) for name, tensor in batch_of(found, lengths).items()}
    found.train()
    torch.manual_seed(0)
    with torch.no_grad():
        padded = torch.stack([found(**batch).logits for _ in range(10)]).view(-1, 2, NUM_LABELS)
        with unpadding(lengths):
            unpadded = torch.stack([found(**batch).logits for _ in range(10)]).view(-1, 2, NUM_LABELS)
    standard_error = (padded.var(0) / len(padded) + unpadded.var(0) / len(unpadded)).sqrt()
    assert ((padded.mean(0) - unpadded.mean(0)).abs() < 4 * standard_error).all()
    torch.testing.assert_close(unpadded.std(0), padded.std(0), rtol=0.15, atol=0)


# --- what cannot ---


@pytest.mark.parametrize(
    ("model_type", "reason"),
    [("deberta-v2", "its attention cannot be exchanged"), ("bart", "it is an encoder-decoder")],
)
def test_a_refusal_says_why_and_what_works(model: Model, model_type: str, reason: str) -> None:
    with pytest.raises(ConfigError) as error:
        model(model_type, "classify", "refused")
    message = str(error.value)
    assert message.startswith(
        f"train.unpad: padding cannot be left out of a {model_type!r} model: {reason}. It can in"
    )
    assert "bert" in message
    assert ", deberta-v2" not in message


def test_an_architecture_that_mixes_tokens_across_rows_is_found_out(model: Model) -> None:
    found = model("bert", "classify", "plain, to be changed")
    found.bert.encoder.layer[0].intermediate.register_forward_pre_hook(
        lambda module, args: (args[0] + args[0].roll(1, dims=1),)  # as a convolution along the tokens would
    )
    with pytest.raises(ConfigError, match="its layers mix the rows of a batch"):
        unpad(found)


def test_an_architecture_whose_layers_see_no_mask_of_transformers_is_found_out(model: Model) -> None:
    from transformers import AutoModel, LayoutLMConfig

    sizes: dict[str, Any] = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": 32}
    with pytest.raises(ConfigError, match="'layoutlm' model: its layers are given a mask of its own"):
        unpad(AutoModel.from_config(LayoutLMConfig(**sizes, intermediate_size=16)))


def test_layers_that_are_skipped_at_random_are_refused(model: Model) -> None:
    with pytest.raises(ConfigError, match="its layers are dropped at random"):
        model("opt", "classify", "skips", layerdrop=0.1)


def test_the_documentation_names_the_types_that_work() -> None:
    text = " ".join((ROOT / "docs" / "performance.md").read_text(encoding="utf-8").split())
    assert f"models of type {', '.join(working_types())}" in text.replace("`", "")
