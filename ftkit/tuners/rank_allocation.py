"""AdaLoRA (arXiv 2303.10512): what has to happen around every optimizer step for ranks to go where they matter."""

from __future__ import annotations

from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

WARMUP_SHARE, FINAL_SHARE = 0.1, 0.3  # steps before ranks are taken away, and after the last was


class RankAllocation(TrainerCallback):
    """Adds the orthogonality penalty to the gradients, and allocates ranks.

    peft adds the penalty only to losses that the model itself computes, and leaves the allocation to its user. It
    also shrinks the tensors it saves by the current ranks, so that an earlier checkpoint fits a later model no more;
    the ranks that were taken away are kept as zeros here instead, which is the same function.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.config = model.active_peft_config
        self.ranks: dict[str, list[bool]] | None = None

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Lays the schedule over the run's steps."""
        self.config.total_step = state.max_steps
        self.config.tinit = round(WARMUP_SHARE * state.max_steps)
        self.config.tfinal = round(FINAL_SHARE * state.max_steps)
        if state.global_step >= state.max_steps - self.config.tfinal:  # resumed: the last ranks have gone
            self.ranks = {name: (weight != 0).view(-1).tolist() for name, weight in self._weights("lora_E")}

    def on_pre_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Adds the gradient of the penalty: rows of A and columns of B are to be orthogonal."""
        factors = [*self._weights("lora_A"), *self._weights("lora_B")]
        penalty = torch.stack([_distance_from_orthogonal(weight, "lora_B" in name) for name, weight in factors]).mean()
        (self.config.orth_reg_weight * penalty).backward()

    def on_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Takes ranks away by the schedule; gradients are still there."""
        step, allocator = state.global_step + 1, self.model.base_model.rankallocator
        last = self.config.total_step - self.config.tfinal
        if step <= self.config.tinit and step < last:
            allocator.update_ipt(self.model.base_model.model)
            return
        if step == last and not allocator.ipt:  # runs of one or two steps have no earlier step to judge by
            allocator.update_ipt(self.model.base_model.model)
        self.config.rank_pattern = self.ranks
        self.model.base_model.update_and_allocate(step)
        self.ranks, self.config.rank_pattern = self.config.rank_pattern, None

    def _weights(self, part: str) -> list[tuple[str, torch.nn.Parameter]]:
        return [(name, weight) for name, weight in self.model.base_model.model.named_parameters() if part in name]


def _distance_from_orthogonal(weight: torch.Tensor, is_column: bool) -> torch.Tensor:
    product = weight.T @ weight if is_column else weight @ weight.T
    return torch.linalg.norm(product - torch.eye(len(product), device=product.device, dtype=product.dtype))
