"""What every tuner keeps to, on every kind of task and checkpoint that it suits. A new method only adds data."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import cells
import fresh
import tiny
from ftkit.adapters.rows import Batch
from ftkit.adapters.task_adapter import TaskAdapter
from ftkit.errors import ConfigError
from ftkit.kinds.table import find_kind
from ftkit.models.loading import LoadedModel
from ftkit.models.outputs import logits_of
from ftkit.tuners.apply import apply_tuner, base_prefix
from ftkit.tuners.saving import WEIGHTS_FILE, save_adapter
from ftkit.tuners.spec import METHODS, TunerSpec
from ftkit.tuners.suits import check_suits

MODELS: dict[str, tuple[str, ...]] = {
    "text-classification": (
        *("bert", "distilbert", "albert", "electra", "modernbert", "deberta-v2"),
        *("gpt2", "llama", "t5", "bart"),
    ),
    "token-classification": ("bert", "modernbert", "gpt2", "llama", "t5"),
    "translation": (
        *("marian", "t5", "bart", "mbart", "nllb", "pegasus"),
        *("gpt2", "llama", "bert2bert", "bert2gpt"),
    ),
}
MORE_MODELS: dict[str, tuple[str, ...]] = {
    "question-answering": ("bert", "llama", "gpt2", "t5"),
    "fill-mask": ("bert", "modernbert"),
    "text-generation": ("llama", "gpt2"),
    "preference-tuning": ("llama",),
    "summarization": ("t5", "llama"),
    "text-ranking": ("bert", "llama", "t5"),
    "multiple-choice": ("bert", "llama"),
    "sentence-similarity": ("bert", "llama"),
}
"""Kinds whose bodies are those of others: what their heads change is seen by one method of each sort."""
TUNERS = [method for method in METHODS if method != "full"]
SORTS = ("lora", "ia3", "head-only", "prompt")
Cell = tuple[str, str, str]
CELLS: list[Cell] = [
    (kind, name, method)
    for models, methods in ((MODELS, TUNERS), (MORE_MODELS, SORTS))
    for kind, names in models.items()
    for name in names
    for method in methods
]

PROMPTS = ("prefix", "prompt", "p-tuning")
ENCODERS = [name for name in tiny.MODEL_TYPES if tiny.MODEL_TYPES[name] == "encoder"]


def _refused() -> dict[Cell, str]:
    """Returns every cell that does not work, and a part of the reason that is given."""
    found: dict[Cell, str] = {}
    for kind, names in MODELS.items():
        no_biases = [name for name in ("modernbert", "llama", "t5") if name in names]
        found |= {(kind, name, "bitfit"): "bitfit trains biases, and .* have none" for name in no_biases}
        found |= {(kind, name, "prefix"): "encoders take no keys" for name in ENCODERS if name in names}
    found["text-classification", "albert", "last-layers"] = "last 2 layers are to be trained, but .* has 1"
    for name in ("gpt2", "llama", "t5", "bart"):
        found |= {("text-classification", name, method): "looks for the last token" for method in PROMPTS}
    found |= {("token-classification", "t5", method): "no virtual tokens for encoder-decoders" for method in PROMPTS}
    whole = [name for name in MODELS["translation"] if name not in cells.DECODERS]
    found |= {("translation", name, "head-only"): "lacks nothing" for name in whole}
    # peft embeds what is read with the first table of the vocabulary's size. Pegasus scales what it reads from its
    # own, and where two vocabularies are joined peft finds none.
    for name in ("pegasus", "bert2gpt"):
        found |= {("translation", name, method): "peft does not embed a text" for method in PROMPTS[1:]}
    return found | _refused_in_more_kinds()


def _refused_in_more_kinds() -> dict[Cell, str]:
    no_head = {
        (kind, name, "head-only"): "lacks nothing"
        for kind in ("fill-mask", "text-generation", "preference-tuning", "summarization", "sentence-similarity")
        for name in MORE_MODELS[kind]
    }
    reasons = {
        ("question-answering", "bert"): "does not pass on token types",
        ("question-answering", "t5"): "no virtual tokens for encoder-decoders",
        ("text-ranking", "llama"): "looks for the last token",
        ("text-ranking", "t5"): "looks for the last token",
        ("multiple-choice", "llama"): "looks for the last token",
        **{("fill-mask", name): "it is the encoder itself" for name in MORE_MODELS["fill-mask"]},
        **{("sentence-similarity", name): "pool differently" for name in MORE_MODELS["sentence-similarity"]},
    }
    return no_head | {(*model, "prompt"): reason for model, reason in reasons.items()}


REFUSED = _refused()
works = pytest.mark.parametrize("cell", [cell for cell in CELLS if cell not in REFUSED], ids=" ".join)

STILL_AT_FIRST = {
    "lora": {"lora_A"},
    "rslora": {"lora_A"},
    "dora": {"lora_A"},
    "adalora": {"lora_A", "lora_B"},
}
"""What the first step leaves as it was, as it is multiplied with zeros: B in LoRA, the singular values in AdaLoRA."""

COMPARED = ("text-ranking", "multiple-choice", "question-answering")
"""Kinds whose loss compares scores with one another: of candidates, or of the places where an answer may begin."""

NUM_STEPS, LEARNING_RATE = 2, 1e-2
TOLERANCE = 1e-6
# PiSSA is trained as W_res + A B and saved as W + (A B - A0 B0). They are equal but for the rounding of float32 sums,
# some 1e-7 of each weight, which over the layers makes up to 7e-6 of logits that are about 10 here.
PISSA_TOLERANCE = 1e-5


@dataclass
class Outcome:
    """What is left of a trained cell.

    Attributes:
        still: kinds of trainable tensors that a step left as they were, step by step.
        moved: frozen tensors that training changed.
        other: frozen tensors that are not the checkpoint's.
        untrained: new parameters that are not trainable.
        trained: names of trainable tensors, as the file should have them.
        new: names of new parameters, as the file should have them.
    """

    folder: Path
    logits: np.ndarray
    still: list[set[str]]
    moved: list[str]
    other: list[str]
    untrained: list[str]
    trained: set[str]
    new: set[str]


Base = tuple[TaskAdapter, LoadedModel, Batch]


@pytest.fixture(scope="module")
def base(checkpoint: Callable[[str], Path]) -> Callable[[str, str], Base]:
    """`base("translation", "t5")` is a task adapter, a model to be copied and a batch; made once."""
    made: dict[tuple[str, str], Base] = {}

    def make(kind: str, name: str) -> Base:
        if (kind, name) not in made:
            adapter = cells.make_adapter(kind, name, checkpoint)
            encoded = adapter.preprocessor.encode(cells.make_split(kind).examples, targets=True)
            torch.manual_seed(0)
            made[kind, name] = (adapter, adapter.objective.build(), tiny.batch_of(adapter, encoded))
        return made[kind, name]

    return make


@pytest.fixture(scope="module")
def trained(base: Callable[..., Base], tmp_path_factory: pytest.TempPathFactory) -> Callable[[Cell], Outcome]:
    """`trained(cell)` is what two optimizer steps make of it; made once."""
    made: dict[Cell, Outcome] = {}

    def make(cell: Cell) -> Outcome:
        if cell not in made:
            folder = tmp_path_factory.mktemp("-".join(cell))
            made[cell] = train(*base(*cell[:2]), cell, folder)
        return made[cell]

    return make


def tune(adapter: TaskAdapter, built: LoadedModel, cell: Cell) -> Any:
    kind, name, method = cell
    spec, halves = TunerSpec(method=method), find_kind(kind).task_adapter(adapter.spec)
    check_suits(spec, kind, halves.refuses, name)
    torch.manual_seed(0)
    model = copy.deepcopy(built.model)
    return apply_tuner(model, built.new_parameters, spec, peft_task=halves.peft_task).eval()


def train(adapter: TaskAdapter, built: LoadedModel, batch: Batch, cell: Cell, folder: Path) -> Outcome:
    model = tune(adapter, built, cell)
    start = {name: tensor.detach().clone() for name, tensor in model.named_parameters()}
    trainable = {name: tensor for name, tensor in model.named_parameters() if tensor.requires_grad}
    # Without weight decay: nothing moves that has no gradient.
    optimizer = torch.optim.AdamW(trainable.values(), lr=LEARNING_RATE, weight_decay=0.0)
    still = []
    for _ in range(NUM_STEPS):
        before = {name: tensor.detach().clone() for name, tensor in trainable.items()}
        loss(adapter, model, batch).backward()
        optimizer.step()
        optimizer.zero_grad()
        still.append({part(name) for name, tensor in trainable.items() if torch.equal(tensor, before[name])})
    frozen = {name: tensor for name, tensor in model.named_parameters() if name not in trainable}
    save_adapter(model, folder, revision=None)
    return Outcome(
        folder=folder,
        logits=logits(model, batch),
        still=still,
        moved=[name for name, tensor in frozen.items() if not torch.equal(tensor, start[name])],
        other=not_from_checkpoint(model, frozen, dict(built.model.named_parameters())),
        untrained=sorted(built.new_parameters - {plain(model, name) for name in trainable}),
        trained={plain(model, name, keep_prefix=True) for name in trainable},
        new={base_prefix(model) + name for name in built.new_parameters},
    )


def loss(adapter: TaskAdapter, model: Any, batch: Batch) -> torch.Tensor:
    return adapter.objective.loss(model(**batch.inputs), batch).mean()


@torch.inference_mode()
def logits(model: Any, batch: Batch) -> np.ndarray:
    return logits_of(model(**batch.inputs)).numpy()


def part(name: str) -> str:
    """Returns which part of a method a tensor is: `lora_A` of `...query.lora_A.default.weight`."""
    found = re.search(r"lora_[A-Z]", name)
    return found.group() if found else name


def plain(model: Any, name: str, *, keep_prefix: bool = False) -> str:
    """Returns the name that a tensor has in the saved file, or without prefix in the model before it was tuned."""
    if name.startswith("prompt_encoder."):
        return "prompt_embeddings"
    for inner in (".modules_to_save.default", ".original_module", ".base_layer", ".default"):
        name = name.replace(inner, "")
    name = name.replace(".lora_magnitude_vector.weight", ".lora_magnitude_vector")  # as peft shortens DoRA's
    return name if keep_prefix else name.removeprefix(base_prefix(model))


def not_from_checkpoint(model: Any, frozen: dict[str, Any], loaded: dict[str, Any]) -> list[str]:
    """Returns frozen tensors that are not, bit for bit, what was loaded."""
    names = {name: plain(model, name) for name in frozen if ".ranknum." not in name}  # AdaLoRA's count of its ranks
    return [name for name, old in names.items() if old not in loaded or not torch.equal(frozen[name], loaded[old])]


# --- which cells there are ---


@pytest.mark.parametrize("cell", REFUSED, ids=" ".join)
def test_what_does_not_work_is_refused(cell: Cell, base: Callable[..., Base]) -> None:
    adapter, built, _ = base(*cell[:2])
    with pytest.raises(ConfigError, match=REFUSED[cell]) as caught:
        tune(adapter, built, cell)
    assert str(caught.value).startswith("tuner.")


def test_most_cells_work() -> None:
    assert set(REFUSED) <= set(CELLS)
    assert len(REFUSED) < len(CELLS) / 5


# --- what is saved ---

RELOAD = """
import copy, json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import numpy as np
import cells
import tiny
import torch
from ftkit.models.outputs import logits_of
from ftkit.tuners.saving import attach_adapter

folders, checkpoints, out = json.load(sys.stdin)
bases, found = {}, {}
for kind, name, method, folder in folders:
    if (kind, name) not in bases:
        adapter = cells.make_adapter(kind, name, lambda name: Path(checkpoints[name]))
        encoded = adapter.preprocessor.encode(cells.make_split(kind).examples, targets=True)
        torch.manual_seed(1)  # whatever is not loaded is another than in training
        bases[kind, name] = adapter.objective.build().model, tiny.batch_of(adapter, encoded)
    model, batch = bases[kind, name]
    with torch.inference_mode():
        found[folder] = logits_of(attach_adapter(copy.deepcopy(model), folder)(**batch.inputs)).numpy()
np.savez(out, **{folder: found[folder] for folder in found})
"""


@pytest.fixture(scope="module")
def reloaded(
    trained: Callable[[Cell], Outcome], checkpoint: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Any:
    """The logits that a new process gets from every saved adapter; one process for all."""
    jobs = [(*cell, str(trained(cell).folder)) for cell in CELLS if cell not in REFUSED]
    names = {name for _, name, *_ in jobs if name not in cells.DECODERS} | {"bert", *cells.DECODERS.values()}
    out = tmp_path_factory.mktemp("reloaded") / "logits.npz"
    given = json.dumps([jobs, {name: str(checkpoint(name)) for name in names}, str(out)])
    process = fresh.python("-c", RELOAD, Path(__file__).resolve().parent.parent, input=given)
    assert process.returncode == 0, process.stderr
    return np.load(out)


# --- the contract ---


@works
def test_a_cell(cell: Cell, trained: Callable[[Cell], Outcome], request: pytest.FixtureRequest) -> None:
    """One test for all that is asked of a cell: there are hundreds."""
    found = trained(cell)
    check_that_all_trainable_moves_and_nothing_else(cell, found)
    check_that_the_frozen_is_the_checkpoint(cell, found)
    check_that_the_new_is_trained_and_saved(cell, found)
    # Last, as all cells have to be trained for it.
    check_that_a_new_process_gets_the_same_logits(cell, found, request.getfixturevalue("reloaded"))


def check_that_all_trainable_moves_and_nothing_else(cell: Cell, found: Outcome) -> None:
    # The bias of a score is added to all that are compared with one another alike: rounding alone gives it a gradient,
    # and on some processors none.
    first, second = (
        {name for name in names if cell[0] not in COMPARED or not _is_new_bias(name, found)} for names in found.still
    )
    assert first == STILL_AT_FIRST.get(cell[2], set())
    assert not second
    assert not found.moved


def _is_new_bias(name: str, found: Outcome) -> bool:
    return name.endswith(".bias") and name.replace(".modules_to_save.default", "") in found.new


def check_that_the_frozen_is_the_checkpoint(cell: Cell, found: Outcome) -> None:
    if cell[2] == "pissa":  # the principal components have left the layers that are tuned
        assert found.other
        assert all(name.endswith(".base_layer.weight") for name in found.other)
        return
    assert not found.other


def check_that_the_new_is_trained_and_saved(cell: Cell, found: Outcome) -> None:
    assert not found.untrained
    saved = load_file(found.folder / WEIGHTS_FILE).keys()
    assert found.new <= saved
    assert found.trained <= saved
    others = saved - found.trained
    if cell[2] == "bitfit":  # peft saves every bias, also one that takes no part, or stands in two places
        others = {name for name in others if not name.endswith((".pooler.dense.bias", ".predictions.decoder.bias"))}
    assert not others


def check_that_a_new_process_gets_the_same_logits(cell: Cell, found: Outcome, reloaded: Any) -> None:
    assert np.abs(found.logits).max() > 1e-3
    tolerance = PISSA_TOLERANCE if cell[2] == "pissa" else TOLERANCE
    np.testing.assert_allclose(reloaded[str(found.folder)], found.logits, atol=tolerance, rtol=0)
