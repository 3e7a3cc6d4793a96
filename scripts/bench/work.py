"""Prints how much work some texts are for a model: items, tokens and floating-point operations, as JSON.

The count is the model's own need, not what a program happens to compute: padding is not in it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from torch.nn import Module

FORMULA = (
    "FLOP of training = 6 N T + 12 layers width sum(L^2); N: parameters that every token meets (no embeddings, no "
    "pooler, no classification head), T: real tokens, L: tokens of each text. Prediction takes a third of it. A "
    "decoder adds the same for the target, its output matrix in N, and 12 layers width sum(L_source L_target)."
)


class Stack(NamedTuple):
    """An encoder, or a decoder.

    Attributes:
        parameters: weights that each token is multiplied with.
        layers: blocks with attention.
        width: of the vectors that attention compares, all heads together.
    """

    parameters: int
    layers: int
    width: int


def forward_flops(stack: Stack, lengths: Sequence[int]) -> int:
    """Returns the operations of one forward pass over texts of these lengths (in tokens).

    A weight costs a multiplication and an addition for each token; attention costs as much for each pair of tokens
    and each component, once for the scores and once for the sums.
    """
    pairs = sum(length * length for length in lengths)
    return 2 * stack.parameters * sum(lengths) + 4 * stack.layers * stack.width * pairs


def forward_pair_flops(encoder: Stack, decoder: Stack, sources: Sequence[int], targets: Sequence[int]) -> int:
    """Returns the operations of one forward pass of an encoder-decoder over pairs of texts of these lengths."""
    pairs = sum(source * target for source, target in zip(sources, targets, strict=True))
    across = 4 * decoder.layers * decoder.width * pairs
    return forward_flops(encoder, sources) + forward_flops(decoder, targets) + across


def training_flops(forward: int) -> int:
    """Returns the operations of a training step: the backward pass costs as much as two forward passes."""
    return 3 * forward


def stack_of(module: Module, layers: int, width: int) -> Stack:
    """Counts the parameters of a module, without what is looked up and what is applied once a text."""
    import torch

    tables = [part for part in module.modules() if isinstance(part, torch.nn.Embedding)]
    left_out = {id(weight) for table in tables for weight in table.parameters()}
    left_out |= {id(weight) for name, weight in module.named_parameters() if "pooler" in name.split(".")}
    count = sum(weight.numel() for weight in module.parameters() if id(weight) not in left_out)
    return Stack(count, layers, width)


def stacks_of(checkpoint: str) -> list[Stack]:
    """Returns a checkpoint's encoder or decoder, or both; no weights are read."""
    import torch
    from transformers import AutoConfig, AutoModel, AutoModelForSeq2SeqLM

    config = AutoConfig.from_pretrained(checkpoint)
    layers, width = config.num_hidden_layers, config.hidden_size
    with torch.device("meta"):
        if not config.is_encoder_decoder:
            return [stack_of(AutoModel.from_config(config), layers, width)]
        model = AutoModelForSeq2SeqLM.from_config(config)
    encoder = stack_of(model.get_encoder(), layers, width)
    decoder = stack_of(model.get_decoder(), getattr(config, "decoder_layers", layers), width)
    output_matrix = model.get_output_embeddings().weight.numel()
    return [encoder, decoder._replace(parameters=decoder.parameters + output_matrix)]


def count(checkpoint: str, texts: Sequence[Any], targets: Sequence[str] | None) -> dict[str, int]:
    """Returns items, tokens and forward operations of texts, lists of words, or pairs of texts."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    sources = lengths_of(tokenizer(texts, truncation=True, is_split_into_words=isinstance(texts[0], list)))
    if targets is None:
        (stack,) = stacks_of(checkpoint)
        return {"items": len(texts), "tokens": sum(sources), "forward_flops": forward_flops(stack, sources)}
    written = lengths_of(tokenizer(text_target=targets, truncation=True))
    forward = forward_pair_flops(*stacks_of(checkpoint), sources, written)
    return {"items": len(texts), "tokens": sum(sources) + sum(written), "forward_flops": forward}


def lengths_of(encoding: Mapping[str, Any]) -> list[int]:
    """Returns the tokens of each text."""
    return [len(ids) for ids in encoding["input_ids"]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--texts", required=True, help='a JSON file: {"texts": [...]}, and "targets" where there are')
    arguments = parser.parse_args()
    data = json.loads(Path(arguments.texts).read_text(encoding="utf-8"))
    print(json.dumps(count(arguments.checkpoint, data["texts"], data.get("targets"))))


if __name__ == "__main__":
    main()
