"""Which preprocessor and objective serve a kind of task on a family of checkpoints, as data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ftkit.adapters.task_adapter import TaskAdapter
from ftkit.errors import ConfigError, did_you_mean, name_list
from ftkit.models.spec import CheckpointSpec
from ftkit.own_code import find_own
from ftkit.types import LabelSpace


@dataclass(frozen=True, kw_only=True)
class TaskAdapterSpec:
    """One combination of a kind and a family.

    Attributes:
        preprocessor: `module:Class` of a `Preprocessor`.
        objective: `module:Class` of an `Objective`.
        auto_class: transformers' class that loads the model.
        peft_task: what peft calls the task, such as SEQ_CLS; None where it has no name for it.
        usage: how a card's code uses the model without ftkit; see ftkit.report.table.
        refuses: tuner -> why it does not suit this combination.
        no_export: why a model cannot be written as ONNX; None where it is tried.
        unused: setting that the kind takes -> why it means nothing in this combination.
    """

    preprocessor: str
    objective: str
    auto_class: str
    peft_task: str | None
    usage: str = "load"
    refuses: Mapping[str, str] = field(default_factory=dict)
    no_export: str | None = None
    unused: Mapping[str, str] = field(default_factory=dict)

    @property
    def has_own_head(self) -> bool:
        """Whether the class that a checkpoint was saved as tells its kind; a body or language model serves several."""
        return not self.auto_class.endswith("LM") and self.auto_class != "AutoModel"

    @property
    def one_pass(self) -> bool:
        """Whether predicting is one forward pass of the model; else it is a search of many."""
        return bool(find_own(self.objective).one_pass)

    def check_checkpoint(self, spec: CheckpointSpec) -> None:
        """Refuses a checkpoint for which transformers has no model of the auto class; nothing is read for it.

        Raises:
            CheckpointError: it has none; the message names some that have.
        """
        find_own(self.objective).check_checkpoint(spec, self.auto_class)

    def check_settings(self, given: Mapping[Any, str]) -> None:
        """Refuses settings of the kind that mean nothing with this family.

        Args:
            given: setting -> its key in the config, of those that the config has.

        Raises:
            ConfigError: naming the first of them.
        """
        for setting, key in given.items():
            if setting in self.unused:
                raise ConfigError(f"{key}: {self.unused[setting]} Leave it out.")

    def make(
        self,
        spec: CheckpointSpec,
        labels: LabelSpace | None,
        *,
        max_length: int | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> TaskAdapter:
        """Returns the task adapter, with the checkpoint's processor loaded.

        Args:
            max_length: positions of the longest input; None for as many as the checkpoint reads.
            options: of preprocessor and objective together; each takes those that it names.

        Raises:
            CheckpointError: the processor cannot be loaded.
            ConfigError: an option does not exist, or does not suit the checkpoint.
        """
        self.check_checkpoint(spec)
        options, halves = options or {}, (find_own(self.preprocessor), find_own(self.objective))
        _check_exist(options, [name for half in halves for name in half.options])
        reads, learns = ({name: options[name] for name in half.options if name in options} for half in halves)
        preprocessor = halves[0](spec, labels, max_length=max_length, **reads)
        return TaskAdapter(preprocessor, halves[1](preprocessor, self.auto_class, **learns))


def _check_exist(options: Iterable[str], known: Sequence[str]) -> None:
    """Raises ConfigError for the first option that neither preprocessor nor objective has."""
    for name in options:
        if name not in known:
            raise ConfigError(
                f"run.adapter_options: no option {name!r}.{did_you_mean(name, known)} There is {name_list(known)}. "
                "A run that was made by a later version of ftkit needs that version."
            )
