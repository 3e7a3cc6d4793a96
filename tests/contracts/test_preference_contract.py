"""What every decoder that prefers keeps to: it learns which answers are chosen, and plain libraries say the same."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import ftkit
from ftkit.adapters.preprocessors.chat_templates import template_text
from preferences import make_pairs, preference_config

CASES = [(name, method) for name in ("llama", "gpt2") for method in ("lora", "full")]
CLOSE = 1e-5


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def case(
    request: pytest.FixtureRequest, checkpoint: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, ftkit.RunResult]:
    """A base, and a run that was trained from it."""
    name, method = request.param
    folder = tmp_path_factory.mktemp(name)
    rate = 1e-2 if method == "lora" else 2e-3
    changes = {"tuner": {"method": method}, "train.learning_rate": rate}
    return checkpoint(name), ftkit.train(preference_config(folder, checkpoint(name), **changes))


def test_it_learns_which_answers_are_chosen(case: tuple[Path, ftkit.RunResult]) -> None:
    _, run = case
    found = run.metrics
    assert found["test_reward_accuracy"] == 1.0
    assert found["test_reward_margin"] == pytest.approx(found["test_chosen_reward"] - found["test_rejected_reward"])
    assert found["test_reward_margin"] > 0.1
    assert found["test_loss"] < 0.65
    assert (found["test_baseline_reference"], found["test_samples"]) == (0.5, 6)
    assert found["proof"]["max_difference"] < CLOSE
    assert found["proof"]["texts_written"] == 2


@torch.inference_mode()
def test_plain_libraries_give_answers_the_same_likelihood(case: tuple[Path, ftkit.RunResult]) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    base, run = case
    tokenizer = AutoTokenizer.from_pretrained(run.output_dir)
    assert tokenizer.chat_template == template_text("plain")
    models = {"policy": _plain(run.output_dir), "reference": AutoModelForCausalLM.from_pretrained(base)}
    found = {
        name: torch.tensor(
            [[_log_prob(model.eval(), tokenizer, pair, side) for side in (0, 1)] for pair in make_pairs()]
        )
        for name, model in models.items()
    }
    rewards = 0.1 * (found["policy"] - found["reference"])
    per_token = 40  # no answer is so long: what is compared is a sum
    assert found["policy"].mean(dim=0).tolist() == pytest.approx(
        [run.metrics["test_chosen_log_prob"], run.metrics["test_rejected_log_prob"]], abs=per_token * 1e-6
    )
    assert rewards.mean(dim=0).tolist() == pytest.approx(
        [run.metrics["test_chosen_reward"], run.metrics["test_rejected_reward"]], abs=CLOSE
    )
    assert run.metrics["test_kl"] == pytest.approx(-10 * rewards.mean().item(), abs=1e-4)
    margins = rewards[:, 0] - rewards[:, 1]
    assert run.metrics["test_loss"] == pytest.approx(-torch.nn.functional.logsigmoid(margins).mean().item(), abs=CLOSE)


def _plain(folder: Path) -> Any:
    """Loads what a run saved without ftkit."""
    from peft import AutoPeftModelForCausalLM
    from transformers import AutoModelForCausalLM

    if not (folder / "adapter_config.json").exists():
        return AutoModelForCausalLM.from_pretrained(folder)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="`is_gradient_checkpointing` is deprecated")  # peft asks for it
        return AutoPeftModelForCausalLM.from_pretrained(folder)


def _log_prob(model: Any, tokenizer: Any, pair: Any, side: int) -> float:
    """Returns the log-probability of an answer by the book: that of its tokens after the rendered question."""
    answered = (pair.chosen, pair.rejected)[side]
    asked = tokenizer.apply_chat_template([*pair.messages], add_generation_prompt=True, tokenize=False)
    whole = tokenizer.apply_chat_template([*answered.messages], tokenize=False).rstrip("\n")
    start = len(tokenizer(asked, add_special_tokens=False)["input_ids"])
    ids = torch.tensor([tokenizer(whole, add_special_tokens=False)["input_ids"]])
    log_probs = model(input_ids=ids).logits[0, :-1].double().log_softmax(dim=-1)
    return float(log_probs.gather(1, ids[0, 1:, None])[start - 1 :].sum())
