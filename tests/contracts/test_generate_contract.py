"""What every model that writes text keeps to, whatever its checkpoint. A new family only adds data."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import fresh
import tiny
from ftkit.engine.batching import BatchLimits
from ftkit.engine.predicting import predict_windows
from pairs import make_pairs, make_sources, make_translator

SOURCES = [text for text, _ in tiny.EXAMPLES[:8]]
# One of the vocabularies knows no capital letters.
TARGETS = [" ".join(reversed(text.lower().split())) for text in SOURCES]
PAIRS = list(zip(SOURCES, TARGETS, strict=True))
MAX_STEPS, LEARNING_RATE = 200, 5e-3
LIMITS = BatchLimits(64, 4096)


@dataclass(frozen=True)
class Case:
    """A checkpoint that writes.

    Attributes:
        model: its name in `tiny`; of a joined one, what reads.
        decoder: what writes, of a joined one.
        options: what the adapter is made with.
        row: tokens of the pair ("card", "rain"): what is read, `|`, and what is to be written.
        start: what an encoder-decoder's decoder reads first.
    """

    model: str
    row: str
    start: str | None = None
    decoder: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


MBART = {"source_lang": "en_XX", "target_lang": "de_DE"}
NLLB = {"source_lang": "eng_Latn", "target_lang": "deu_Latn"}
TEMPLATE = {"prompt_template": "{source} is"}

CASES = {
    "marian": Case("marian", "▁card </s> | ▁rain </s>", start="<pad>"),
    "t5": Case("t5", "▁add ▁card </s> | ▁rain </s>", start="<pad>", options={"prompt_template": "add {source}"}),
    "bart": Case("bart", "<s> c a r d </s> | <s> r a i n </s>", start="</s>"),
    "mbart": Case("mbart", "▁card </s> en_XX | ▁rain </s>", start="de_DE", options=MBART),
    "nllb": Case("nllb", "eng_Latn ▁card </s> | deu_Latn ▁rain </s>", start="</s>", options=NLLB),
    "gpt2": Case("gpt2", "c a r d Ġis | Ġrain <|endoftext|>", options=TEMPLATE),
    "llama": Case("llama", "<s> ▁card ▁is | ▁rain </s>", options=TEMPLATE),
    "qwen2": Case("qwen2", "c a r d Ġis | Ġrain <|endoftext|>", options=TEMPLATE),
    "bert2bert": Case("bert", "[CLS] card [SEP] | rain [SEP]", start="[CLS]", decoder="bert"),
    "bert2gpt": Case("bert", "[CLS] card [SEP] | r a i n <|endoftext|>", start="<|endoftext|>", decoder="gpt2"),
}
every_case = pytest.mark.parametrize("name", CASES)
Trained = tuple[Any, Any]
"""A task adapter, and its model."""


def make_adapter(name: str, checkpoint: Callable[[str], Path], **options: Any) -> Any:
    case = CASES[name]
    decoder = None if case.decoder is None else checkpoint(case.decoder)
    return make_translator(checkpoint(case.model), decoder, **{**case.options, **options})


@torch.inference_mode()
def write(adapter: Any, model: Any, sources: Sequence[str]) -> list[str]:
    examples = make_sources(*sources)
    encoded = adapter.preprocessor.encode(examples, targets=False)
    ((_, _, arrays),) = predict_windows(model, adapter, encoded, LIMITS)
    return [row["prediction"] for row in adapter.objective.decode(arrays, examples)]


@pytest.fixture(scope="module")
def trained(checkpoint: Callable[[str], Path]) -> Callable[[str], Trained]:
    """`trained("t5")` is an adapter and its model after it has learnt eight pairs by heart; made once."""
    made: dict[str, Trained] = {}

    def train(name: str) -> Trained:
        if name not in made:
            made[name] = learn_by_heart(make_adapter(name, checkpoint))
        return made[name]

    return train


def learn_by_heart(adapter: Any) -> Trained:
    torch.manual_seed(0)
    adapter.preprocessor.fit(make_pairs(*PAIRS))
    encoded = adapter.preprocessor.encode(make_pairs(*PAIRS), targets=True)
    model: Any = adapter.objective.build().model.eval()
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE)
    batch = tiny.batch_of(adapter, encoded)
    quick = adapter.for_validation()
    for step in range(MAX_STEPS):
        loss = adapter.objective.loss(model(**batch.inputs), batch).sum() / adapter.count_items(encoded)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if step % 10 == 9 and loss < 0.1 and write(quick, model, SOURCES) == TARGETS:
            return adapter, model
    pytest.fail(f"not learnt in {MAX_STEPS} steps: {write(quick, model, SOURCES)}")


@every_case
def test_learns_eight_pairs_by_heart(name: str, trained: Callable[[str], Trained]) -> None:
    adapter, model = trained(name)
    assert write(adapter, model, SOURCES) == TARGETS  # with beams, as the final score


@every_case
def test_writes_the_same_alone_and_in_a_padded_batch(name: str, trained: Callable[[str], Trained]) -> None:
    adapter, model = trained(name)
    sources = [*SOURCES, "rain", "the cold rain and the salt in the soup " * 2]
    together = write(adapter, model, sources)
    assert [write(adapter, model, [source])[0] for source in sources] == together
    assert write(adapter, model, sources[::-1])[::-1] == together


@every_case
def test_rows(name: str, checkpoint: Callable[[str], Path]) -> None:
    reads = make_adapter(name, checkpoint).preprocessor
    row = reads.encode(make_pairs(("card", "rain")), targets=True).rows[0]
    read, write_ = (part.split() for part in CASES[name].row.split(" | "))
    target_tokenizer = reads.target_tokenizer
    labels = [id_ for id_ in row["labels"] if id_ != -100]
    assert target_tokenizer.convert_ids_to_tokens(labels) == write_
    ids = row["input_ids"]
    if "decoder_input_ids" in row:
        expected = [CASES[name].start, *write_[:-1]]
        assert target_tokenizer.convert_ids_to_tokens(row["decoder_input_ids"]) == expected
    else:
        assert row["labels"][: len(read)] == [-100] * len(read)
        ids = ids[: len(read)]
    assert reads.processor.convert_ids_to_tokens(ids) == read


@every_case
def test_a_prompt_never_holds_the_target(name: str, checkpoint: Callable[[str], Path]) -> None:
    reads = make_adapter(name, checkpoint).preprocessor
    with_target = reads.encode(make_pairs(*PAIRS), targets=False).rows.to_list()
    without = reads.encode(make_sources(*SOURCES), targets=False).rows.to_list()
    assert with_target == without
    assert with_target[0].keys() == {"input_ids"}


@every_case
def test_search_is_saved_with_the_model(name: str, trained: Callable[[str], Trained]) -> None:
    adapter, model = trained(name)
    config = model.generation_config
    longest = max(len(labels) for labels in _targets(adapter))
    assert config.max_new_tokens == int(np.ceil(longest * 1.25))
    assert config.max_length is None
    assert (config.num_beams, adapter.for_validation().objective.num_beams) == (4, 1)
    assert config.do_sample is False
    assert config.pad_token_id is not None
    if name == "nllb":
        assert config.forced_bos_token_id == adapter.preprocessor.processor.convert_tokens_to_ids("deu_Latn")


def _targets(adapter: Any) -> list[list[int]]:
    rows = adapter.preprocessor.encode(make_pairs(*PAIRS), targets=True).rows["labels"]
    return [[id_ for id_ in row if id_ != -100] for row in rows]


@pytest.mark.parametrize("name", ["bert2bert", "bert2gpt"])
def test_cross_attention_is_new(name: str, checkpoint: Callable[[str], Path]) -> None:
    built = make_adapter(name, checkpoint).objective.build()
    names = {parameter for parameter, _ in built.model.named_parameters()}
    cross = {parameter for parameter in names if "crossattention" in parameter or "ln_cross_attn" in parameter}
    assert cross
    assert cross <= built.new_parameters <= names
    assert all(parameter.requires_grad for key, parameter in built.model.named_parameters() if key in cross)


# --- what is saved ---

RELOAD = """
import json, sys
sys.path[:0] = sys.argv[1:]
import test_generate_contract as contract
from pairs import make_translator

found = {}
for name, (folder, options) in json.load(sys.stdin).items():
    adapter = make_translator(folder, **options)
    found[name] = contract.write(adapter, adapter.objective.build().model.eval(), contract.SOURCES)
json.dump(found, sys.stdout)
"""


@pytest.fixture(scope="module")
def reloaded(trained: Callable[[str], Trained], tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What a new process writes with every saved model; one process for all."""
    saved = {}
    for name, case in CASES.items():
        adapter, model = trained(name)
        folder = tmp_path_factory.mktemp(f"saved-{name}")
        model.save_pretrained(folder)
        adapter.preprocessor.save(folder)
        saved[name] = (str(folder), {**case.options, **adapter.preprocessor.resolved_options})
    tests = Path(__file__).resolve().parent
    process = fresh.python("-c", RELOAD, tests, tests.parent, input=json.dumps(saved))
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout)


@every_case
def test_writes_the_same_after_reloading(name: str, reloaded: dict[str, list[str]]) -> None:
    assert reloaded[name] == TARGETS
