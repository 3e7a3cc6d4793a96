"""A fine-tuned checkpoint that ftkit did not make, or a plain PEFT adapter: the config that a run would have left.

There is no ftkit.yaml, so the kind, the labels and the limits are read off the files that transformers and peft write.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ftkit.adapters.spec import TaskAdapterSpec
from ftkit.config.run_config import BaseFacts, RunConfig, RunFacts, TaskFacts
from ftkit.console import warn
from ftkit.errors import CheckpointError, UserError, name_list
from ftkit.foreign_code import TRUST_WHEN_OPENED
from ftkit.inference.opening_options import OpeningOptions, with_columns
from ftkit.json_file import read_json_object
from ftkit.kinds.kind import Kind
from ftkit.kinds.table import find_kind, find_task, kind_names, kind_of
from ftkit.kinds.task import Task
from ftkit.models.checkpoint import inspect_checkpoint
from ftkit.models.fingerprint import file_fingerprint
from ftkit.models.loading import class_names
from ftkit.models.modality import reads
from ftkit.models.spec import CheckpointSpec, ModelSpec
from ftkit.models.visual_answers import auto_class_of
from ftkit.tuners.saving import CONFIG_FILE as ADAPTER_FILE
from ftkit.tuners.saving import WEIGHTS_FILE, check_adapter_files, is_adapter, read_state
from ftkit.tuners.spec import MethodName, TunerSpec
from ftkit.types import LabelSpace, ProblemType, Split
from ftkit.version import __version__

# No file says what the rows are that a checkpoint was trained on.
UNKNOWN_DATA = "unknown"
_DEFAULT_NAME = re.compile(r"LABEL_\d+")

_WRITERS = ("ForConditionalGeneration", "MTModel", "LMHeadModel", "ForCausalLM", "EncoderDecoderModel")

_METHODS: Mapping[str, MethodName] = {
    "LORA": "lora",
    "ADALORA": "adalora",
    "IA3": "ia3",
    "LN_TUNING": "layernorm",
    "PREFIX_TUNING": "prefix",
    "PROMPT_TUNING": "prompt",
    "P_TUNING": "p-tuning",
}
"""peft's type -> the tuner that makes adapters of this type."""


def open_plain_checkpoint(folder: Path, opening: OpeningOptions) -> RunConfig:
    """Returns the config of a checkpoint or PEFT adapter as if a run of ftkit had written it.

    Args:
        folder: holds config.json and safetensors, or adapter_config.json and adapter_model.safetensors.
        opening: what the user says; at least the task, where the files do not tell.

    Raises:
        UserError: the kind is not known, the files are no such checkpoint, or a choice does not suit it.
    """
    peft_config = _peft_config(folder) if is_adapter(folder) else None
    spec = inspect_checkpoint(_model_spec(folder, peft_config, opening), trust_key=TRUST_WHEN_OPENED)
    task = _task(folder, spec, peft_config, opening)
    kind = kind_of(task)
    data = kind.data(train=UNKNOWN_DATA, columns=dict(opening.columns), **opening.data_of(kind))
    stated = _labels(folder, spec, peft_config, kind) if kind.predicts_from_labels else None
    found = kind.of_plain_checkpoint(stated, spec, data, str(folder / "config.json"))
    data, labels = data.model_copy(update=dict(found.data)), found.labels
    facts = RunFacts(
        ftkit_version=__version__,
        task_name=task.name,
        kind=kind.name,
        family=spec.family,
        columns=kind.columns_of(task, data),
        max_length=opening.max_length,
        adapter_options=dict(found.options),
        prepared=False,
        base=None if peft_config is None else _base_facts(folder, spec),
        declared=TaskFacts(
            labels=None if labels is None else labels.names,
            problem_type=None if labels is None else labels.problem_type,
            metrics=task.metrics,
            primary_metric=task.primary_metric,
        ),
        is_plain=True,
    )
    config = RunConfig(
        task=kind.name,
        model=ModelSpec(checkpoint=spec.path, revision=spec.revision, trust_remote_code=opening.trust_remote_code),
        data=data,
        tuner=TunerSpec() if peft_config is None else _tuner(folder, peft_config),
        output_dir=str(folder),
        run=facts,
    )
    return with_columns(config, opening, kind)


def with_named_labels(split: Split, labels: LabelSpace | None) -> Split:
    """Returns rows whose labels are output positions with the names of these outputs.

    Example: for LABEL_0 and LABEL_1, the labels 0 and 1 of a file are LABEL_0 and LABEL_1. Where a checkpoint has
    names of its own, or one label of the file is no such number, the labels stay as they are.
    """
    if labels is None or labels.problem_type != "single_label_classification" or not _are_defaults(labels.names):
        return split
    found = [getattr(example, "label", None) for example in split.examples]
    numbers = {str(index): name for index, name in enumerate(labels.names)}
    if any(label is not None and label not in numbers for label in found):
        return split
    examples = [
        dataclasses.replace(example, label=numbers.get(str(label), label))
        for example, label in zip(split.examples, found, strict=True)
    ]
    return dataclasses.replace(split, examples=examples)


# --- which checkpoint -------------------------------------------------------------------------------------------


def _model_spec(folder: Path, peft_config: Mapping[str, Any] | None, opening: OpeningOptions) -> ModelSpec:
    """Returns what the weights are loaded from: the folder, or the base of an adapter."""
    trust = opening.trust_remote_code
    if peft_config is None and opening.base is not None:
        raise UserError(f"--base: {folder} holds a whole model, which needs no base. Leave it out.")
    if opening.base is not None:
        return ModelSpec(checkpoint=str(opening.base), trust_remote_code=trust)
    if peft_config is None:
        return ModelSpec(checkpoint=str(folder), trust_remote_code=trust)
    base = peft_config.get("base_model_name_or_path")
    if not isinstance(base, str) or not base:
        raise CheckpointError(
            f"{folder / ADAPTER_FILE} names no base, so the adapter changes no known weights.\n"
            "Fix: name the checkpoint that it was trained on: --base PATH_OR_ID; or write it there: "
            '"base_model_name_or_path": "owner/name".'
        )
    beside = folder.parent / base
    place = str(beside) if not Path(base).expanduser().is_dir() and beside.is_dir() else base
    return ModelSpec(checkpoint=place, revision=peft_config.get("revision"), trust_remote_code=trust)


def _peft_config(folder: Path) -> dict[str, Any]:
    check_adapter_files(folder)
    file = folder / ADAPTER_FILE
    try:
        return read_json_object(file)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{file} cannot be read: {error}. Copy the folder again.") from None


def _tuner(folder: Path, peft_config: Mapping[str, Any]) -> TunerSpec:
    """Returns the tuner that makes such adapters; of its options only what prediction needs."""
    peft_type = str(peft_config.get("peft_type"))
    if peft_type not in _METHODS:
        raise CheckpointError(
            f"{folder / ADAPTER_FILE}: ftkit reads no adapters of peft_type {peft_type!r}; there is "
            f"{name_list(_METHODS)}. Merge it into its base with peft (merge_and_unload), and name the result."
        )
    spec = TunerSpec(method=_METHODS[peft_type])
    length = peft_config.get("num_virtual_tokens") if spec.facts.reads_prompt else None
    return spec if length is None else TunerSpec(method=spec.method, num_virtual_tokens=length)


def _base_facts(folder: Path, spec: CheckpointSpec) -> BaseFacts:
    return BaseFacts(path=spec.path, adapter_sha256=file_fingerprint(folder / WEIGHTS_FILE))


# --- which kind ---------------------------------------------------------------------------------------------------


def _task(folder: Path, spec: CheckpointSpec, peft_config: Mapping[str, Any] | None, opening: OpeningOptions) -> Task:
    """Returns the task that the user names, else the kind that the files tell.

    Raises:
        UserError: they do not tell, or tell something else.
    """
    architectures = _architectures(folder, spec)
    known = _known_kinds(architectures, spec, peft_config)
    if opening.task is not None:
        task = find_task(opening.task)
        if known and task.kind_name not in known:
            raise UserError(
                f"--task {opening.task}: {folder} holds no fine-tuned head for {task.kind_name}; it was saved as "
                f"{name_list(architectures) if peft_config is None else peft_config.get('task_type')}, which is for "
                f"{known[0]}. Say --task {known[0]}, or leave it out."
            )
        return task
    known += [name for name in kind_names() if any((folder / file).is_file() for file in find_kind(name).marked_by)]
    if known:
        return find_task(known[0])
    saved = f"it was saved as {name_list(architectures)}" if architectures else "its config.json names no class"
    if any(name.endswith(_WRITERS) for name in architectures):
        raise UserError(
            f"{folder} is no run of ftkit, and what it was trained for cannot be known: {saved}, which writes any "
            "text. Say --task translation, with --source-lang and --target-lang, if it translates."
        )
    fitting = [name for name in kind_names() if reads(spec.reads, find_kind(name).reads)]
    raise UserError(
        f"{folder} is no run of ftkit, and what it was trained for cannot be known: {saved}. Say it with --task; "
        f"there is {name_list(fitting)}. A checkpoint without a fine-tuned head cannot be scored."
    )


def _architectures(folder: Path, spec: CheckpointSpec) -> tuple[str, ...]:
    """Returns the classes that were saved; of an adapter those of its own config.json, if it has one."""
    own = _own_config(folder).get("architectures")
    return tuple(own) if isinstance(own, list) else spec.architectures


def _known_kinds(
    architectures: Sequence[str], checkpoint: CheckpointSpec, peft_config: Mapping[str, Any] | None
) -> list[str]:
    """Returns the kinds whose heads are called like what was saved, the most usual first; none where any text may have
    been written.

    A classifier of texts with one output is also what a ranker is. Transformers calls a classifier of recordings like
    one of texts: what the checkpoint reads tells them apart.
    """
    halves = [
        (kind.name, spec)
        for kind in map(find_kind, kind_names())
        if reads(checkpoint.reads, kind.reads)
        for spec in kind.task_adapters.values()
        if spec.has_own_head
    ]
    if peft_config is not None and peft_config.get("task_type") is not None:
        task_type = peft_config["task_type"]
        found = [name for name, spec in halves if spec.peft_task == task_type]
    else:
        pairs = [(saved, name, spec) for saved in architectures for name, spec in halves]
        found = [name for saved, name, spec in pairs if saved in _classes(spec, checkpoint)]
        # A class of the checkpoint's own is known by its name.
        found = found or [
            name for saved, name, spec in pairs if saved.endswith(spec.auto_class.removeprefix("AutoModel"))
        ]
    return list(dict.fromkeys(found))


def _classes(spec: TaskAdapterSpec, checkpoint: CheckpointSpec) -> tuple[str, ...]:
    """Returns what transformers calls the models that a kind loads of checkpoints like this."""
    return class_names(auto_class_of(checkpoint, spec.auto_class), checkpoint.model_type)


def _own_config(folder: Path) -> dict[str, Any]:
    file = folder / "config.json"
    if not file.is_file():
        return {}
    try:
        return read_json_object(file)
    except (OSError, ValueError):
        return {}


# --- labels --------------------------------------------------------------------------------------------------------


def _labels(folder: Path, spec: CheckpointSpec, peft_config: Mapping[str, Any] | None, kind: Kind) -> LabelSpace:
    """Returns the labels in output order, from config.json, with a warning where they are transformers' defaults."""
    own = folder if (folder / "config.json").is_file() else Path(spec.path)
    names, stated = _stated_labels(str(own), spec)
    if peft_config is not None:
        names = _as_many_as_outputs(names, folder)
    problem_type: ProblemType = stated or ("regression" if len(names) == 1 else "single_label_classification")
    if "problem_type" not in kind.data.model_fields:
        problem_type = "single_label_classification"
    if len(set(names)) < len(names):
        raise CheckpointError(f"{own / 'config.json'}: id2label gives one name to several outputs. Correct it there.")
    if _are_defaults(names) and problem_type != "regression" and len(names) > 1:
        warn(
            f"{folder}: the labels are called {name_list(names, limit=3)}: transformers' own names, not the authors'. "
            "Labels of a file have to be these"
            + (", or the numbers of the outputs, 0 .. " + str(len(names) - 1) if "label" in kind.roles else "")
            + ". Names are set in config.json: id2label."
        )
    return LabelSpace(names, problem_type)


def _stated_labels(path: str, spec: CheckpointSpec) -> tuple[tuple[str, ...], ProblemType | None]:
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(path, **spec.loading_arguments)
    names = {int(index): str(name) for index, name in config.id2label.items()}
    return tuple(names[index] for index in sorted(names)), config.problem_type


def _as_many_as_outputs(names: tuple[str, ...], folder: Path) -> tuple[str, ...]:
    """Returns as many names as the head that an adapter brings has outputs; peft writes down no names."""
    sizes = [
        tensor.shape[0]
        for name, tensor in read_state(folder).items()
        if re.search(r"\.(classifier|score|classification_head)(\.out_proj)?\.weight$", name) and tensor.ndim == 2
    ]
    if not sizes or len(names) in sizes:
        return names
    return tuple(f"LABEL_{index}" for index in range(sizes[-1]))


def _are_defaults(names: Sequence[str]) -> bool:
    return all(_DEFAULT_NAME.fullmatch(name) for name in names)
