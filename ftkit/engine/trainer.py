"""The only Trainer subclass: transformers' loop on Accelerate, with ftkit's batches, loss, evaluation and saves."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate.data_loader import prepare_data_loader
from torch.utils.data import DataLoader
from transformers import PrinterCallback, TrainerCallback, TrainingArguments

from ftkit.adapters.rows import Batch
from ftkit.adapters.task_adapter import TaskAdapter
from ftkit.engine.arguments import is_sharded
from ftkit.engine.compared_steps import ComparedSteps
from ftkit.engine.current_batch import computing
from ftkit.engine.guards import FiniteGuard
from ftkit.engine.interruption import Agreement
from ftkit.engine.logged_loss import LoggedLoss
from ftkit.engine.out_of_memory import FittingSteps, obstacle
from ftkit.engine.pass_state import seed_draws
from ftkit.engine.resuming import BestCheckpoint, Ending, SaveAfterEvaluation, ends_epoch
from ftkit.engine.sharding import (
    check_can_be_sharded,
    is_shared_out,
    layer_classes,
    loading_whole_models,
    shards,
    share_out_together,
)
from ftkit.engine.stream import BrokenStream
from ftkit.engine.totals import Totals
from ftkit.engine.trainer_checkpoints import CheckpointingTrainer
from ftkit.engine.trainer_options import TrainerOptions
from ftkit.engine.training_data import TrainingData
from ftkit.engine.training_rows import COUNTS, PARTS
from ftkit.errors import Interrupted, RunError

Metrics = dict[str, Any]
BATCH = "batch"  # of what transformers hands through as the inputs of a step, beside COUNTS


def num_working_weights(model: torch.nn.Module) -> int:
    """Returns the number of weights that are multiplied with every position: all but those of embeddings."""
    embeddings = {id(module.weight) for module in model.modules() if isinstance(module, torch.nn.Embedding)}
    return sum(parameter.numel() for parameter in model.parameters() if id(parameter) not in embeddings)


class FtkitTrainer(CheckpointingTrainer):
    """Trains a built model on encoded rows.

    Args:
        adapter: makes the loss.
        train: the rows, in optimizer steps.
        options: how the model is watched, scored and saved.
    """

    def __init__(
        self,
        *,
        model: torch.nn.Module,
        args: TrainingArguments,
        adapter: TaskAdapter,
        train: TrainingData,
        options: TrainerOptions,
        callbacks: Sequence[TrainerCallback] = (),
    ) -> None:
        rows: Any = train.loading().dataset
        ending = Ending(options.early_stopping_patience)
        super().__init__(
            model=model,
            args=args,
            train_dataset=rows,
            # Only its presence counts: evaluate() below asks evaluate_model.
            eval_dataset=rows if options.evaluate_model else None,
            # No processing_class: the Trainer would write its special ids over those that the adapter has set.
            callbacks=[*callbacks, BestCheckpoint(), SaveAfterEvaluation(), ending],
        )
        self.remove_callback(PrinterCallback)
        self._check_sharding(model)
        # The loss below is already divided by the items of a whole optimizer step.
        self.loss_is_scaled_for_ga = True
        self.model_accepts_loss_kwargs = False
        self.adapter, self.data, self.options = adapter, train, options
        self.guard = self._make_guard()
        self.add_callback(self.guard)  # the last: others change gradients before a step, too
        self.steps = FittingSteps(
            model,
            train.split,
            train.longest,
            device=args.device,
            forget=self.guard.forget_losses,
            name_rows=self.guard.name_rows,
            obstacle=obstacle(args, compares=adapter.objective.compares),
        )
        compares_steps = adapter.objective.compares == "step"
        self.compared = ComparedSteps(adapter.objective, self.accelerator, model) if compares_steps else None
        self.num_weights = num_working_weights(model)
        self.agreement = Agreement(args.world_size, args.device)
        self.evaluation_is_due = False
        self.last_saved_step = self.resumed_step = self._step_of_last_call = self._drawn_step = -1
        self.num_rows_of_rank = 0
        self.micro_batches: list[dict[str, Any]] = []
        self.counts_all_losses = True
        self.logged_loss = LoggedLoss(train.items_per_step, self.accelerator)

    def _check_sharding(self, model: torch.nn.Module) -> None:
        """Has FSDP share out the model layer by layer, if it is to.

        Raises:
            ConfigError: the model cannot be shared out.
        """
        plugin = getattr(self.accelerator.state, "fsdp_plugin", None)
        if plugin is not None:
            plugin.transformer_cls_names_to_wrap = plugin.transformer_cls_names_to_wrap or layer_classes(model)
            check_can_be_sharded(model, plugin)

    def _make_guard(self) -> FiniteGuard:
        """Returns what watches that losses and gradients are finite."""
        max_skipped_steps = self.options.max_skipped_steps
        guard = FiniteGuard(
            max_skipped_steps=max_skipped_steps,
            looks_before_steps=max_skipped_steps > 0 or self.args.device.type == "cpu",
            name_rows=self.data.names,
            agree=self._on_any_rank,
        )
        guard.gradients_are_scaled = self.accelerator.scaler is not None
        return guard

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """Makes the optimizer, and shares out what has to be before Accelerate shares out the rest."""
        optimizer = super().create_optimizer(model)
        if self.is_fsdp_enabled and not shards(self.model):
            share_out_together(self.model, optimizer, self.accelerator)
        return optimizer

    def get_train_dataloader(self) -> DataLoader:
        """Returns this rank's micro-batches; the sampler shares them out, so Accelerate must not do so again."""
        loading = self.data.loading()
        loader = DataLoader(
            loading.dataset,
            batch_sampler=loading.sampler,
            collate_fn=loading.collate,
            num_workers=self.args.dataloader_num_workers,
            pin_memory=self.args.dataloader_pin_memory and self.args.device.type == "cuda",
            persistent_workers=self.args.dataloader_persistent_workers,
            prefetch_factor=self.args.dataloader_prefetch_factor,
            multiprocessing_context=self.args.dataloader_multiprocessing_context,
            in_order=self.args.dataloader_in_order,
        )
        return prepare_data_loader(
            loader, self.args.device, num_processes=1, process_index=0, put_on_device=True, non_blocking=True
        )

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        """Returns the summed loss of a part of a micro-batch over the mean number of items in an optimizer step.

        Parts, micro-batches and steps differ in size. Dividing each by its own size would weigh the examples of small
        ones more; with one divisor for all, the gradients of an epoch add up as those of equal steps would. Gradients
        are averaged over ranks, so the loss is multiplied by their number.
        """
        batch: Batch = inputs[BATCH]
        outputs = model(**batch.inputs)
        losses_B, total = self._losses(outputs, batch)
        if inputs[COUNTS]:
            self.guard.watch_losses(losses_B, batch.row_indices)
        loss = total / self.data.items_per_step * self.args.world_size * inputs[COUNTS]
        return (loss, outputs) if return_outputs else loss

    def _losses(self, outputs: Any, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns the loss of each row, (B,), and their sum, which has the gradient."""
        if self.compared is not None:
            return self.compared.losses(outputs, batch)
        losses_B = self.adapter.objective.loss(outputs, batch)
        return losses_B, losses_B.sum()

    def _begin_compared(self, compared: ComparedSteps, model: torch.nn.Module) -> None:
        """Computes the vectors of a step's rows before its first pass."""

        def embed(batch: Batch) -> Any:
            with computing(batch), self.compute_loss_context_manager():
                return model(**batch.inputs)

        model.train()
        parts = [(part, bool(inputs[COUNTS])) for inputs in self.micro_batches for part in inputs[PARTS]]
        compared.begin(parts, embed, self.args.device)

    def training_step(self, model: torch.nn.Module, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> torch.Tensor:
        """Forward and backward passes over the parts of a micro-batch, smaller ones where memory runs out."""

        def compute(part: Batch, is_last: bool) -> torch.Tensor:
            return self._compute_part(model, {BATCH: part, COUNTS: inputs[COUNTS]}, is_last, *args, **kwargs)

        if self._drawn_step != (step := self.state.global_step):
            self._drawn_step = step
            seed_draws(self.args.seed, step, self.args.process_index)
            if self.compared is not None:
                self._begin_compared(self.compared, model)
        if inputs[COUNTS]:
            self.num_rows_of_rank += sum(map(len, inputs[PARTS]))
            self.logged_loss.count(sum(self.data.num_items(part.row_indices) for part in inputs[PARTS]))
        return self.steps.loss(inputs[PARTS], compute, step=step)

    def _compute_part(
        self, model: torch.nn.Module, inputs: dict[str, Any], is_last: bool, *args: Any, **kwargs: Any
    ) -> torch.Tensor:
        """Forward and backward pass over a part of a micro-batch; ranks meet in the last."""
        with contextlib.nullcontext() if is_last else self.accelerator.no_sync(model), computing(inputs[BATCH]):
            return super().training_step(model, inputs, *args, **kwargs)

    def _get_grad_norm(self, model: torch.nn.Module, grad_norm: Any = None) -> Any:
        """Returns the norm of a step's gradient, and shows it to the guard."""
        norm = super()._get_grad_norm(model, grad_norm=grad_norm)
        self.guard.watch_gradient(norm)
        return norm

    def _maybe_log_save_evaluate(self, tr_loss: Any, grad_norm: Any, model: Any, *args: Any, **kwargs: Any) -> None:
        """Does what is due after a step or an epoch; a run that is asked to end saves its step, and ends.

        Raises:
            Interrupted: naming the checkpoint.
        """
        try:
            super()._maybe_log_save_evaluate(tr_loss, grad_norm, model, *args, **kwargs)
        except Interrupted:  # in the middle of an evaluation
            self.evaluation_is_due = True
            self._end(model)
        # After the last step of an epoch it is called once more, when the epoch has been evaluated.
        is_last_call = self._step_of_last_call == self.state.global_step or not ends_epoch(self.state)
        self._step_of_last_call = self.state.global_step
        if self.agreement.of(self.options.interruption.is_asked) and is_last_call:
            self._end(model)

    def _end(self, model: torch.nn.Module) -> None:
        """Saves the step that was taken, unless it is saved, and ends the training.

        Raises:
            Interrupted: always; it says who asked.
        """
        step = self.state.global_step
        if self.last_saved_step != step:
            self._save_checkpoint(model, None)
        raise Interrupted(
            f"Interrupted by {self.options.interruption.reason or 'another process'} after step {step} of "
            f"{self.state.max_steps}, which is saved."
        )

    def _on_any_rank(self, is_true: bool) -> bool:
        if self.args.world_size == 1:
            return is_true
        flag = torch.tensor(float(is_true), device=self.args.device)
        return bool(self.accelerator.reduce(flag, reduction="sum") > 0)

    def floating_point_ops(self, inputs: dict[str, Any]) -> int:
        """Returns about how many operations a batch takes: 6 a weight and position (arXiv 2001.08361, section 2.1)."""
        return 6 * self.num_weights * sum(part.num_positions for part in inputs[PARTS])

    def _track_num_input_tokens(self, inputs: dict[str, Any]) -> None:
        """Counts the positions of all parts together: ranks add up their counts, but differ in the number of parts."""
        which = self.args.include_num_input_tokens_seen
        if which == "no":
            return
        counts = [
            part.num_positions if which == "all" or part.lengths is None else sum(part.lengths)
            for part in inputs[PARTS]
        ]
        count = torch.tensor(sum(counts) * inputs[COUNTS], device=self.args.device, dtype=torch.int64)
        self.state.num_input_tokens_seen += int(self.accelerator.reduce(count, reduction="sum"))

    def evaluate(self, *args: Any, metric_key_prefix: str = "eval", **kwargs: Any) -> Metrics:
        """Scores the validation rows by the same code as the final evaluation."""
        assert self.options.evaluate_model is not None
        # Several ranks meet in an evaluation; one that left it would let the others wait.
        alone = self.options.interruption.at_once() if self.args.world_size == 1 else contextlib.nullcontext()
        model: Any = self.model
        if is_shared_out(model):
            with loading_whole_models(self.args):
                model = self._whole_model()
        with alone:
            found = self.options.evaluate_model(model)
        metrics = {f"{metric_key_prefix}_{name}": value for name, value in found.items()}
        self.log({name: value for name, value in metrics.items() if isinstance(value, (int, float))})
        best = self.args.metric_for_best_model
        if best is not None and metrics.get(best := f"eval_{best.removeprefix('eval_')}") is None:
            # A metric that is not defined yet, such as the correlation of a constant, never wins.
            metrics[best] = -math.inf if self.args.greater_is_better else math.inf
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def train(self, *args: Any, **kwargs: Any) -> Any:
        """Trains; see transformers.Trainer."""
        self._began = time.monotonic()
        return super().train(*args, **kwargs)

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Logs, and has the guard look: the device is synchronised then anyway."""
        self.guard.check()
        if "train_runtime" in logs:
            # transformers reads the clock of the day, which may be set back meanwhile.
            seconds = max(time.monotonic() - self._began, 1e-4)
            num_steps = self.state.global_step - max(self.resumed_step, 0)
            logs |= {
                "train_runtime": round(seconds, 4),
                "train_steps_per_second": round(num_steps / seconds, 3),
            }
        if "loss" in logs:
            logs["loss"] = self.logged_loss.per_item(logs["loss"], self.state.global_step)
        if "train_loss" in logs and self.counts_all_losses:
            # transformers divides by the steps since the run was resumed, and forgets the losses before; of those
            # after the last log it takes this rank's alone.
            others = 0.0
            if self.args.world_size > 1:
                unlogged = self._unlogged_losses()
                others = sum(unlogged) / len(unlogged) - self._tr_loss.item()
            logs["train_loss"] = (self._total_loss_scalar + others) / max(self.state.global_step, 1)
        super().log(logs, start_time)

    def totals(self) -> Totals:
        """Returns what the steps so far add up to; all ranks call this together."""
        return Totals(
            logged_loss=self._total_loss_scalar,
            unlogged_losses=self._unlogged_losses(),
            last_logged_step=self._globalstep_last_logged,
            unlogged_items=self.logged_loss.num_items(),
            skipped_steps=self.guard.num_skipped,
            max_positions_at_once=self.steps.limit or 0,
            evaluation_is_due=self.evaluation_is_due,
        )

    def _unlogged_losses(self) -> tuple[float, ...]:
        """Returns the sum of the losses since the last log, of each rank."""
        return tuple(self.accelerator.gather(self._tr_loss.detach().reshape(1)).tolist())

    def store_flos(self) -> None:
        """Adds up the operations of all ranks, as whole numbers: sums in float32 depend on when they are taken."""
        count = torch.tensor(int(self.current_flos), device=self.args.device, dtype=torch.int64)
        self.state.total_flos += int(self.accelerator.reduce(count, reduction="sum"))
        self.current_flos = 0

    def restore_totals(self, totals: Totals | None, checkpoint: Path) -> None:
        """Goes on from the totals of a checkpoint, once the loop has set its own to zero.

        An evaluation that was interrupted is made up for: it comes before the next step.
        """
        self.resumed_step, self.counts_all_losses = self.state.global_step, totals is not None
        if totals is None:
            return
        self._total_loss_scalar, self._globalstep_last_logged = totals.logged_loss, totals.last_logged_step
        self.logged_loss.restore(totals.last_logged_step, totals.unlogged_items)
        losses, ranks = totals.unlogged_losses, self.args.world_size
        self._tr_loss.fill_(losses[self.args.process_index] if len(losses) == ranks else sum(losses) / len(losses))
        self.guard.num_skipped = totals.skipped_steps
        if not is_sharded(self.args):  # its ranks must make equally many passes
            self.steps.limit = totals.max_positions_at_once or None
        if totals.evaluation_is_due:
            self._load_rng_state(str(checkpoint))
            self.control.should_evaluate = self.control.should_save = True
            self._maybe_log_save_evaluate(self._tr_loss, None, self.model_wrapped, None, 0.0, None, time.time())

    def get_batch_samples(self, epoch_iterator: Any, num_batches: int, device: torch.device) -> Any:
        """Returns the batches of the next step; none of a run that had ended before it was resumed.

        They are kept for a loss that compares all of their rows.

        Raises:
            RunError: a stream cannot be read on; the steps so far are saved.
        """
        if self.control.should_training_stop:
            return [], None
        try:
            found = super().get_batch_samples(epoch_iterator, num_batches, device)
        except BrokenStream as broken:
            raise self._ended_by(broken) from None
        self.micro_batches = found[0]
        return found

    def _ended_by(self, broken: BrokenStream) -> Exception:
        """Saves what a stream that cannot be read on has taught; returns what is to be raised."""
        step = self.state.global_step
        if step == 0:
            return RunError(f"{broken.error}\nNo step had been taken. Correct the data and start the command again.")
        if step not in (self.last_saved_step, self.resumed_step):
            self._save_checkpoint(self.model_wrapped, None)
        return RunError(
            f"{broken.error}\nTraining ended there, after step {step} of {self.state.max_steps}, which is saved. To "
            "go on without such rows: the same command with data.on_bad_row=skip. To begin anew with other data, or "
            "with every label named in data.labels: overwrite=true."
        )

    def num_rows_trained(self) -> int:
        """Returns how many rows all ranks have trained on in this process; a row counts once an epoch."""
        count = torch.tensor(self.num_rows_of_rank, device=self.args.device)
        return int(self.accelerator.reduce(count, reduction="sum"))
