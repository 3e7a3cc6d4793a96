"""The Trainer's weights and checkpoints: each is sealed before older ones go, and all of a model is loaded or none.

Models that are shared out among ranks are saved in files of their own, and scored and finished as plain ones.
"""

from __future__ import annotations

import contextlib
import os
import warnings
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel, Trainer

from ftkit.adapters.task_adapter import TaskAdapter
from ftkit.engine import checkpoints
from ftkit.engine.arguments import is_sharded
from ftkit.engine.guards import FiniteGuard, check_weights_are_finite
from ftkit.engine.launched import give_weights
from ftkit.engine.precision import unwrap_forward
from ftkit.engine.resharding import is_saved_otherwise, load_optimizer, load_weights
from ftkit.engine.resuming import is_best_of_equals
from ftkit.engine.sharding import full_state, is_shared_out, load_whole_models
from ftkit.engine.totals import Totals
from ftkit.engine.trainer_options import TrainerOptions
from ftkit.engine.training_data import TrainingData
from ftkit.errors import RunError
from ftkit.tuners.training_state import load_training_state, save_training_state


class CheckpointingTrainer(Trainer):
    """A Trainer that saves, keeps and loads weights as a run needs them.

    Attributes:
        adapter: whose processor is saved with the weights.
        data: the training rows, whose place is saved with them.
        guard: says before a save whether losses were finite.
        options: how many checkpoints are kept, and what is asked before one is written.
        last_saved_step: -1 before the first save.
        resumed_step: whose checkpoint the run goes on from; -1 for none.
    """

    adapter: TaskAdapter
    data: TrainingData
    guard: FiniteGuard
    options: TrainerOptions
    last_saved_step: int
    resumed_step: int

    def totals(self) -> Totals:
        """Returns what the steps so far add up to; all ranks call this together."""
        raise NotImplementedError

    def _determine_best_metric(self, metrics: dict[str, Any], trial: Any) -> bool:
        """Tells whether the weights are the best so far; of equal scores, see `is_best_of_equals`."""
        if super()._determine_best_metric(metrics, trial):
            return True
        score = metrics.get(f"eval_{str(self.args.metric_for_best_model).removeprefix('eval_')}")
        if not is_best_of_equals(self.state, score):
            return False
        self.state.best_global_step = self.state.global_step
        return True

    def _whole_model(self) -> PreTrainedModel:
        """Returns a plain model with all weights of one that is sharded; all ranks call this together."""
        state = full_state(self.model)
        whole: Any = self._make_model()
        whole.load_state_dict(state)
        return whole.to(self.args.device)

    def _make_model(self) -> PreTrainedModel:
        assert self.options.make_model is not None
        return self.options.make_model()

    def finished_model(self) -> PreTrainedModel:
        """Returns the trained model in float32, without what Accelerate and torch.compile wrapped around it."""
        load_whole_models()
        if is_shared_out(self.model):
            return self._whole_model()
        model = self.accelerator.unwrap_model(self.model_wrapped, keep_torch_compile=False)
        unwrap_forward(model)
        return model

    def _save(self, output_dir: str | None = None, state_dict: dict[str, torch.Tensor] | None = None) -> None:
        """Saves a checkpoint's weights under the names that they have in the model.

        `save_pretrained` would write the names of the Hub, such as vit.encoder.layer.0 for vit.layers.0. The Trainer
        looks for the model's own when it resumes, or takes the best checkpoint, and passes over all others with a
        line in the log: it would go on from the weights that it has.

        Of an adapter, peft would add embeddings wherever the config's vocabulary is another than the base's. Those of
        added tokens are the adapter's anyway; a vocabulary of CTC is that of the output alone, and has none.
        """
        model: Any = self.model
        if isinstance(model, PreTrainedModel):
            how: dict[str, Any] = {"save_original_format": False}
        elif hasattr(model, "peft_config"):
            how = {"save_embedding_layers": False}
        else:
            super()._save(output_dir, state_dict)
            if self.args.should_save:
                self.adapter.preprocessor.processor.save_pretrained(str(output_dir))
            return
        if self.args.should_save:
            model.save_pretrained(str(output_dir), state_dict=state_dict, **how)
            self.adapter.preprocessor.processor.save_pretrained(str(output_dir))

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: torch.nn.Module | None = None) -> None:
        """Loads the weights of a checkpoint to train on, and what of the tuner is not among them."""
        checkpoint = Path(resume_from_checkpoint)
        if self._is_saved_otherwise(checkpoint):
            load_weights(self.model, checkpoint, self._make_model)
        else:
            super()._load_from_checkpoint(resume_from_checkpoint, model)
        load_training_state(self.model, checkpoint)

    def _is_saved_otherwise(self, checkpoint: Path) -> bool:
        """Tells whether a plain model is to load what a sharded one has saved, or the other way."""
        return not self.is_deepspeed_enabled and is_saved_otherwise(checkpoint, self.model)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        """Loads the states of optimizer and schedule."""
        if checkpoint is None or not self._is_saved_otherwise(Path(checkpoint)):
            super()._load_optimizer_and_scheduler(checkpoint)
            return
        assert self.optimizer is not None
        assert self.lr_scheduler is not None
        load_optimizer(self.model, self.optimizer, Path(checkpoint))
        self.lr_scheduler.load_state_dict(torch.load(Path(checkpoint) / "scheduler.pt", weights_only=True))

    def _load_best_model(self) -> None:
        """Loads the weights of the best checkpoint, and what of the tuner is not among them.

        Raises:
            RunError: it is not as it was saved. The Trainer would go on with the last weights, with a line in the log.
        """
        best = Path(str(self.state.best_model_checkpoint))
        problem = checkpoints.damage(best)
        if problem is not None:
            raise RunError(
                f"The best checkpoint, {best}, cannot be loaded: {problem}. No other weights are taken for the best "
                "ones. The same command goes on from an older checkpoint that is whole, or from the start."
            )
        if self._is_saved_otherwise(best):
            load_weights(self.model, best, self._make_model)
        else:
            super()._load_best_model()
        load_training_state(self.model, best)
        if self.args.world_size > 1 and not is_sharded(self.args):
            give_weights(self.model)  # whatever each rank has read: what is scored is what rank 0 saves

    def _save_checkpoint(self, model: torch.nn.Module, trial: Any) -> None:
        """Saves a checkpoint, seals it with a manifest, and only then deletes older ones.

        Raises:
            MachineError: the disk has no room for it, and none can be made.
            FileNotFoundError: the folder of the checkpoints is gone.
        """
        step = self.state.global_step
        if step == self.resumed_step:
            self._keep_checkpoint(Path(self._get_output_dir(trial)) / f"{checkpoints.PREFIX}{step}")
            return
        self.guard.check()
        check_weights_are_finite(model, step)
        run_folder = Path(self._get_output_dir(trial))
        folder = run_folder / f"{checkpoints.PREFIX}{step}"
        if self.args.should_save:
            self.options.check_folder()
            os.stat(run_folder)  # what follows would make it anew, with nothing else of the run in it
            checkpoints.delete(folder)  # a damaged one that was passed over when the run was resumed
            keeping: Any = {"keep": self.options.save_total_limit, "best": self.state.best_model_checkpoint}
            checkpoints.make_room(run_folder, checkpoints.estimated_bytes(self.model, self.optimizer), **keeping)
            folder.mkdir()  # before any rank asks whether it is there: pieces of a model are saved after that
        self.accelerator.wait_for_everyone()
        try:
            self._write_checkpoint(model, trial, folder)
        except Exception:
            if self.args.should_save:
                self._delete_half(folder)
            raise
        if self.args.should_save:
            checkpoints.rotate(run_folder, keep=self.options.save_total_limit, best=self.state.best_model_checkpoint)
        self.last_saved_step = step
        self.accelerator.wait_for_everyone()

    def _delete_half(self, folder: Path) -> None:
        """Deletes a checkpoint that could not be saved: it takes room, and is of no use; not that of another run."""
        with contextlib.suppress(Exception):
            self.options.check_folder()
            checkpoints.delete(folder)

    def _keep_checkpoint(self, folder: Path) -> None:
        """Leaves the checkpoint that the run goes on from as it is: it is whole, and may be the only one."""
        if self.state.best_global_step == self.state.global_step:
            self.state.best_model_checkpoint = str(folder)

    def _write_checkpoint(self, model: torch.nn.Module, trial: Any, folder: Path) -> None:
        with warnings.catch_warnings():
            # Of a base on the Hub, where it cannot be asked: ftkit knows by itself which tokens were added.
            warnings.filterwarnings("ignore", message="Could not find a config file")
            super()._save_checkpoint(model, trial)
        totals = self.totals()
        self.accelerator.wait_for_everyone()
        if self.args.should_save:
            # Pickled arguments can hold what should not travel, and nothing reads them.
            (folder / "training_args.bin").unlink(missing_ok=True)
            save_training_state(self.accelerator.unwrap_model(model, keep_torch_compile=False), folder)
            self.options.check_folder()
            totals.save(folder)
            self.data.save(folder, self.state.global_step)
            checkpoints.write_manifest(folder, check_folder=self.options.check_folder)
