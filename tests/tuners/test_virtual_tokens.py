"""Virtual tokens: their sizes on models whose sides differ, and that they change nothing but what they should."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

import cells
import tiny
from ftkit.errors import ConfigError
from ftkit.tuners.apply import apply_tuner
from ftkit.tuners.spec import TunerSpec
from pairs import make_sources

Prompted = tuple[Any, Any]
"""A task adapter, and a model."""


@pytest.fixture(scope="module")
def prompted(checkpoint: Callable[[str], Path]) -> Callable[[str, str, str], Prompted]:
    """`prompted("translation", "gpt2", "prompt")` is an adapter and a model whose virtual tokens matter."""

    def make(kind: str, name: str, method: Any) -> Prompted:
        adapter = cells.make_adapter(
            kind, name, checkpoint, **({"max_new_tokens": 8} if kind == "translation" else {})
        )
        built = adapter.objective.build()
        spec = TunerSpec(method=method, num_virtual_tokens=5)
        peft_task = cells.peft_task(kind, adapter)
        model: Any = apply_tuner(built.model, built.new_parameters, spec, peft_task=peft_task)
        torch.manual_seed(0)
        with torch.no_grad():
            for tensor in model.prompt_encoder.parameters():
                tensor.normal_(std=0.5)
        return adapter, model.eval()

    return make


CELLS = [
    ("text-classification", "bert", "prompt"),
    ("text-classification", "deberta-v2", "p-tuning"),
    ("text-classification", "roberta", "prompt"),
    ("token-classification", "bert", "prompt"),
    ("token-classification", "gpt2", "prefix"),
    ("token-classification", "llama", "p-tuning"),
    ("translation", "gpt2", "prompt"),
    ("translation", "llama", "prefix"),
    ("translation", "t5", "prompt"),
    ("translation", "marian", "prefix"),
    ("translation", "bert2bert", "prefix"),
]


@pytest.mark.parametrize(("kind", "name", "method"), CELLS)
@torch.inference_mode()
def test_a_row_is_read_alike_alone_and_in_a_batch(
    kind: str, name: str, method: str, prompted: Callable[..., Prompted]
) -> None:
    adapter, model = prompted(kind, name, method)
    rows = adapter.preprocessor.encode(cells.make_split(kind).examples, targets=True).rows.to_list()
    together = logits(adapter, model, rows)
    for row, expected in zip(rows, together, strict=True):
        (alone,) = logits(adapter, model, [row])
        if alone.dim() == 2:
            expected = expected[: len(alone)]
            assert len(alone) == len(row.get("decoder_input_ids", row["input_ids"]))
        torch.testing.assert_close(alone, expected, atol=2e-5, rtol=1e-4)


def logits(adapter: Any, model: Any, rows: list[dict[str, Any]]) -> torch.Tensor:
    return model(**adapter.preprocessor.collate(rows, training=False, rngs=None).inputs).logits


WRITERS = [
    (name, method)
    for name in ("gpt2", "llama", "t5", "marian", "bert2bert")
    for method in ("prefix", "prompt", "p-tuning")
]


@pytest.mark.parametrize(("name", "method"), WRITERS)
@torch.inference_mode()
def test_a_text_is_written_as_the_logits_say(name: str, method: str, prompted: Callable[..., Prompted]) -> None:
    """Token by token, alone, without padding, cache or search; and in a batch with longer and shorter texts."""
    adapter, model = prompted("translation", name, method)
    sources = [text for text, _ in cells.EXAMPLES] + ["rain"]
    encoded = adapter.preprocessor.encode(make_sources(*sources), targets=False)
    quick = adapter.for_validation()
    written = quick.objective.predict(model, tiny.batch_of(adapter, encoded))["predictions"].tolist()
    end_id = adapter.preprocessor.end_id
    for row, found in zip(encoded.rows.to_list(), written, strict=True):
        expected = greedy(adapter, model, torch.tensor([row["input_ids"]]), num_tokens=6)
        end = expected.index(end_id) + 1 if end_id in expected else len(expected)
        assert found[:end] == expected[:end]


def greedy(adapter: Any, model: Any, ids: torch.Tensor, *, num_tokens: int) -> list[int]:
    reads_twice = model.config.is_encoder_decoder
    start = torch.tensor([[adapter.preprocessor.languages.start_id]]) if reads_twice else None
    inputs = {} if start is None else {"decoder_input_ids": start}
    written: list[int] = []
    for _ in range(num_tokens):
        written.append(int(model(input_ids=ids, attention_mask=torch.ones_like(ids), **inputs).logits[0, -1].argmax()))
        grown = torch.tensor([written])
        if start is not None:
            inputs = {"decoder_input_ids": torch.cat([start, grown], dim=1)}
        else:
            ids = torch.cat([ids, grown[:, -1:]], dim=1)
    return written


# --- sizes ---


def tune(model: Any, method: Any) -> Any:
    spec = TunerSpec(method=method, num_virtual_tokens=2)
    return apply_tuner(model, (), spec, peft_task="SEQ_2_SEQ_LM" if model.config.is_encoder_decoder else "CAUSAL_LM")


COMMON = {"vocab_size": 11, "pad_token_id": 0, "eos_token_id": 1, "decoder_start_token_id": 0}


@pytest.mark.parametrize(
    ("model", "layers", "heads", "width"),
    [
        # mT5 and T5 v1.1: the heads together are not as wide as the model, and the sides differ in depth.
        (
            lambda: transformers.T5ForConditionalGeneration(
                transformers.T5Config(
                    d_model=16, d_kv=6, num_heads=4, d_ff=8, num_layers=3, num_decoder_layers=2, **COMMON
                )
            ),
            *(2, 4, 24),
        ),
        (
            lambda: transformers.MarianMTModel(
                transformers.MarianConfig(
                    d_model=16,
                    encoder_layers=3,
                    decoder_layers=1,
                    encoder_attention_heads=2,
                    decoder_attention_heads=4,
                    encoder_ffn_dim=8,
                    decoder_ffn_dim=8,
                    **COMMON,
                )
            ),
            *(1, 4, 16),
        ),
        # Several heads share their keys, and are wider together than the model.
        (
            lambda: transformers.LlamaForCausalLM(
                transformers.LlamaConfig(
                    vocab_size=11,
                    hidden_size=16,
                    head_dim=8,
                    num_attention_heads=4,
                    num_key_value_heads=2,
                    num_hidden_layers=2,
                    intermediate_size=8,
                )
            ),
            *(2, 2, 16),
        ),
    ],
    ids=["t5", "marian", "llama"],
)
def test_a_prefix_is_as_large_as_the_keys_of_what_writes(
    model: Callable[[], Any], layers: int, heads: int, width: int
) -> None:
    tuned = tune(model(), "prefix")
    config = tuned.active_peft_config
    assert (config.num_layers, config.num_attention_heads, config.token_dim) == (layers, heads, width)
    assert tuned.prompt_encoder.default.embedding.weight.shape == (2, layers * 2 * width)
    ids = torch.tensor([[3, 4, 5]])
    inputs = {"decoder_input_ids": ids} if tuned.config.is_encoder_decoder else {}
    assert tuned(input_ids=ids, attention_mask=torch.ones_like(ids), **inputs).logits.shape == (1, 3, 11)


def test_a_prompt_of_an_encoder_decoder_is_read_once(checkpoint: Callable[[str], Path]) -> None:
    model = cells.make_adapter("translation", "t5", checkpoint).objective.build().model
    assert tune(model, "prompt").prompt_encoder.default.embedding.weight.shape == (2, tiny.HIDDEN)


@pytest.mark.parametrize("scaled", [False, True])
def test_a_model_that_scales_embeddings_itself_takes_no_prompt(scaled: bool) -> None:
    """As the published Marian models do: peft would put unscaled ones beside its virtual tokens."""
    sizes = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 8, "decoder_ffn_dim": 8}
    config = transformers.MarianConfig(
        **COMMON, **sizes, encoder_attention_heads=2, decoder_attention_heads=2, scale_embedding=scaled, init_std=0.5
    )
    model = transformers.MarianMTModel(config)
    if not scaled:
        assert tune(model, "prompt").active_peft_config.num_virtual_tokens == 2
        return
    with pytest.raises(ConfigError, match="prompt does not suit marian checkpoints such as this one"):
        tune(model, "prompt")
