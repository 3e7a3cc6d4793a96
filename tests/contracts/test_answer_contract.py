"""What every model that answers questions keeps to, whatever its checkpoint. A new model type only adds data."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import fresh
import tiny
from ftkit.adapters.objective import Prediction
from ftkit.errors import CheckpointError
from questions import QUESTIONS, make_answerer, make_questions

MAX_STEPS, LEARNING_RATE = 80, 5e-3
TOLERANCE = 1e-5
WITHOUT_HEAD = ("marian", "pegasus")
RENAMED = ("llama", "qwen2", "qwen3")
"""transformers calls their body otherwise in a model that answers questions."""

MODEL_TYPES = (*tiny.MODEL_TYPES, "qwen3", "mistral")
CASES = (*MODEL_TYPES, "llama unmasked")
ANSWERS = [answer for _, _, answer in QUESTIONS]
LONG = "the cold rain and salt in the soup will not stop today " * 4

every_case = pytest.mark.parametrize("case", CASES)
Trained = tuple[Any, Any]
"""A task adapter, and its model."""


def answerer_of(folder: Path, case: str, **options: Any) -> Any:
    return make_answerer(folder, attention="bidirectional" if case.endswith(" unmasked") else None, **options)


@pytest.fixture(scope="module")
def trained(checkpoint: Callable[[str], Path]) -> Callable[[str], Trained]:
    """`trained("bert")` is an adapter and its model after it has learnt the questions; made once."""
    made: dict[str, Trained] = {}

    def train(case: str) -> Trained:
        if case not in made:
            answerer = answerer_of(checkpoint(case.split()[0]), case)
            made[case] = (answerer, overfit(answerer))
        return made[case]

    return train


def overfit(answerer: Any) -> Any:
    """Trains a fresh model on all questions at once until it has learnt them; without dropout."""
    torch.manual_seed(0)
    model = answerer.objective.build().model.eval()
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE)
    examples = make_questions(QUESTIONS)
    batch = tiny.batch_of(answerer, answerer.preprocessor.encode(examples, targets=True))
    for step in range(MAX_STEPS):
        if step % 4 == 0 and [row["answer"] for row in predict(answerer, model, examples)] == ANSWERS:
            return model
        answerer.objective.loss(model(**batch.inputs), batch).sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    pytest.fail(f"not learnt in {MAX_STEPS} steps")


@torch.inference_mode()
def predict(answerer: Any, model: Any, examples: Sequence[Any]) -> list[Prediction]:
    encoded = answerer.preprocessor.encode(examples, targets=False)
    arrays = {
        name: tensor.numpy()
        for name, tensor in answerer.objective.predict(model, tiny.batch_of(answerer, encoded)).items()
    }
    return answerer.objective.decode(answerer.objective.finish(arrays, encoded, 0, len(encoded)), examples)


@every_case
def test_learns_the_questions_by_heart(case: str, trained: Callable[[str], Trained]) -> None:
    answerer, model = trained(case)
    found = predict(answerer, model, make_questions((*row[:2], None) for row in QUESTIONS))
    assert [row["answer"] for row in found] == ANSWERS
    for row, (_, context, answer) in zip(found, QUESTIONS, strict=True):
        place = (context.index(answer), context.index(answer) + len(answer)) if answer else (None, None)
        assert (row["start"], row["end"]) == place
        assert 0 < row["score"] <= 1
        assert (row["no_answer_score"] > 0.5) is not bool(answer)


@every_case
def test_predicts_the_same_alone_and_in_any_batch(case: str, trained: Callable[[str], Trained]) -> None:
    answerer, model = trained(case)
    examples = make_questions([*((*row[:2], None) for row in QUESTIONS), ("who won", "rain " * 9, None)])
    together = predict(answerer, model, examples)
    backwards = predict(answerer, model, examples[::-1])[::-1]
    for example, one, other in zip(examples, together, backwards, strict=True):
        (alone,) = predict(answerer, model, [example])
        for row in (other, alone):
            assert row["answer"] == one["answer"]
            assert [row["score"], row["no_answer_score"]] == pytest.approx(
                [one["score"], one["no_answer_score"]], abs=TOLERANCE
            )


@every_case
def test_only_the_head_is_new_and_the_body_is_the_checkpoints(case: str, checkpoint: Callable[[str], Path]) -> None:
    folder = checkpoint(case.split()[0])
    built = answerer_of(folder, case).objective.build()
    head = "classifier" if case == "modernbert" else "qa_outputs"
    assert all(name.startswith(f"{head}.") or ".pooler." in name for name in built.new_parameters), (
        built.new_parameters
    )
    assert {f"{head}.weight", f"{head}.bias"} <= built.new_parameters
    assert all(parameter.dtype == torch.float32 for parameter in built.model.parameters())
    assert not any(tensor.is_meta for tensor in (*built.model.parameters(), *built.model.buffers()))
    saved = [tensor for tensor in load_file(folder / "model.safetensors").values() if tensor.ndim > 1]
    body = dict(built.model.named_parameters())
    for name in body.keys() - built.new_parameters:
        assert body[name].ndim < 2 or any(
            tensor.shape == body[name].shape and torch.equal(tensor, body[name]) for tensor in saved
        ), name


def test_the_place_of_no_answer_has_read_the_text(checkpoint: Callable[[str], Path]) -> None:
    places = {
        case: answerer_of(checkpoint(case.split()[0]), case)
        .preprocessor.encode(make_questions([("who", "my card", None)]), targets=False)
        .rows[0]
        for case in ("bert", "llama", "gpt2", "t5", "bart", "llama unmasked")
    }
    at_end = {case: row["no_answer_position"] == len(row["input_ids"]) - 1 for case, row in places.items()}
    assert at_end == {"bert": False, "llama": True, "gpt2": True, "t5": True, "bart": False, "llama unmasked": True}


@pytest.mark.parametrize("model_type", WITHOUT_HEAD)
def test_a_type_without_a_head_is_refused_before_weights_are_read(
    model_type: str, checkpoint: Callable[[str], Path]
) -> None:
    with pytest.raises(CheckpointError, match=f"no head for a '{model_type}' checkpoint .* It works for bert, "):
        make_answerer(checkpoint(model_type))


# --- long texts ---


@pytest.mark.parametrize("case", ["bert", "roberta", "gpt2", "llama", "t5", "xlm-roberta"])
def test_windows_find_the_answer_wherever_it_stands(case: str, trained: Callable[[str], Trained]) -> None:
    answerer, model = trained(case)
    short = answerer_of(Path(answerer.spec.path), case, max_length=36)
    contexts = [f"{LONG}our team won the game today", f"our team won the game today {LONG}"]
    examples = make_questions([("who won the game", context, "our team") for context in contexts])
    encoded = short.preprocessor.encode_to_score(examples).inputs
    assert encoded.costs.max() <= 36
    assert encoded.num_rows > 4
    assert len(encoded) == 2
    found = predict(short, model, examples)
    for row, context in zip(found, contexts, strict=True):
        assert all(entry["answer"] == context[entry["start"] : entry["end"]] for entry in row["n_best"])
    later = short.preprocessor.encode(examples, targets=False)
    arrays = short.objective.predict(model, tiny.batch_of(short, later))
    last = {name: tensor[later.first_rows[1] :].detach().numpy() for name, tensor in arrays.items()}
    (alone,) = short.objective.decode(short.objective.finish(last, later, 1, 2), examples[1:])
    assert alone["answer"] == found[1]["answer"]


# --- what is saved ---

LOAD_WITH_PLAIN_TRANSFORMERS = """
import json, sys
import torch
from transformers import AutoModelForQuestionAnswering, AutoTokenizer

results = {}
for name, (folder, rows) in json.load(sys.stdin).items():
    AutoTokenizer.from_pretrained(folder)
    model = AutoModelForQuestionAnswering.from_pretrained(folder)
    with torch.inference_mode():
        found = [model(**{key: torch.tensor([ids]) for key, ids in row.items()}) for row in rows]
    results[name] = [[row.start_logits[0].tolist(), row.end_logits[0].tolist()] for row in found]
assert "ftkit" not in sys.modules
json.dump(results, sys.stdout)
"""


def _plain_rows(answerer: Any) -> list[dict[str, list[int]]]:
    encoded = answerer.preprocessor.encode(make_questions((*row[:2], None) for row in QUESTIONS), targets=False)
    names = [name for name in ("input_ids", "token_type_ids") if name in encoded.rows.column_names]
    return encoded.rows.select_columns(names).to_list()


@pytest.fixture(scope="module")
def reloaded(trained: Callable[[str], Trained], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a new process without ftkit gets from every saved model; one process for all."""
    jobs = {}
    for case in CASES:
        folder = tmp_path_factory.mktemp("saved")
        answerer, model = trained(case)
        model.save_pretrained(folder)
        answerer.preprocessor.save(folder)
        jobs[case] = (str(folder), _plain_rows(answerer))
    process = fresh.python(
        *("-c", LOAD_WITH_PLAIN_TRANSFORMERS),
        input=json.dumps(jobs),
        cwd=tmp_path_factory.mktemp("elsewhere"),
    )
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout)


@every_case
def test_plain_transformers_predicts_the_same(
    case: str, trained: Callable[[str], Trained], reloaded: dict[str, Any]
) -> None:
    answerer, model = trained(case)
    for row, found in zip(_plain_rows(answerer), reloaded[case], strict=True):
        with torch.inference_mode():
            expected = model(**{name: torch.tensor([ids]) for name, ids in row.items()})
        np.testing.assert_allclose(found[0], expected.start_logits[0], atol=TOLERANCE, rtol=TOLERANCE)
        np.testing.assert_allclose(found[1], expected.end_logits[0], atol=TOLERANCE, rtol=TOLERANCE)


@pytest.mark.parametrize("model_type", RENAMED)
def test_transformers_alone_would_have_a_random_body(model_type: str, checkpoint: Callable[[str], Path]) -> None:
    """What these tests are for; where it fails transformers has been mended, and `renamed_bodies` can go."""
    from transformers import AutoModelForQuestionAnswering

    _, report = AutoModelForQuestionAnswering.from_pretrained(checkpoint(model_type), output_loading_info=True)
    assert any(".layers." in name for name in report["missing_keys"])
