"""How many parameters there are, and how many move."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cells
from ftkit.tuners.apply import apply_tuner
from ftkit.tuners.counts import ParameterCounts, count_parameters
from ftkit.tuners.spec import TunerSpec

WIDTH, LAYERS, LABELS = 32, 2, 4
HEAD = WIDTH * WIDTH + WIDTH + WIDTH * LABELS + LABELS  # BERT's pooler and classifier


def test_a_plain_model(checkpoint: Callable[[str], Path]) -> None:
    model = cells.make_adapter("text-classification", "bert", checkpoint).objective.build().model
    counts = count_parameters(model)
    assert counts.total == counts.trainable == model.num_parameters()
    assert str(counts) == "0.0 M parameters"


def test_lora_counts_its_factors_and_the_head_once(checkpoint: Callable[[str], Path]) -> None:
    built = cells.make_adapter("text-classification", "bert", checkpoint).objective.build()
    total = count_parameters(built.model).total
    spec = TunerSpec(method="lora", rank=2, target_modules=("query",))
    tuned = apply_tuner(built.model, built.new_parameters, spec, peft_task="SEQ_CLS")
    factors = LAYERS * 2 * (WIDTH + WIDTH)
    assert count_parameters(tuned) == (total + factors, factors + HEAD)


def test_a_prompt_counts(checkpoint: Callable[[str], Path]) -> None:
    built = cells.make_adapter("text-classification", "bert", checkpoint).objective.build()
    total = count_parameters(built.model).total
    spec = TunerSpec(method="prompt", num_virtual_tokens=3)
    tuned = apply_tuner(built.model, built.new_parameters, spec, peft_task="SEQ_CLS")
    assert count_parameters(tuned) == (total + 3 * WIDTH, 3 * WIDTH + HEAD)


def test_the_share_is_told() -> None:
    assert str(ParameterCounts(110_000_000, 1_100_000)) == "110.0 M parameters, 1,100,000 (1.00%) of them trained"
