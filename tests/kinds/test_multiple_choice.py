"""Multiple choice: what files look like, what is told of them, and a run end to end."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import ftkit
from ftkit.data.problems import Problems
from ftkit.data.readers import open_table
from ftkit.errors import DataError
from ftkit.kinds.multiple_choice import KIND, MultipleChoiceData
from ftkit.types import CandidatesExample, Split

Command = Callable[..., tuple[int, str, str]]
QUESTIONS = (
    ("who has the card", ["the team", "my card", "salt"], 1),
    ("will it rain", ["cold rain", "soup"], 0),
    ("what is in the soup", ["wind", "the cup", "too much salt", "rain"], 2),
    ("who won", ["our team", "the rain"], 0),
)


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def rows(answer: Callable[[list[str], int], Any] = lambda choices, right: right, times: int = 3) -> list[Any]:
    return [
        {
            "id": f"q{time}.{index}",
            "question": f"{question} {time}",
            "choices": choices,
            "label": answer(choices, right),
        }
        for time in range(times)
        for index, (question, choices, right) in enumerate(QUESTIONS)
    ]


def read(file: Path, with_labels: bool = True, **data: Any) -> list[CandidatesExample]:
    spec = MultipleChoiceData(train=str(file), **data)
    table = open_table(str(file))
    return list(KIND.read(table, KIND.task, KIND.columns_of(KIND.task, spec), spec, with_labels=with_labels))


def normalized(examples: list[CandidatesExample], **data: Any) -> tuple[list[Any], Any, Problems]:
    problems = Problems()
    splits, found = KIND.normalize(
        {"train": Split("train", "a.jsonl", examples)},
        KIND.task,
        MultipleChoiceData(train="a.jsonl", **data),
        problems,
    )
    return [example.relevances for example in splits["train"].examples], found.answer_form, problems


# --- files ---


@pytest.mark.parametrize(
    ("answer", "form"),
    [
        (lambda choices, right: right, "index"),
        (lambda choices, right: str(right), "index"),
        (lambda choices, right: "ABCD"[right], "letter"),
        (lambda choices, right: choices[right], "text"),
    ],
)
def test_the_form_of_answers_is_proven(answer: Any, form: str, tmp_path: Path) -> None:
    relevances, found, problems = normalized(read(write(tmp_path / "a.jsonl", rows(answer))))
    assert (found, bool(problems)) == (form, False)
    assert relevances[:2] == [(0, 1, 0), (1, 0)]


def test_numbers_from_one(tmp_path: Path) -> None:
    """The last of two choices has the number 2, which is no index."""
    items = [*rows(lambda choices, right: right + 1), {"question": "?", "choices": ["a", "b"], "label": 2}]
    assert normalized(read(write(tmp_path / "a.jsonl", items)))[1] == "number"


def test_answers_that_can_be_read_in_two_ways_are_asked_about(tmp_path: Path) -> None:
    items = [{"question": "?", "choices": ["a", "b", "c"], "label": label} for label in (1, 2)]
    _, form, problems = normalized(read(write(tmp_path / "a.jsonl", items)))
    assert form is None
    assert "can be read in 2 ways, 'index', 'number', and mean different choices" in problems.errors[0]
    assert "fix: say data.answer_form: index, or data.answer_form: number" in problems.errors[0]
    relevances, form, problems = normalized(read(tmp_path / "a.jsonl"), answer_form="number")
    assert (relevances, form, bool(problems)) == ([(1, 0, 0), (0, 1, 0)], "number", False)


def test_one_wrong_answer_is_named(tmp_path: Path) -> None:
    items = rows(lambda choices, right: "ABCD"[right])
    items[5]["label"] = "D"
    _, form, problems = normalized(read(write(tmp_path / "a.jsonl", items)))
    assert form == "letter"
    assert problems.errors == [
        "train: the answer 'D' is no choice of its row, read as a letter from A\nat a.jsonl, line 6\n"
        "fix: correct the answer, or say how answers are written: data.answer_form"
    ]


def test_choices_in_columns_of_their_own(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("question,A,B,C,label\nwho?,me,you,,A\nwhere?,here,there,NA,C\n")
    found = read(file, columns={"choices": ("A", "B", "C")})
    assert [example.candidates for example in found] == [("me", "you"), ("here", "there", "NA")]
    assert normalized(found)[1] == "letter"


def test_a_passage_stands_before_the_question(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", [{"story": "Bo ran.", "question": "Who?", "choices": ["Bo", "Al"], "label": 0}])
    (example,) = read(file, columns={"context": "story"})
    assert example.pairs == [("Bo ran.", "Who? Bo"), ("Bo ran.", "Who? Al")]
    (example,) = read(file)
    assert example.pairs == [("Who?", "Bo"), ("Who?", "Al")]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"question": "Who?", "choices": ["Bo"], "label": 0}, "a question has one choice alone"),
        ({"question": "Who?", "choices": [], "label": 0}, "a question has no choice"),
        ({"question": "Who?", "choices": ["Bo", " "], "label": 0}, "a choice is empty"),
        ({"question": "", "choices": ["Bo", "Al"], "label": 0}, "the question is empty"),
        ({"question": "Who?", "choices": ["Bo", "Al"], "label": None}, "the answer is missing"),
    ],
)
def test_what_is_wrong_is_told_by_row(row: Any, message: str, tmp_path: Path) -> None:
    problems = Problems()
    split = Split("train", "a.jsonl", [*read(write(tmp_path / "b.jsonl", [row]))])
    splits, data = KIND.normalize({"train": split}, KIND.task, MultipleChoiceData(train="a.jsonl"), problems)
    KIND.check(splits, None, KIND.task, data, problems)
    assert any(message in error and "a.jsonl, line 1" in error for error in problems.errors)


def test_a_cell_that_is_no_list(tmp_path: Path) -> None:
    (example,) = read(write(tmp_path / "a.jsonl", [{"question": "Who?", "choices": "Bo", "label": 0}]))
    assert "column 'choices' holds a text; expected a list of texts" in example.cell_errors[0].message


# --- runs ---


@pytest.fixture(scope="module")
def trained(checkpoint: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("choices")
    file = write(folder / "train.jsonl", rows(lambda choices, right: "ABCD"[right]))
    config = {
        "task": "multiple-choice",
        "model": {"checkpoint": str(checkpoint("bert"))},
        "data": {"train": str(file), "validation": str(file), "columns": {"id": "id"}},
        "train": {"num_train_epochs": 12, "learning_rate": 5e-3, "per_device_train_batch_size": 6, "use_cpu": True},
        "tuner": {"method": "lora", "rank": 4},
        "output_dir": str(folder / "run"),
    }
    return ftkit.train(config).output_dir


def test_a_run_learns_is_proven_and_remembers_the_form(trained: Path) -> None:
    results = json.loads((trained / "all_results.json").read_text())
    assert results["eval_accuracy"] > 0.8
    assert 0 <= results["eval_baseline_choices"] <= 1
    assert results["proof"]["rows"] == 12
    predictor = ftkit.load(trained)
    assert predictor.config.data.answer_form == "letter"
    first = json.loads((trained / "predictions" / "validation.jsonl").read_text().splitlines()[0])
    assert first["id"] == "q0.0"
    again = predictor.predict([{"question": "who has the card 0", "choices": ["the team", "my card", "salt"]}])[0]
    assert again["choice"] == first["choice"]
    assert again["scores"] == pytest.approx(first["scores"], abs=1e-5)


def test_it_is_asked_from_files(trained: Path, tmp_path: Path, command: Command) -> None:
    items = [{"question": "who won", "choices": ["our team", "the rain"]}, {"question": "who", "choices": "none"}]
    code, out, err = command("predict", trained, "--input", write(tmp_path / "in.jsonl", items))
    assert code == 0
    good, bad = [json.loads(line) for line in out.splitlines()]
    assert good["choice"] in ("our team", "the rain")
    assert bad["choice"] is None
    assert "expected a list of texts" in bad["error"]
    file = write(tmp_path / "scored.jsonl", rows(lambda choices, right: "ABCD"[right], times=1))
    code, out, err = command("evaluate", trained, "--data", file)
    assert (code, json.loads(out)["samples"]) == (0, 4)
    file = write(tmp_path / "wrong.jsonl", [{"question": "who won", "choices": ["our team", "the rain"], "label": 1}])
    code, out, err = command("evaluate", trained, "--data", file)
    assert code == 2
    assert "the answer '1' is no choice of its row, read as a letter from A" in err


def test_an_input_that_is_no_question(trained: Path) -> None:
    with pytest.raises(DataError, match=r"expected \{\"question\": ..., \"choices\": \[...\]\}"):
        KIND.input_example(0, "who?")
