"""A bank: what it says must be what each run says alone, whatever else is in it."""

from __future__ import annotations

import gc
import shutil
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.modules.module import register_module_forward_hook

import ftkit
from adapter_runs import write_adapter_run
from ftkit.adapters.preprocessors import tokens
from ftkit.config.files import CONFIG_FILE
from ftkit.config.run_config import load_config
from ftkit.errors import CheckpointError, DataError, UserError
from ftkit.models.checkpoint import CheckpointSpec
from ftkit.models.tokenizers import load_tokenizer
from ftkit.types import LabelSpace

TOLERANCE = 1e-5  # batching changes the order of floating-point sums
METHODS = ("bitfit", "lora", "dora", "ia3", "head-only", "last-layers", "layernorm", "prompt")
MIXED = {"lora", "head-only"}
FAMILIES = ("bert", "distilbert", "roberta", "gpt2", "llama", "t5", "bart")
# What cannot be trained: no biases; the classifier of a decoder looks for the last token; peft has no such prompts.
IMPOSSIBLE = {
    *(("bitfit", kind, family) for kind in ("classify", "tag") for family in ("llama", "t5")),
    *(("prompt", "classify", family) for family in ("gpt2", "llama", "t5", "bart")),
    *(("prompt", "tag", family) for family in ("t5", "bart")),
    *((method, "tag", "bart") for method in METHODS),  # transformers has no such head
}
TOPICS, TAGS = ("card", "sport", "weather"), ("O", "B-what", "I-what")
TEXTS = ["please block my card, it was stolen", "rain", "who won the game tonight? our team was slow", "soup"]
SENTENCES: list[Any] = [["our", "slow", "team", "won"], "cold wind and rain today", ["salt"]]

Checkpoints = Callable[[str], Path]
WriteRun = Callable[..., Path]


@pytest.fixture(scope="module")
def run(checkpoint: Checkpoints, tmp_path_factory: pytest.TempPathFactory) -> WriteRun:
    """`run("bert", "lora", "tag", seed)` is a run directory, made once: never write to it."""
    made: dict[Any, Path] = {}

    def write(family: str, method: str = "lora", kind: str = "classify", seed: int = 0) -> Path:
        key = (family, method, kind, seed)
        if key not in made:
            folder = tmp_path_factory.mktemp("runs") / "run"
            tagging: dict[str, Any] = {"kind": "token-classification", "labels": TAGS} if kind == "tag" else {}
            options = {"num_layers": 1} if method == "last-layers" else None
            made[key] = write_adapter_run(folder, checkpoint(family), method, seed=seed, options=options, **tagging)
        return made[key]

    return write


def difference(one: Any, other: Any) -> float:
    """Returns the largest difference of numbers; everything else must be equal."""
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        return max((difference(value, other[key]) for key, value in one.items()), default=0.0)
    if isinstance(one, list):
        return max((difference(*pair) for pair in zip(one, other, strict=True)), default=0.0)
    if isinstance(one, float):
        return abs(one - other)
    assert one == other
    return 0.0


def alone(folder: Path, inputs: list[Any]) -> list[Any]:
    return ftkit.load(folder, device="cpu").predict(inputs)


def bank_of(**runs: Path) -> ftkit.AdapterBank:
    bank = ftkit.AdapterBank(device="cpu")
    for name, folder in runs.items():
        bank.add(name, folder)
    return bank


def mixed_requests(names: list[str]) -> list[ftkit.Request]:
    """Requests of all adapters by turns, of different lengths; a name that ends in `tag` is a tagger's."""
    return [
        ftkit.Request(name, (SENTENCES if name.endswith("tag") else TEXTS)[turn])
        for turn in range(len(SENTENCES))
        for name in names
    ]


@contextmanager
def counted_forwards(body: str) -> Iterator[list[int]]:
    """Collects the rows of every forward pass of modules of a class."""
    sizes: list[int] = []

    def note(module: torch.nn.Module, args: Any, output: Any) -> None:
        if type(module).__name__ == body:
            sizes.append(len(output.last_hidden_state))

    handle = register_module_forward_hook(note)
    try:
        yield sizes
    finally:
        handle.remove()


# --- the contract ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("family", "turn"), [("bert", 1), *((family, 0) for family in FAMILIES)])
def test_every_method_says_in_the_bank_what_it_says_alone(family: str, turn: int, run: WriteRun) -> None:
    """Adapters of every method, classifiers and taggers by turns, all in one bank and asked in one call."""
    runs = {}
    for index, method in enumerate(METHODS):
        kinds = ("classify", "tag") if (index + turn) % 2 else ("tag", "classify")
        possible = [kind for kind in kinds if (method, kind, family) not in IMPOSSIBLE]
        runs |= {f"{method}_{kind}": run(family, method, kind) for kind in possible[:1]}
    runs["other_classify"] = run(family, "lora", "classify", 1)
    bank = bank_of(**runs)
    assert set(bank.mixed) == {name for name in runs if name.split("_")[0] in MIXED | {"other"}}
    requests = mixed_requests(bank.names)
    found = bank.predict(requests)
    for name, folder in runs.items():
        places = [index for index, request in enumerate(requests) if request.adapter == name]
        expected = alone(folder, [requests[index].input for index in places])
        assert difference([found[index] for index in places], expected) <= TOLERANCE, name
    # The adapters differ, or mixing them up would not show.
    same_text = [found[index]["score"] for index, request in enumerate(requests) if request.input == TEXTS[0]]
    assert len({round(score, 3) for score in same_text}) > 1


@pytest.mark.parametrize(
    ("family", "body", "kinds"),
    [
        ("bert", "BertModel", ("classify", "tag")),
        ("albert", "AlbertModel", ("classify", "tag")),
        ("gpt2", "GPT2Model", ("classify", "tag")),
        ("llama", "LlamaModel", ("classify", "tag")),
        ("t5", "T5Model", ("classify", "classify")),
        ("bart", "BartModel", ("classify", "classify")),
    ],
)
def test_one_forward_pass_serves_many_adapters(family: str, body: str, kinds: tuple[str, str], run: WriteRun) -> None:
    runs = {"a": run(family, "lora", kinds[0]), "b": run(family, "head-only", "classify"), "c_tag": None}
    runs["c_tag" if kinds[1] == "tag" else "c"] = run(family, "lora", kinds[1], 1)
    bank = bank_of(**{name: folder for name, folder in runs.items() if folder is not None})
    requests = mixed_requests(bank.names)
    with counted_forwards(body) as sizes:
        bank.predict(requests)
    assert sum(sizes) == len(requests)
    assert max(sizes) > len(requests) / len(bank.names)  # of one adapter there are fewer rows


def test_a_shared_forward_pass_that_memory_is_too_small_for_is_computed_in_halves(run: WriteRun) -> None:
    bank = bank_of(a=run("bert", "lora"), b=run("bert", "head-only"), c_tag=run("bert", "lora", "tag", 1))
    requests = mixed_requests(bank.names)
    expected = bank.predict(requests)

    def take(module: torch.nn.Module, args: Any, output: Any) -> None:
        if type(module).__name__ == "BertLayer" and len(args[0]) > 4:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    handle = register_module_forward_hook(take)
    try:
        with counted_forwards("BertModel") as sizes:
            found = bank.predict(requests)
    finally:
        handle.remove()
    assert sum(sizes) == len(requests)
    assert 1 < max(sizes) <= 4
    assert difference(expected, found) < TOLERANCE


@pytest.mark.parametrize("first", ["classify", "tag"])
def test_the_bare_checkpoints_pooler_may_come_first_or_later(first: str, run: WriteRun) -> None:
    """A tagger's body has no pooler; a classifier trained its own, as this checkpoint has none."""
    second = "tag" if first == "classify" else "classify"
    runs = {f"x_{first}": run("bert", "lora", first), f"x_{second}": run("bert", "lora", second)}
    bank = bank_of(**runs)
    for name, folder in runs.items():
        inputs = SENTENCES if name.endswith("tag") else TEXTS
        assert difference(bank.predict([(name, item) for item in inputs]), alone(folder, inputs)) <= TOLERANCE


def test_a_pooler_that_the_checkpoint_has_serves_all(tmp_path: Path, checkpoint: Checkpoints) -> None:
    from transformers import BertModel

    base = shutil.copytree(checkpoint("bert"), tmp_path / "base")
    BertModel.from_pretrained(base).save_pretrained(base)
    runs = {
        "x_tag": write_adapter_run(tmp_path / "tag", base, kind="token-classification", labels=TAGS),
        "x": write_adapter_run(tmp_path / "classify", base),
    }
    bank = bank_of(**runs)
    assert bank.mixed == ["x_tag", "x"]
    requests = mixed_requests(bank.names)
    found = bank.predict(requests)
    for name, folder in runs.items():
        inputs = [request.input for request in requests if request.adapter == name]
        mine = [one for one, request in zip(found, requests, strict=True) if request.adapter == name]
        assert difference(mine, alone(folder, inputs)) <= TOLERANCE


def test_an_architecture_whose_rows_cannot_be_told_apart_runs_by_itself(run: WriteRun) -> None:
    """DeBERTa projects its table of relative positions, which all rows share, with layers that adapters change."""
    runs = {"a": run("deberta-v2"), "b": run("deberta-v2", seed=1)}
    bank = bank_of(**runs)
    assert bank.mixed == []
    found = bank.predict([(name, text) for text in TEXTS for name in runs])
    for index, folder in enumerate(runs.values()):
        assert difference(found[index::2], alone(folder, TEXTS)) <= TOLERANCE


def test_an_adapter_with_embeddings_of_its_own_runs_by_itself(
    tmp_path: Path, checkpoint: Checkpoints, run: WriteRun
) -> None:
    folder = write_adapter_run(tmp_path / "run", checkpoint("bert"), model={"add_tokens": ["cashback"]})
    bank = bank_of(a=run("bert"), b=folder)
    assert bank.mixed == ["a"]
    texts = ["my cashback, please", "rain"]
    found = bank.predict([(name, text) for text in texts for name in ("a", "b")])
    assert difference(found[::2], alone(run("bert"), texts)) <= TOLERANCE
    assert difference(found[1::2], alone(folder, texts)) <= TOLERANCE


def test_every_problem_type_and_pair_in_one_batch(tmp_path: Path, checkpoint: Checkpoints) -> None:
    spaces = {
        "topic": LabelSpace(TOPICS),
        "many": LabelSpace(("cold", "lost"), "multi_label_classification"),
        "number": LabelSpace(("score",), "regression"),
    }
    runs = {
        name: write_adapter_run(
            tmp_path / name, checkpoint("bert"), labels=space, columns={"text": "a", "text_pair": "b"}, seed=index
        )
        for index, (name, space) in enumerate(spaces.items())
    }
    runs["words_tag"] = write_adapter_run(
        tmp_path / "tag", checkpoint("bert"), kind="token-classification", labels=TAGS
    )
    pair = ("is the soup too cold?", "a cold wind")
    inputs: dict[str, Any] = {"topic": pair, "many": pair, "number": pair, "words_tag": SENTENCES[0]}
    bank = bank_of(**runs)
    with counted_forwards("BertModel") as sizes:
        found = bank.predict(list(inputs.items()))
    assert sizes == [4]  # the tagger's row, which has no token types, lies with the others
    for (name, item), prediction in zip(inputs.items(), found, strict=True):
        assert difference([prediction], alone(runs[name], [item])) <= TOLERANCE


def test_documents_in_windows_and_decoders_that_read_both_ways(tmp_path: Path, checkpoint: Checkpoints) -> None:
    """Long documents take several rows; causal and unmasked taggers share weights, but no batch."""
    tagging: dict[str, Any] = {"kind": "token-classification", "labels": TAGS}
    runs = {
        "causal": write_adapter_run(tmp_path / "a", checkpoint("llama"), **tagging),
        "unmasked": write_adapter_run(
            tmp_path / "b", checkpoint("llama"), model={"attention": "bidirectional"}, seed=1, **tagging
        ),
        "other": write_adapter_run(tmp_path / "c", checkpoint("llama"), seed=2, **tagging),
    }
    document = [*TEXTS[2].split(), *TEXTS[0].split()] * 8
    bank = bank_of(**runs)
    assert bank.mixed == list(runs)
    found = bank.predict([(name, document) for name in runs])
    for name, prediction in zip(runs, found, strict=True):
        assert difference([prediction], alone(runs[name], [document])) <= TOLERANCE


def test_what_writes_texts_is_served_one_by_one(tmp_path: Path, checkpoint: Checkpoints, run: WriteRun) -> None:
    writer = write_adapter_run(
        tmp_path / "run",
        checkpoint("t5"),
        kind="translation",
        labels=None,
        source_lang="en",
        target_lang="de",
        max_new_tokens=6,
    )
    bank = bank_of(topics=run("t5"), german=writer)
    assert bank.mixed == ["topics"]
    found = bank.predict([("german", "the rain"), ("topics", "the rain"), ("german", "our team won")])
    assert [found[0], found[2]] == alone(writer, ["the rain", "our team won"])
    assert difference([found[1]], alone(run("t5"), ["the rain"])) <= TOLERANCE


# --- adding and removing --------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["lora", "bitfit"])
def test_others_do_not_change_by_a_bit(method: str, run: WriteRun) -> None:
    bank = bank_of(a=run("bert"), b_tag=run("bert", "head-only", "tag"), c=run("bert", "layernorm"))
    requests = mixed_requests(bank.names)
    before = bank.predict(requests)
    bank.add("late", run("bert", method, "classify", 1))
    late = bank.predict([("late", TEXTS[0])])
    assert bank.predict(requests) == before
    bank.remove("late")
    assert bank.names == ["a", "b_tag", "c"]
    assert bank.predict(requests) == before
    bank.remove("a")  # the first: its body is the one that the others run through
    rest = [index for index, request in enumerate(requests) if request.adapter != "a"]
    found = bank.predict([requests[index] for index in rest])
    assert difference(found, [before[index] for index in rest]) <= TOLERANCE
    bank.add("late", run("bert", method, "classify", 1))
    assert difference(bank.predict([("late", TEXTS[0])]), late) <= TOLERANCE


def test_memory_is_one_base_and_small_adapters(run: WriteRun, checkpoint: Checkpoints) -> None:
    bank = bank_of(a=run("bert"), b_tag=run("bert", "lora", "tag"), c=run("bert", "dora"))
    memory = bank.memory()
    from transformers import BertModel

    body = BertModel.from_pretrained(checkpoint("bert"), add_pooling_layer=False)
    different = {(tensor.shape, tensor.numpy().tobytes()): tensor.nbytes for tensor in body.state_dict().values()}
    assert memory.base == sum(different.values()) + sum(buffer.nbytes for buffer in body.buffers())
    rank, hidden, wide = 16, 32, 64
    lora = 4 * 2 * rank * (4 * 2 * hidden + 2 * (hidden + wide))  # bytes, layers, rank, (in + out) of six matrices
    pooler = 4 * (hidden + 1) * hidden
    assert memory.adapters["a"] == lora + pooler + 4 * 3 * (hidden + 1)
    assert memory.adapters["b_tag"] == lora + 4 * 3 * (hidden + 1)
    assert lora < memory.adapters["c"] < memory.base
    bank.remove("a")
    assert bank.memory() == (memory.base, {"b_tag": memory.adapters["b_tag"], "c": memory.adapters["c"]})


def test_what_an_adapter_writes_over_is_its_own(run: WriteRun) -> None:
    """Bitfit's biases are loaded in place of the base's, also where that was loaded for it."""
    first, later = bank_of(x=run("bert", "bitfit")), bank_of(a=run("bert"), x=run("bert", "bitfit"))
    assert first.memory().adapters["x"] == later.memory().adapters["x"] > 4 * 2 * (32 * 5 + 64 + 2 * 32)


def test_equal_tokenizers_are_kept_once(run: WriteRun, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of those that were loaded, one stays: by the tagger, too, whose words it cuts into pieces."""
    runs = {"a": run("bert"), "b_tag": run("bert", "dora", "tag"), "c": run("bert", seed=1)}
    loaded: list[Any] = []

    def load(spec: CheckpointSpec) -> Any:
        loaded.append(weakref.ref(tokenizer := load_tokenizer(spec)))
        return tokenizer

    monkeypatch.setattr(tokens, "load_tokenizer", load)
    bank = bank_of(**runs)
    gc.collect()
    assert len(loaded) == len(bank.names) == 3
    assert sum(tokenizer() is not None for tokenizer in loaded) == 1


def test_a_bank_may_be_told_where_its_base_lies(tmp_path: Path, checkpoint: Checkpoints) -> None:
    base = shutil.copytree(checkpoint("bert"), tmp_path / "base")
    folder = write_adapter_run(tmp_path / "run", base)
    expected = alone(folder, TEXTS)
    moved = base.rename(tmp_path / "moved")
    bank = ftkit.AdapterBank(moved, device="cpu")
    bank.add("a", folder)
    assert difference(bank.predict([("a", text) for text in TEXTS]), expected) <= TOLERANCE


def test_threads_may_share_a_bank(run: WriteRun) -> None:
    bank = bank_of(a=run("bert"), b=run("bert", seed=1), c_tag=run("bert", "ia3", "tag"))
    requests = mixed_requests(bank.names)
    expected = bank.predict(requests)
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(bank.predict(requests))) for _ in range(4)]
    for thread in threads:
        thread.start()
    bank.add("late", run("bert", "head-only"))
    for thread in threads:
        thread.join()
    assert found == [expected] * 4


# --- refusals -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "a.b", "a/b", "../x", "/tmp/x", "ä", "a b", "x" * 65, "a\n", None])
def test_a_name_that_could_be_a_path_is_refused_before_anything_is_read(name: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be called") as caught:
        ftkit.AdapterBank(device="cpu").add(name, tmp_path / "no such run")
    assert "1 to 64 letters" in str(caught.value)


def test_names_that_are_taken_are_refused(run: WriteRun) -> None:
    bank = bank_of(a=run("bert"))
    with pytest.raises(UserError, match="already has an adapter 'a', from .*run"):
        bank.add("a", run("bert", seed=1))
    with pytest.raises(UserError, match="a module of the base is"):
        bank.add("encoder", run("bert", seed=1))
    assert bank.names == ["a"]


def test_an_adapter_of_another_base_is_refused(run: WriteRun, tmp_path: Path, checkpoint: Checkpoints) -> None:
    import tiny

    bank = bank_of(a=run("bert"))
    expected = bank.predict([("a", TEXTS[0])])
    other = write_adapter_run(tmp_path / "run", tiny.make_checkpoint("bert", tmp_path / "other", seed=1))
    for stranger in (other, run("roberta")):
        with pytest.raises(CheckpointError, match="is not the base of the adapter.*make another AdapterBank"):
            bank.add("b", stranger)
    assert bank.names == ["a"]
    assert bank.predict([("a", TEXTS[0])]) == expected
    with pytest.raises(CheckpointError, match="is not the base"):
        ftkit.AdapterBank(checkpoint("bert"), device="cpu").add("b", other)


def test_an_adapter_of_another_commit_is_refused(run: WriteRun, tmp_path: Path) -> None:
    folders = []
    for commit in ("c0ffee", "decaf"):
        folder = shutil.copytree(run("bert"), tmp_path / commit)
        config = load_config(folder / CONFIG_FILE)
        assert config.run is not None
        assert config.run.base is not None
        base = config.run.base.model_copy(update={"commit": commit})
        facts = config.run.model_copy(update={"base": base})
        (folder / CONFIG_FILE).write_text(config.model_copy(update={"run": facts}).to_yaml())
        folders.append(folder)
    bank = bank_of(a=folders[0])
    with pytest.raises(CheckpointError, match="commit decaf.*on c0ffee"):
        bank.add("b", folders[1])


def test_a_run_that_saved_a_whole_model_is_refused(run: WriteRun, tmp_path: Path) -> None:
    folder = shutil.copytree(run("bert"), tmp_path / "full")
    config = load_config(folder / CONFIG_FILE)
    assert config.run is not None
    facts = config.run.model_copy(update={"base": None})
    (folder / CONFIG_FILE).write_text(config.model_copy(update={"run": facts}).to_yaml())
    with pytest.raises(UserError, match="whole model"):
        ftkit.AdapterBank(device="cpu").add("a", folder)


def test_a_damaged_adapter_leaves_the_bank_as_it_was(run: WriteRun, tmp_path: Path) -> None:
    folder = shutil.copytree(run("bert"), tmp_path / "damaged")
    weights = folder / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    bank = ftkit.AdapterBank(device="cpu")
    with pytest.raises(CheckpointError, match="SHA-256"):
        bank.add("a", folder)
    bank.add("a", run("gpt2"))  # it took no base
    assert bank.names == ["a"]


def test_bad_requests_are_named(run: WriteRun) -> None:
    bank = bank_of(intents=run("bert"), words_tag=run("bert", "lora", "tag"))
    assert bank.predict([]) == []
    with pytest.raises(UserError, match="item 1: no adapter 'intent'.* Did you mean 'intents'"):
        bank.predict([("intents", "rain"), ("intent", "rain")])
    with pytest.raises(UserError, match=r"item 0: expected a pair \(adapter, input\), got 'rain'"):
        bank.predict(["rain"])  # type: ignore[list-item]
    with pytest.raises(DataError, match="item 0: expected a text"):
        bank.predict([("intents", 3)], on_bad_row="error")  # type: ignore[list-item]
    with pytest.raises(UserError, match="on_bad_row: there is no 'none'"):
        bank.predict([], on_bad_row="none")  # type: ignore[arg-type]
    with pytest.raises(UserError, match="no adapter 'x'"):
        bank.remove("x")


def test_bad_requests_are_answered_in_their_place(run: WriteRun, capsys: pytest.CaptureFixture[str]) -> None:
    bank = bank_of(intents=run("bert"), words_tag=run("bert", "lora", "tag"))
    requests: list[Any] = [
        ("intents", " "),
        ("words_tag", []),
        ("intents", "rain"),
        ("intents", 3),
        ("words_tag", "rain"),
    ]
    found = bank.predict(requests)
    expected = bank.predict([requests[2], requests[4]])
    assert found[2]["scores"] == pytest.approx(expected[0]["scores"], abs=1e-6)
    assert found[4]["tags"] == expected[1]["tags"]
    assert [row.get("error", "")[:23] for row in found] == [
        *("the text is empty", "the sentence is empty", "", "inputs, item 3: expecte", ""),
    ]
    assert (found[0]["label"], found[1]["tags"]) == (None, None)
    assert "item 0" in capsys.readouterr().err
    assert len(bank.predict(requests, on_bad_row="skip")) == 2
    assert [row["error"] for row in bank.predict(requests[:2])] == ["the text is empty", "the sentence is empty"]
    with pytest.raises(DataError, match="the text is empty"):
        bank.predict(requests[:3], on_bad_row="error")
