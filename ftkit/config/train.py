"""The `train` section of a config: TrainingArguments' own names, passed through, and a few of ftkit's own.

The names, types and help texts are read from the source of the installed transformers, without importing it:
importing TrainingArguments takes seconds, and a misspelt key should be told at once.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, create_model

from ftkit.config.train_values import LARGEST, constrained, whole_or_share
from ftkit.errors import ConfigError, FtkitError, did_you_mean

Precision = Literal["fp32", "bf16", "fp16"]
"""What a model computes in while it is trained; its weights are float32 in any case."""

MANAGED: Mapping[str, str] = {
    "output_dir": "say output_dir at the top level",
    "resume_from_checkpoint": "say resume: true at the top level",
    **dict.fromkeys(
        ("push_to_hub", "hub_model_id", "hub_strategy", "hub_private_repo", "hub_always_push", "hub_revision"),
        "say push: {repo_id: owner/name} at the top level; the finished run is pushed when it has been proven",
    ),
    "hub_token": "set the HF_TOKEN environment variable: a token never belongs in a file",
    "do_train": "a run always trains",
    "do_eval": "give data.validation",
    "do_predict": "give data.test",
    "remove_unused_columns": "ftkit keeps only what the model reads",
    "label_names": "ftkit sets it",
    "train_sampling_strategy": "batches are drawn at random, seeded, and computed in parts of near-equal lengths",
    "length_column_name": "ftkit measures lengths itself",
    "prediction_loss_only": "ftkit sets it",
    "include_for_metrics": "ftkit sets it",
    "batch_eval_metrics": "ftkit sets it",
    "eval_do_concat_batches": "ftkit sets it",
    "dataloader_drop_last": "every example is used exactly once an epoch",
    "local_rank": "the launcher sets it",
    "parallelism_config": "accelerate launch sets it",
    "gradient_checkpointing": "say activation_checkpointing",
    "gradient_checkpointing_kwargs": "say activation_checkpointing_kwargs",
    "save_only_model": "a checkpoint without its optimizer cannot be gone on from exactly",
    "enable_jit_checkpoint": "a run saves its step whenever a signal asks it to end",
    "auto_find_batch_size": "bound a batch with max_tokens_per_batch",
    "trackio_static_space_id": "freeze a Space with Trackio's own `trackio sync`",
}
"""TrainingArguments that a config may not set, and what to do instead."""

RENAMED: Mapping[str, str] = {
    "evaluation_strategy": "eval_strategy",
    "warmup_ratio": "warmup_steps (a value below 1 is a share of all steps)",
    "group_by_length": "nothing: a batch is always computed in parts of near-equal lengths",
    "no_cuda": "use_cpu",
    "use_mps_device": "nothing: the device is found",
    "per_gpu_train_batch_size": "per_device_train_batch_size",
    "per_gpu_eval_batch_size": "per_device_eval_batch_size",
    "fp16_backend": "fp16",
    "half_precision_backend": "bf16 or fp16",
    "adafactor": "optim: adafactor",
    "overwrite_output_dir": "overwrite: true at the top level",
    "save_safetensors": "nothing: weights are always safetensors",
    "logging_dir": "the TENSORBOARD_LOGGING_DIR environment variable",
    "push_to_hub_model_id": "push.repo_id at the top level",
    "torchdynamo": "torch_compile",
    "max_seq_length": "data.max_length",
    "max_length": "data.max_length",
    "epochs": "num_train_epochs",
    "num_epochs": "num_train_epochs",
    "lr": "learning_rate",
    "batch_size": "per_device_train_batch_size",
    "train_batch_size": "per_device_train_batch_size",
    "eval_batch_size": "per_device_eval_batch_size",
    "gradient_accumulation": "gradient_accumulation_steps",
    "early_stopping": "early_stopping_patience",
}
"""Names of older releases, or of other tools, and today's name."""


TRACKERS = ("mlflow", "tensorboard", "trackio", "wandb")
"""What `report_to` may name: each is the name of a package, and of the extra that installs it."""

DEFAULT_ROWS = 32  # of short texts: the batch of most published recipes
DEFAULT_TOKENS = 4096  # long texts make smaller batches, within memory
GPU_TOKENS = 16_384  # at once; a batch of 4,096 with all its padding

_Count = Annotated[int, Field(ge=1, le=LARGEST)]
_Weight = Annotated[float, Field(gt=0, le=LARGEST, allow_inf_nan=False)]
_Steps = Annotated[float, Field(gt=0, le=LARGEST, allow_inf_nan=False), AfterValidator(whole_or_share)]


class FtkitTrainOptions(BaseModel):
    """What ftkit adds to TrainingArguments, and the defaults it changes."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    per_device_train_batch_size: _Count | None = Field(
        None,
        description="So many examples in a batch. Unset: about max_tokens_per_batch tokens if that is set, else 32 "
        "examples, or fewer where those are long (4096 tokens).",
    )
    per_device_eval_batch_size: _Count | None = Field(
        None, description="At most so many examples in a batch that is scored. Unset: as many as are fast."
    )
    max_tokens_per_batch: _Count | None = Field(
        None,
        description="About so many tokens in a batch, unless its examples are counted. At most so many, padding "
        "included, are computed at once (4096 unless set; on a GPU 16384, or all of a batch whose examples are "
        "counted). Examples are never cut for it.",
    )
    precision: Literal["auto"] | Precision = Field(
        "auto",
        description="What is computed in: fp32, bf16 or fp16. auto takes bf16 where device and model gain by it.",
    )
    unpad: Literal["auto"] | bool = Field(
        "auto",
        description="Compute the model's layers for real tokens only. auto does so while training on a CPU, if the "
        "architecture allows it; true in prediction too, and on GPUs.",
    )
    skip_unread_logits: bool = Field(
        True,
        description="Compute logits over a vocabulary only where the loss reads them: of an answer, not of what was "
        "read before it. Not of sharded, quantized or compiled models.",
    )
    class_weights: Literal["balanced"] | dict[str, _Weight] | None = Field(
        None, description="balanced (inverse to frequency), or {label: weight} with 1 for labels left out."
    )
    early_stopping_patience: _Count | None = Field(
        None, description="Stop after so many evaluations without a better primary metric."
    )
    report_to: str | list[str] = Field(
        "none", description="Experiment trackers, one or several: tensorboard, wandb, mlflow, trackio, or none."
    )
    logging_steps: _Steps = Field(10, description="Log every so many optimizer steps.")
    fsdp: bool | str | None = Field(
        None,
        description="true shares out weights, gradients and optimizer among the GPUs (FSDP2), layer by layer of the "
        "model; fsdp_config says how.",
    )
    max_skipped_steps: Annotated[int, Field(ge=0, le=LARGEST)] = Field(
        0,
        description="Optimizer steps that may be left out since their loss or gradient is NaN or infinite; one more "
        "ends the run.",
    )
    save_total_limit: _Count = Field(2, description="Checkpoints kept; the best is always among them.")

    @property
    def chosen_seed(self) -> int:
        """The seed of everything random; TrainingArguments' default when none was given."""
        seed: int | None = getattr(self, "seed")  # noqa: B009, a field of the subclass
        return 42 if seed is None else seed

    @property
    def chosen_data_seed(self) -> int:
        """The seed of what is drawn of the rows; that of everything else when none of its own was given."""
        seed: int | None = getattr(self, "data_seed")  # noqa: B009, a field of the subclass
        return self.chosen_seed if seed is None else seed

    def max_cost_at_once(self, device_type: str) -> int:
        """Returns how many positions, padding included, one forward pass computes at most: what bounds memory.

        A GPU has room for more positions at once than a CPU's caches. How much that gains is not measured.

        Args:
            device_type: such as `cpu` or `cuda`.
        """
        return self.max_tokens_per_batch or (DEFAULT_TOKENS if device_type == "cpu" else GPU_TOKENS)


_STRATEGY = Literal["no", "steps", "epoch"]
_KNOWN_TYPES: dict[str, Any] = {
    "Any": Any,
    "Literal": Literal,
    "IntervalStrategy": _STRATEGY,
    "SaveStrategy": Literal["no", "steps", "epoch", "best"],
    "SchedulerType": str,
    "OptimizerNames": str,
    "HubStrategy": str,
    "DebugOption": str,
    "ParallelismConfig": dict,
}


def _annotation(node: ast.expr, name: str) -> Any:
    """Evaluates a field's type; `IntervalStrategy | str` keeps the enum's words only."""
    text = ast.unparse(node)
    if "Strategy" in text and name.endswith("_strategy") and "Hub" not in text:
        text = text.replace(" | str", "")
    return eval(text, {"__builtins__": {}}, {**_KNOWN_TYPES, **_BUILTIN_TYPES})


_BUILTIN_TYPES = {kind.__name__: kind for kind in (int, float, str, bool, dict, list, tuple)}


def _help(node: ast.expr | None) -> str:
    """Returns the `help` of a `field(metadata={"help": ...})` call, first sentence only."""
    for keyword in getattr(node, "keywords", []):
        if keyword.arg == "metadata" and isinstance(keyword.value, ast.Dict):
            for value in keyword.value.values:
                if isinstance(value, ast.Constant) and isinstance(value.value, str):
                    return value.value.split(". ")[0].strip()
    return ""


def _transformers() -> Path:
    """Returns the folder of the installed transformers."""
    package = importlib.util.find_spec("transformers")
    if package is None or package.origin is None:
        raise FtkitError("transformers is not installed in this environment: pip install ftkit installs it.")
    return Path(package.origin).parent


@functools.cache
def training_argument_fields() -> dict[str, tuple[Any, str]]:
    """Returns name -> (type, help) of every TrainingArguments field of the installed transformers."""
    package = _transformers()
    tree = ast.parse((package / "training_args.py").read_text(encoding="utf-8"))
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "TrainingArguments"]
    fields = (node for node in classes[0].body if isinstance(node, ast.AnnAssign))
    return {
        node.target.id: (_annotation(node.annotation, node.target.id), _help(node.value))
        for node in fields
        if isinstance(node.target, ast.Name)
    }


def _build() -> type[FtkitTrainOptions]:
    """Returns FtkitTrainOptions with every TrainingArguments field that a config may set, unset by default."""
    ours, package = set(FtkitTrainOptions.model_fields) | set(MANAGED), _transformers()
    fields: dict[str, Any] = {
        name: (constrained(name, kind, package) | None, Field(None, description=text or None))
        for name, (kind, text) in training_argument_fields().items()
        if name not in ours
    }
    return create_model("TrainSpec", __base__=FtkitTrainOptions, __module__=__name__, **fields)


if TYPE_CHECKING:

    class TrainSpec(FtkitTrainOptions):
        """The `train` section. A field that is None was not set, and TrainingArguments' default holds."""

        num_train_epochs: float | None = None
        learning_rate: float | None = None
        eval_strategy: str | None = None
        eval_steps: float | None = None
        save_strategy: str | None = None
        save_steps: float | None = None
        load_best_model_at_end: bool | None = None
        metric_for_best_model: str | None = None
        greater_is_better: bool | None = None
        label_smoothing_factor: float | None = None
        seed: int | None = None
        data_seed: int | None = None
        use_cpu: bool | None = None
        ddp_timeout: int | None = None
        deepspeed: dict[str, Any] | str | None = None
        ddp_backend: str | None = None
        bf16: bool | None = None
        fp16: bool | None = None
        activation_checkpointing: bool | None = None
        torch_compile: bool | None = None
        torch_compile_backend: str | None = None
        torch_compile_mode: str | None = None
        run_name: str | None = None
        project: str | None = None
        trackio_space_id: str | None = None
        trackio_bucket_id: str | None = None

else:
    TrainSpec = _build()


def training_arguments_kwargs(spec: TrainSpec) -> dict[str, Any]:
    """Returns what is to be passed to TrainingArguments: what the user set, and ftkit's changed defaults."""
    names = training_argument_fields()
    values = spec.model_dump()
    return {name: value for name, value in values.items() if name in names and value is not None}


def train_warnings(spec: TrainSpec, *, has_validation: bool, streams: bool = False) -> list[str]:
    """Returns what is to be told of settings that change nothing; a run without any step is refused.

    Args:
        streams: whether the run trains on a stream, which is evaluated and saved by steps.
    """
    period = "steps" if streams else "epoch"
    found = []
    if spec.learning_rate == 0:
        found.append(
            "train.learning_rate: 0 trains nothing: the result is the checkpoint as it was, and what it lacked, such "
            "as a classifier, is random."
        )
    evaluates = spec.eval_strategy or (period if has_validation else "no")
    saves = spec.save_strategy or (evaluates if evaluates != "no" else period)
    for noun, strategy, steps in (("eval", evaluates, spec.eval_steps), ("save", saves, spec.save_steps)):
        if steps is not None and strategy != "steps":
            found.append(
                f"train.{noun}_steps: {steps:g} counts nothing: train.{noun}_strategy is {strategy}. To count steps, "
                f"say train.{noun}_strategy: steps."
            )
    return found


def compiles(spec: TrainSpec) -> bool:
    """Tells whether a config asks for torch.compile, in one of transformers' three ways."""
    return bool(spec.torch_compile or spec.torch_compile_backend or spec.torch_compile_mode)


def stated_precision(spec: TrainSpec) -> Precision | None:
    """Returns the precision that a config asks for, in ftkit's words or in transformers'; None leaves it open.

    Raises:
        ConfigError: it asks for two.
    """
    stated: dict[str, Precision] = {}
    if spec.precision != "auto":
        stated[f"train.precision: {spec.precision}"] = spec.precision
    for flag, name in ((spec.bf16, "bf16"), (spec.fp16, "fp16")):
        if flag:
            stated[f"train.{name}: true"] = name  # type: ignore[assignment]
        elif flag is False and spec.precision == name:
            raise ConfigError(f"train.precision: {name} and train.{name}: false contradict one another. Say one.")
    if len(set(stated.values())) > 1:
        raise ConfigError(f"{' and '.join(stated)} contradict one another. Say one.")
    if stated:
        return next(iter(stated.values()))
    return "fp32" if spec.bf16 is False else None


def stated_trackers(spec: TrainSpec) -> tuple[str, ...]:
    """Returns the trackers that a config asks for, each once; all of them are installed. None of them is imported.

    Raises:
        ConfigError: there is none of that name, it is not installed, or `none` stands beside others.
    """
    names = tuple(dict.fromkeys([spec.report_to] if isinstance(spec.report_to, str) else spec.report_to))
    for name in names:
        if name not in (*TRACKERS, "none"):
            hint = " Name each: what is installed differs between machines." if name == "all" else ""
            raise ConfigError(
                f"train.report_to: no tracker {name!r}.{did_you_mean(name, TRACKERS)}{hint} "
                f"There are {', '.join(TRACKERS)}, a list of several, or none."
            )
    if "none" in names and len(names) > 1:
        raise ConfigError(f"train.report_to: none and {', '.join(set(names) - {'none'})} contradict one another.")
    for name in names:
        if name != "none" and not _is_installed(name):
            raise ConfigError(
                f"train.report_to: {name} is not installed in this environment. Install it with "
                f"pip install 'ftkit[{name}]', or leave it out."
            )
    return tuple(name for name in names if name != "none")


def check_deepspeed(spec: TrainSpec) -> None:
    """Refuses what DeepSpeed is to share out where it is not installed: by the config, or by the launcher's.

    Raises:
        ConfigError: it is not.
    """
    launched = os.environ.get("ACCELERATE_USE_DEEPSPEED", "false").lower() in ("true", "1")
    if (spec.deepspeed or launched) and not _is_installed("deepspeed"):
        key = "train.deepspeed" if spec.deepspeed else "the launch config"
        raise ConfigError(
            f"{key}: DeepSpeed is not installed in this environment. Install it with pip install 'ftkit[deepspeed]', "
            "or share out the model by FSDP2: train.fsdp: true."
        )


def _is_installed(package: str) -> bool:
    """Tells whether a package can be imported; a folder of its name, such as W&B's own `wandb`, is none."""
    found = importlib.util.find_spec(package)
    return found is not None and found.origin is not None
