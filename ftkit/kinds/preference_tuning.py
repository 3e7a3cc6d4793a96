"""Preference tuning: a model that answers comes to prefer one of two answers, by direct preference optimization."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import numpy as np
from pydantic import Field

from ftkit.adapters.preprocessors.chat_templates import template_text
from ftkit.adapters.spec import TaskAdapterSpec
from ftkit.data.chat_formats import find_format, first_format, no_format
from ftkit.data.conversation_check import check_questions
from ftkit.data.conversations import ConversationExample, answer_turn, user_turn
from ftkit.data.preference_check import characters_more, check_preferences, longer_is_chosen_share
from ftkit.data.preferences import FORMATS, PreferenceExample
from ftkit.data.problems import Problems
from ftkit.data.readers import Table
from ftkit.data.row_cells import RowCells
from ftkit.data.spec import TextDataSpec
from ftkit.errors import ConfigError
from ftkit.kinds import text_generation
from ftkit.kinds.kind import Kind, Plain, Role, Settings
from ftkit.kinds.label_settings import check_smoothing
from ftkit.kinds.probes import probe_text
from ftkit.kinds.task import Task
from ftkit.metrics.groups import GROUPS
from ftkit.models.spec import CheckpointSpec
from ftkit.types import LabelSpace, Split

LossType = Literal["sigmoid", "ipo"]


class PreferenceTuningData(TextDataSpec):
    """The `data` section of preference tuning."""

    format: Literal["sharegpt", "alpaca", "prompt", "messages", "implicit-prompt"] | None = Field(
        None, description="How rows hold question and answers. Default: found by the columns of each file."
    )
    chat_template: str | None = Field(
        None,
        description="How a conversation becomes a text: chatml, plain, a file of Jinja, or the template itself. "
        "Default: the checkpoint's own.",
    )
    answered_rows: int = Field(
        text_generation.ANSWERED_ROWS,
        ge=0,
        description="Rows of each scored split that are answered, for the report.",
    )
    loss_type: LossType = Field("sigmoid", description="What is minimized: sigmoid (DPO) or ipo.")
    beta: float = Field(
        0.1,
        gt=0,
        description="How strongly the model is held to what it was before: rewards are beta times the log-ratio.",
    )
    sft_weight: float = Field(
        0.0,
        ge=0,
        description="Weight of the chosen answer's own loss per token, added to that of the pair, so that its "
        "likelihood does not fall.",
    )


# --- rows -> examples ---------------------------------------------------------------------------------------


def read_examples(
    table: Table, task: Task, columns: Mapping[str, str], data: PreferenceTuningData, *, with_labels: bool
) -> Iterator[PreferenceExample | ConversationExample]:
    """Turns rows into examples one by one.

    Args:
        columns: role -> column.
        with_labels: False for rows that are only to be answered: pairs, or whatever text-generation answers.

    Raises:
        DataError: the columns are those of no format.
    """
    available = table.columns if task.prepare is None else tuple(columns.values())
    found = first_format(FORMATS, data.format, available, columns, with_labels=True)
    if found is None and with_labels:
        raise no_format(FORMATS, data.format, table.source, available, columns)
    questions = find_format(None, table.source, available, columns, with_labels=False) if found is None else None
    for position, row in enumerate(table.rows):
        cells = RowCells(task.prepared(row.values), columns)
        shared: Any = {"id": cells.id(position), "line": row.line}
        if found is None:
            assert questions is not None
            fields = questions.read(cells, False)
            yield ConversationExample(**shared, group=cells.group(), **fields, cell_errors=cells.errors)
        else:
            sides = found.read(cells, True)
            pair: Any = {role: ConversationExample(**shared, **fields) for role, fields in sides.items()}
            yield PreferenceExample(**shared, group=cells.group(), **pair, cell_errors=cells.errors)


# --- checks -------------------------------------------------------------------------------------------------


def check(
    splits: Mapping[str, Split], labels: None, task: Task, data: PreferenceTuningData, problems: Problems
) -> None:
    """Reports everything that is wrong with the pairs of a run, by file and line."""
    check_preferences(splits, problems)


# --- adapter and people -------------------------------------------------------------------------------------


def adapter_options(train: Split, labels: None, data: PreferenceTuningData, settings: Settings) -> dict[str, Any]:
    """Returns what the adapter is made with, all of it saved with the run.

    Raises:
        ConfigError: a setting that means nothing here, or a chat template that is not there.
    """
    check_smoothing(settings.label_smoothing)
    if settings.label_smoothing >= 0.5:
        raise ConfigError(
            f"train.label_smoothing_factor: {settings.label_smoothing:g} of the pairs would count as swapped, so "
            "that nothing or the opposite is learnt. Say less than 0.5."
        )
    if settings.label_smoothing and data.loss_type == "ipo":
        raise ConfigError(
            "train.label_smoothing_factor means nothing with data.loss_type: ipo, which has no labels to smooth. "
            "Leave one of them out."
        )
    return {
        "form": train.examples[0].form,
        "chat_template": template_text(data.chat_template),
        "num_written": data.answered_rows,
        "loss_type": data.loss_type,
        "beta": data.beta,
        "sft_weight": data.sft_weight,
        "label_smoothing": settings.label_smoothing,
        "generation": dict(settings.generation),
    }


def of_plain_checkpoint(
    labels: LabelSpace | None, spec: CheckpointSpec, data: PreferenceTuningData, where: str
) -> Plain:
    """Returns what a model that ftkit did not make is used with: what it is for text generation, and the beta."""
    options = text_generation.plain_options(spec, data.chat_template)
    return Plain(labels=None, options={**options, "loss_type": data.loss_type, "beta": data.beta})


def baselines(train: Split | None, split: Split[PreferenceExample]) -> dict[str, Any]:
    """Returns, as margins of rewards (N,), what a policy finds that is the reference, and one that likes length."""
    leads = np.array([characters_more(example) for example in split.examples], np.float64)
    return {"reference": np.zeros(len(split)), "longer_answer": leads}


def traits(split: Split[PreferenceExample], predictions: Any) -> dict[str, float | None]:
    """Returns how often the longer answer is the chosen one."""
    return {"longer_is_chosen_share": longer_is_chosen_share(split)}


def probe(position: int) -> PreferenceExample:
    """Returns a made-up question, with the same text for the better answer and more of it for the other."""
    text = probe_text(position)
    sides = ((user_turn(text), answer_turn(said)) for said in (text, f"{text} {text}"))
    chosen, rejected = (ConversationExample(id=position, messages=turns, num_given=1) for turns in sides)
    return PreferenceExample(id=position, chosen=chosen, rejected=rejected, line=position)


_OF_PAIRS = {
    "chosen": Role(description="the answer that is preferred", column="chosen"),
    "rejected": Role(description="the other answer", column="rejected"),
}

KIND = Kind(
    name="preference-tuning",
    pipeline_tag=text_generation.KIND.name,
    # Those of text generation too: rows that are only to be answered have no pairs.
    roles={**text_generation.KIND.roles, **_OF_PAIRS},
    data=PreferenceTuningData,
    settings=frozenset({"generation", "label_smoothing"}),
    generation=text_generation.KIND.generation,
    read=read_examples,
    check=check,
    check_inputs=check_questions,
    input_example=text_generation.input_example,
    probe=probe,
    adapter_options=adapter_options,
    of_plain_checkpoint=of_plain_checkpoint,
    task_adapters={
        "decoder": TaskAdapterSpec(
            preprocessor="ftkit.adapters.preprocessors.answer_pairs:AnswerPairPreprocessor",
            objective="ftkit.adapters.objectives.preference:PreferenceObjective",
            auto_class="AutoModelForCausalLM",
            usage="chat",
            peft_task="CAUSAL_LM",
        )
    },
    metrics=GROUPS["preference-tuning"],
    baselines=baselines,
    traits=traits,
    reading=lambda group: "reply",
    blocks=lambda group: ("margin-curve", "worst-pairs", "answers"),
)
