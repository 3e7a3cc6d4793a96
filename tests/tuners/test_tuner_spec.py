"""The tuner section of a config: what each method takes, and what is refused."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from pydantic import ValidationError

from ftkit.config.run_config import load_config
from ftkit.errors import ConfigError
from ftkit.tuners.spec import METHODS, MethodName, TunerSpec

VALUES: dict[str, Any] = {
    "rank": 4,
    "alpha": 8.0,
    "dropout": 0.1,
    "target_modules": ("query",),
    "num_layers": 1,
    "num_virtual_tokens": 5,
    "cache_frozen": False,
}
OPTIONS = [name for name in TunerSpec.model_fields if name not in ("method", "quantization")]


def test_every_method_has_a_name_and_every_option_a_value_here() -> None:
    assert get_args(MethodName) == tuple(METHODS)
    assert list(VALUES) == OPTIONS


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("method", METHODS)
def test_a_method_takes_its_own_options_and_no_other(method: Any, option: str) -> None:
    values = {"method": method, option: VALUES[option]}
    if option in METHODS[method].options:
        assert TunerSpec(**values).option(option) == VALUES[option]
        return
    with pytest.raises(ValidationError, match=f"{method} does not read {option}. It takes"):
        TunerSpec(**values)


def test_options_have_defaults() -> None:
    assert (TunerSpec(method="lora").option("rank"), TunerSpec(method="adalora").option("rank")) == (16, 8)
    assert TunerSpec(method="prompt").prompt_length == 20
    assert TunerSpec(method="prefix", num_virtual_tokens=3).prompt_length == 3
    assert TunerSpec(method="lora").prompt_length == 0
    assert TunerSpec().is_full
    assert not TunerSpec(method="head-only").is_full


@pytest.mark.parametrize(
    ("tuner", "message"),
    [
        ({"method": "lroa"}, "tuner.method: got the text 'lroa', expected one of .* Did you mean 'lora'"),
        ({"method": "lora", "rank": 0}, "tuner.rank: expected a number above 0, got the number 0"),
        ({"method": "lora", "rnak": 4}, "tuner.rnak: no such key. Did you mean 'rank'"),
        ({"method": "lora", "dropout": 1.0}, "tuner.dropout: expected a number below 1, got the number 1.0"),
        ({"method": "lora", "target_modules": []}, "tuner.target_modules"),
        ({"method": "ia3", "rank": 4}, "ia3 does not read rank. It takes target_modules"),
        ({"method": "bitfit", "rank": 4}, "bitfit does not read rank. It takes no options"),
        ({"rank": 4}, "full does not read rank"),
        ({"quantization": "4bit"}, "full does not read quantization"),
    ],
)
def test_mistakes_are_told_with_their_key(tuner: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(
            {"task": "x", "model": {"checkpoint": "x"}, "data": {"train": "x"}, "output_dir": "x", "tuner": tuner}
        )
