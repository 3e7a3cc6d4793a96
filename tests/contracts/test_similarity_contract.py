"""What sentence similarity keeps to, whatever the checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ftkit.adapters.objectives.similarity import cosines, unit
from ftkit.adapters.task_adapter import TaskAdapter
from ftkit.data.similarity import SimilarityExample
from ftkit.kinds.table import find_kind
from ftkit.models.checkpoint import inspect_checkpoint
from ftkit.models.spec import ModelSpec

MODEL_TYPES = ("bert", "roberta", "modernbert", "deberta-v2", "gpt2", "llama")
every_model_type = pytest.mark.parametrize("model_type", MODEL_TYPES)
RAIN, WIND, CARD, LOST = "the cold rain", "cold wind and rain", "my card", "who stolen my card today"
SCORED = [
    SimilarityExample(0, RAIN, WIND, score=1.0),
    SimilarityExample(1, RAIN, CARD, score=0.1),
    SimilarityExample(2, CARD, LOST, score=0.9),
    SimilarityExample(3, LOST, WIND, score=0.0),
]
PAIRS = [SimilarityExample(0, RAIN, WIND), SimilarityExample(1, CARD, LOST)]
TRIPLETS = [SimilarityExample(0, RAIN, WIND, ("salt",)), SimilarityExample(1, CARD, LOST, ("salt", "our team won"))]


def make(folder: Path, **options: Any) -> TaskAdapter:
    spec = inspect_checkpoint(ModelSpec(checkpoint=str(folder)))
    return find_kind("sentence-similarity").task_adapter(spec).make(spec, None, options=options)


def finished(adapter: TaskAdapter, model: Any, examples: Sequence[SimilarityExample], **how: Any) -> Any:
    encoded = adapter.preprocessor.encode(examples, **{"targets": False, **how})
    batch = adapter.preprocessor.collate(encoded.rows.to_list(), training=False, rngs=None)
    arrays = {
        name: tensor.detach().numpy() for name, tensor in (adapter.objective.predict(model, batch) or {}).items()
    }
    return adapter.objective.finish(arrays, encoded, 0, len(encoded))


def learn(adapter: TaskAdapter, examples: Sequence[SimilarityExample], below: float) -> Any:
    torch.manual_seed(0)
    loaded = adapter.objective.build()
    assert not loaded.new_parameters, "a body without a head has nothing new"
    model = loaded.model.eval()
    optimizer = torch.optim.AdamW([weight for weight in model.parameters() if weight.requires_grad], lr=5e-3)
    rows = adapter.preprocessor.encode(examples, targets=True).rows.to_list()
    batch = adapter.preprocessor.collate(rows, training=True, rngs=None)
    for _ in range(80):
        losses_B = adapter.objective.loss(model(**batch.inputs), batch)
        assert losses_B.shape == (len(examples),)
        if losses_B.max() < below:
            return model
        losses_B.mean().backward()
        optimizer.step()
        optimizer.zero_grad()
    pytest.fail("not learnt")


@every_model_type
def test_learns_which_texts_are_alike(model_type: str, checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    """The order of scores is learnt, alone as in any batch, and plain transformers and mean pooling give the same."""
    from transformers import AutoModel, AutoTokenizer

    adapter = make(checkpoint(model_type))
    model = learn(adapter, SCORED, below=0.5)
    found = finished(adapter, model, SCORED)["predictions"]
    assert np.argsort(-found).tolist() == [0, 2, 1, 3]
    alone = [finished(adapter, model, [example])["predictions"][0] for example in SCORED]
    np.testing.assert_allclose(found, alone, atol=1e-5)
    model.save_pretrained(tmp_path)
    adapter.preprocessor.save(tmp_path)
    tokens = AutoTokenizer.from_pretrained(tmp_path)([RAIN, WIND], padding=True, return_tensors="pt")
    with torch.inference_mode():
        states = AutoModel.from_pretrained(tmp_path).eval()(**tokens).last_hidden_state
    mask = tokens["attention_mask"][:, :, None]
    vectors = ((states * mask).sum(dim=1) / mask.sum(dim=1)).numpy()
    assert cosines(vectors[:1], vectors[1:])[0, 0] == pytest.approx(found[0], abs=1e-5)


@pytest.mark.parametrize("examples", [PAIRS, TRIPLETS], ids=["pairs", "triplets"])
def test_learns_which_text_belongs_to_which(
    examples: list[SimilarityExample], checkpoint: Callable[[str], Path]
) -> None:
    adapter = make(checkpoint("bert"), form="pairs")
    model = learn(adapter, examples, below=0.2)
    arrays = finished(adapter, model, examples)
    vectors = arrays["predictions"]
    assert [len(of_row) for of_row in vectors] == [len(example.texts) for example in examples]
    for own, other in ((0, 1), (1, 0)):
        near, far = cosines(vectors[own][:1], np.stack([vectors[own][1], vectors[other][1]]))[0]
        assert near > far
    for example, decoded in zip(examples, adapter.objective.decode(arrays, examples), strict=True):
        assert -1 <= decoded["score"] <= 1
        assert len(decoded.get("negative_scores", ())) == len(example.negatives)


@pytest.mark.parametrize("pooling", ["mean", "cls", "max", "last"])
def test_a_pooling_reads_no_padding(pooling: str, checkpoint: Callable[[str], Path]) -> None:
    adapter = make(checkpoint("bert"), pooling=pooling, normalize=True)
    model = adapter.objective.build().model.eval()
    examples = [SimilarityExample(0, RAIN), SimilarityExample(1, "rain " * 9)]
    arrays = finished(adapter, model, examples)
    short = adapter.objective.decode(arrays, examples)[0]["embedding"]
    with torch.inference_mode():
        tokens = adapter.preprocessor.processor([RAIN], return_tensors="pt")
        states_TD = model(**tokens).last_hidden_state[0]
    expected = {"mean": states_TD.mean(0), "cls": states_TD[0], "max": states_TD.amax(0), "last": states_TD[-1]}
    np.testing.assert_allclose(short, unit(expected[pooling].numpy()), atol=1e-5)


def test_a_row_holds_the_texts_of_an_example(checkpoint: Callable[[str], Path]) -> None:
    preprocessor = make(checkpoint("bert"), prompts={"text": "who ", "text_pair": "my "}).preprocessor
    encoded = preprocessor.encode([SimilarityExample(0, "rain", "the cup", ("card",))], targets=True)
    (row,) = encoded.rows.to_list()
    tokens = [" ".join(preprocessor.processor.convert_ids_to_tokens(ids)) for ids in row["input_ids"]]
    assert tokens == ["[CLS] who rain [SEP]", "[CLS] my the cup [SEP]", "[CLS] my card [SEP]"]
    assert row["num_texts"] == len(set(row["labels"])) == 3
    assert encoded.costs.tolist() == [15]
    scored = preprocessor.encode(SCORED, targets=True).rows.to_list()
    batch = preprocessor.collate(scored, training=True, rngs=None)
    assert (len(batch), batch.row_counts, batch.labels.tolist()) == (
        *(4, [2, 2, 2, 2]),
        pytest.approx([1, 0.1, 0.9, 0]),
    )


def test_a_scored_loss_is_the_same_in_any_batches(checkpoint: Callable[[str], Path]) -> None:
    """It compares groups that are drawn once, whatever the machine computes at a time."""
    adapter = make(checkpoint("bert"), form="pairs")
    model = adapter.objective.build().model.eval()
    examples = [SimilarityExample(row, f"{RAIN} {row}", f"{CARD} {row}") for row in range(70)]
    once, again = (finished(adapter, model, examples, targets=True)["loss"] for _ in range(2))
    np.testing.assert_array_equal(once, again)
    assert once.shape == (70,)
    assert once.mean() == pytest.approx(np.log(35), abs=0.5), "of 35 candidates, to a model that knows nothing"


def test_sentence_transformers_opens_what_is_saved(checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    sentence_transformers = pytest.importorskip("sentence_transformers")
    for model_type, options in (
        ("bert", {"normalize": True, "prompts": {"text": "who ", "text_pair": "my "}}),
        ("roberta", {"pooling": "max"}),
        ("gpt2", {"pooling": "last", "prompts": {"text": "my ", "text_pair": "my "}}),
    ):
        folder = tmp_path / model_type
        adapter = make(checkpoint(model_type), **options)
        model = adapter.objective.build().model.eval()
        model.save_pretrained(folder)
        adapter.preprocessor.save(folder)
        adapter.objective.save(model, folder)
        examples = [SimilarityExample(0, RAIN), SimilarityExample(1, LOST)]
        found = [row["embedding"] for row in adapter.objective.decode(finished(adapter, model, examples), examples)]
        opened = sentence_transformers.SentenceTransformer(str(folder), device="cpu")
        prompt = {"prompt_name": "query"} if model_type == "bert" else {}
        np.testing.assert_allclose(opened.encode([RAIN, LOST], **prompt), found, atol=1e-5)
        assert opened.similarity_fn_name == "cosine"
        again = make(folder)  # and so does ftkit, by the same files
        assert again.resolved_options == adapter.resolved_options
