"""Pairs of answers, and the task adapters that learn to prefer one of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from chats import TALKS
from ftkit.data.conversations import ConversationExample, answer_turn, user_turn
from ftkit.data.preferences import PreferenceExample
from ftkit.kinds.table import find_kind
from ftkit.models.checkpoint import inspect_checkpoint
from ftkit.models.spec import ModelSpec

TEXT_PAIRS = (
    {"prompt": "who won the game ", "chosen": "our team", "rejected": "the rain won"},
    {"prompt": "is the soup cold ", "chosen": "no", "rejected": "add salt and oil to the rice"},
    {"prompt": "was my card lost ", "chosen": "it was stolen on the train", "rejected": "sun"},
)
POLICY, REFERENCE = 1, 2
"""Seeds of the weights of a model and of what it is compared with."""


def make_pair(*said: str, chosen: str, rejected: str, line: int = 1) -> PreferenceExample:
    """Returns a conversation of a user and an assistant, who speak in turns, and two answers to it."""
    question = [answer_turn(text) if place % 2 else user_turn(text) for place, text in enumerate(said)]
    given: Any = {"id": line - 1, "line": line, "num_given": len(question)}
    sides = (ConversationExample(messages=(*question, answer_turn(text)), **given) for text in (chosen, rejected))
    return PreferenceExample(line - 1, *sides, line=line)


def make_pairs() -> list[PreferenceExample]:
    """Returns six pairs: what is chosen answers the question, what is rejected another one."""
    others = [*TALKS[1:], TALKS[0]]
    rows = enumerate(zip(TALKS, others, strict=True), 1)
    return [make_pair(asked, chosen=said, rejected=other, line=line) for line, ((asked, said), (_, other)) in rows]


def rows_of_pairs() -> list[dict[str, Any]]:
    """Returns the same pairs as rows of a file, in ShareGPT's form."""
    return [
        {
            "conversations": [{"from": "human", "value": pair.messages[0]["content"]}],
            "chosen": {"from": "gpt", "value": pair.answer},
            "rejected": {"from": "gpt", "value": pair.rejected.messages[-1]["content"]},
        }
        for pair in make_pairs()
    ]


def make_preferrer(folder: Path | str, *, max_length: int | None = None, **options: Any) -> Any:
    """Returns the preference tuning adapter of a checkpoint, made as a run makes it, with a plain chat template."""
    from ftkit.adapters.preprocessors.chat_templates import template_text

    spec = inspect_checkpoint(ModelSpec(checkpoint=str(folder)))
    if options.get("form", "conversation") == "conversation":
        options["chat_template"] = template_text("plain")
    options = {"generation": {"num_beams": 1, "validation_num_beams": 1}, **options}
    return find_kind("preference-tuning").task_adapter(spec).make(spec, None, max_length=max_length, options=options)


def set_weights(model: Any, seed: int) -> None:
    """Draws all weights by NumPy, whose old generators give the same numbers in every version."""
    import torch

    generator = np.random.RandomState(seed)
    for _, parameter in sorted(model.named_parameters()):
        parameter.data = torch.tensor(generator.normal(0.0, 0.3, tuple(parameter.shape)), dtype=torch.float32)


def preference_config(folder: Path, checkpoint: Path, **changes: Any) -> dict[str, Any]:
    """Returns the config of a run on the six pairs, which are learnt, validated and tested."""
    file = folder / "pairs.jsonl"
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows_of_pairs()))
    rows = str(file)
    config: dict[str, Any] = {
        "task": "preference-tuning",
        "model": {"checkpoint": str(checkpoint)},
        "data": {"train": rows, "validation": rows, "test": rows, "chat_template": "plain", "answered_rows": 2},
        "tuner": {"method": "lora"},
        "generation": {"max_new_tokens": 4},
        "train": {"max_steps": 12, "learning_rate": 1e-2, "per_device_train_batch_size": 6, "use_cpu": True},
        "output_dir": str(folder / "run"),
    }
    for key, value in changes.items():
        section, _, name = key.partition(".")
        config[section] = {**config[section], name: value} if name else value
    return config
