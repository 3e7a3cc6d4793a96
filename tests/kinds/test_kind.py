"""What every kind of task keeps to. A new kind only adds an input."""

from __future__ import annotations

import dataclasses
import inspect
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
from PIL import Image

import cells
from ftkit.errors import ConfigError, DataError
from ftkit.kinds.kind import Kind, Setting
from ftkit.kinds.table import KINDS, find_kind
from ftkit.models.checkpoint import inspect_checkpoint
from ftkit.models.spec import ModelSpec
from ftkit.types import Example, Modality

every_kind = pytest.mark.parametrize("kind", [find_kind(name) for name in KINDS], ids=lambda kind: kind.name)


def png() -> bytes:
    """A grey image of one pixel."""
    file = io.BytesIO()
    Image.new("L", (1, 1), 7).save(file, "PNG")
    return file.getvalue()


INPUTS: dict[str, tuple[Any, Any]] = {
    "text-classification": ("my card\nis lost", 5),
    "token-classification": (["my", "card"], 5),
    "translation": ("my card", ["my", "card"]),
    "question-answering": (("who left", "my card left"), ["who left"]),
    "text-generation": ("my card", 5),
    "preference-tuning": ("my card", 5),
    "image-classification": (png(), 5),
    "image-segmentation": (png(), 5),
    "zero-shot-image-classification": (png(), 5),
    "audio-classification": (b"card", 5),
    "object-detection": (png(), 5),
    "image-text-to-text": ({"image": png(), "question": "who left"}, 5),
    "automatic-speech-recognition": (b"card", 5),
    "summarization": ("my card", ["my", "card"]),
    "multiple-choice": ({"question": "who left", "choices": ["my card", "rain"]}, {"question": "who left"}),
    "text-ranking": (("my card", ["it is lost", "rain"]), "my card"),
    "sentence-similarity": (("my card", "it is lost"), 5),
    "fill-mask": ("my [MASK]\nis lost", ["my", "card"]),
}
"""An input that can be predicted, and one that cannot."""

NUM_ARGUMENTS = {
    "found_in_files": 2,
    "normalize": 4,
    "labels": 3,
    "saved_labels": 1,
    "check": 5,
    "check_inputs": 2,
    "check_known_labels": 3,
    "input_example": 2,
    "probe": 1,
    "lengthened": 2,
    "adapter_options": 4,
    "of_plain_checkpoint": 4,
    "reading": 1,
    "blocks": 1,
}


def test_every_kind_is_covered() -> None:
    assert INPUTS.keys() == KINDS.keys()


@every_kind
def test_a_kind_is_what_its_name_says(kind: Kind) -> None:
    assert KINDS[kind.name]
    assert find_kind(kind.name) is kind
    assert kind.task.kind is kind
    assert (kind.task.name, kind.task.kind_name) == (kind.name, kind.name)
    assert kind.settings <= set(get_args(Setting))
    assert all(role.description for role in kind.roles.values())
    assert set(kind.own_columns) <= set(kind.roles)


@every_kind
def test_what_is_called_of_a_kind_takes_what_it_is_called_with(kind: Kind) -> None:
    for name, count in NUM_ARGUMENTS.items():
        inspect.signature(getattr(kind, name)).bind(*[None] * count)
    inspect.signature(kind.read).bind(None, None, {}, None, with_labels=False)


# --- columns ---


@every_kind
def test_the_config_s_columns_win_over_the_task_s_and_these_over_the_kind_s(kind: Kind) -> None:
    first, *others = kind.own_columns
    task = dataclasses.replace(kind.task, columns=dict.fromkeys(kind.own_columns, "of the task"))
    data = kind.data(train="x", columns={first: "of the config"})
    assert kind.columns_of(kind.task, kind.data(train="x")) == kind.own_columns
    assert kind.columns_of(task, data) == {first: "of the config", **dict.fromkeys(others, "of the task")}


@every_kind
def test_a_role_that_a_kind_does_not_have(kind: Kind) -> None:
    role = next(iter(kind.roles))
    with pytest.raises(ConfigError, match=rf"data\.columns: no role '{role}s'\. Did you mean '{role}'\? Roles: "):
        kind.columns_of(kind.task, kind.data(train="x", columns={f"{role}s": "x"}))


# --- settings ---


@every_kind
@pytest.mark.parametrize("setting", get_args(Setting))
def test_settings_that_mean_nothing_are_refused_by_their_key(kind: Kind, setting: Setting) -> None:
    kind.check_settings({})
    if setting in kind.settings:
        kind.check_settings({setting: "some.key"})
        return
    with pytest.raises(ConfigError, match=r"^some\.key: .* Leave it out\.$"):
        kind.check_settings({setting: "some.key"})


# --- examples ---


@every_kind
def test_inputs_become_examples(kind: Kind) -> None:
    good, bad = INPUTS[kind.name]
    example: Example = kind.input_example(3, good)
    assert (example.id, example.line) == (3, 3)
    assert example.size > 0
    assert example.key() == kind.input_example(8, good).key(), "equal inputs have equal keys, whatever their ids"
    assert hash(example.key()) != hash(kind.probe(0).key())
    assert example.summary()
    with pytest.raises(DataError, match="inputs, item 7: expected "):
        kind.input_example(7, bad)


@every_kind
def test_probes_are_always_the_same(kind: Kind) -> None:
    probes = [kind.probe(position) for position in range(8)]
    if kind.reads == "text":
        assert len({example.size for example in probes}) > 1, "texts are padded, images have one size"
    assert [kind.probe(position) for position in range(8)] == probes


@pytest.mark.parametrize("name", ["text-classification", "token-classification"])
def test_an_example_is_lengthened_to_so_many_positions(name: str, checkpoint: Callable[[str], Path]) -> None:
    kind = find_kind(name)
    reads = cells.make_adapter(name, "bert", checkpoint).preprocessor
    for length in (30, 60):
        example = kind.lengthened(kind.input_example(0, "my card is lost"), length)
        assert reads.encode([example], targets=False).costs[0] >= length


# --- checkpoints ---


def test_a_checkpoint_of_no_family_that_serves(checkpoint: Callable[[str], Path]) -> None:
    spec = inspect_checkpoint(ModelSpec(checkpoint=str(checkpoint("bert"))))
    with pytest.raises(ConfigError) as caught:
        find_kind("translation").task_adapter(spec)
    message = str(caught.value)
    assert f"translation does not work with {spec.name!r}, a checkpoint of family encoder. " in message
    assert "It works with 'decoder', 'encoder-decoder' checkpoints that read text." in message
    assert f"Fix: give it a decoder, such as model.decoder: {spec.name}" in message


@every_kind
def test_a_checkpoint_that_reads_something_else(kind: Kind, checkpoint: Callable[[str], Path]) -> None:
    spec = inspect_checkpoint(ModelSpec(checkpoint=str(checkpoint("bert"))))
    other: Modality = "image" if kind.reads == "audio" else "audio"
    told = rf"of family encoder that reads {other}\. .* that read {re.escape(kind.reads)}\.$"
    with pytest.raises(ConfigError, match=told):
        kind.task_adapter(dataclasses.replace(spec, reads=other))
