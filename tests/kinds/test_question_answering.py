"""Questions are read from every form, their answers found at their places, and what is wrong is told by row."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ftkit.data.problems import Problems
from ftkit.data.questions import Answer, QuestionExample
from ftkit.data.readers import open_table
from ftkit.errors import DataError
from ftkit.kinds.question_answering import KIND, QuestionAnsweringData, names_of
from ftkit.kinds.splits import read_splits
from ftkit.types import Split
from questions import QUESTIONS, make_questions, squad_json, write_rows

TASK = KIND.task
CONTEXT = "Bell built a telephone in 1876, in Boston."
ROW = {"id": "b", "question": "When?", "context": CONTEXT}
WHEN = Answer("in 1876", 23)


def read(path: Path, *, with_labels: bool = True, **data: Any) -> list[QuestionExample]:
    section = QuestionAnsweringData(train=str(path), **data)
    columns = KIND.columns_of(TASK, section)
    return list(KIND.read(open_table(str(path)), TASK, columns, section, with_labels=with_labels))


def write(folder: Path, *rows: Any) -> Path:
    path = folder / "data.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def placed(
    *rows: tuple[str, Sequence[Answer]], name: str = "train", **data: Any
) -> tuple[list[tuple[Answer, ...]], Problems]:
    """Returns the answers of rows as they are learnt, and what was told of them."""
    examples = [
        QuestionExample(id=f"q{row}", question="When?", context=context, answers=tuple(answers))
        for row, (context, answers) in enumerate(rows)
    ]
    problems = Problems()
    section = QuestionAnsweringData(train="x", **data)
    splits, _ = KIND.normalize({name: Split(name, "squad.json", examples)}, TASK, section, problems)
    return [example.answers for example in splits[name].examples], problems


# --- forms ---


@pytest.mark.parametrize(
    "answers",
    [
        {"text": ["in 1876"], "answer_start": [23]},
        {"text": "in 1876", "answer_start": 23},
        [{"text": "in 1876", "answer_start": 23}],
        [{"text": "in 1876", "answer_start": 23}, {"text": "in 1876", "answer_start": 23}],
        "{'text': ['in 1876'], 'answer_start': [23]}",
        '[{"text": "in 1876", "answer_start": 23}]',
    ],
)
def test_one_answer_in_every_form(answers: Any, tmp_path: Path) -> None:
    (example,) = read(write(tmp_path, {**ROW, "answers": answers}))
    assert example.answers == (WHEN,)
    assert (example.id, example.question, example.context, example.line) == ("b", "When?", CONTEXT, 1)
    assert not example.cell_errors


@pytest.mark.parametrize("answers", [{"text": [], "answer_start": []}, [], None, "", "  ", {"text": ""}])
def test_no_answer_in_every_form(answers: Any, tmp_path: Path) -> None:
    (example,) = read(write(tmp_path, {**ROW, "answers": answers}))
    assert example.answers == ()
    assert names_of(example) == ("no answer",)
    assert not example.cell_errors


def test_texts_alone_and_places_in_a_column(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(
        f'question,context,answer,answer_start\nWhen?,"{CONTEXT}",in 1876,23\nWhere?,"{CONTEXT}",Boston,\n'
    )
    assert [example.answers for example in read(path)] == [(WHEN,), (Answer("Boston", None),)]
    path.write_text(f'q,text,a\nWhen?,"{CONTEXT}",[sic] in\n')
    (example,) = read(path, columns={"question": "q", "context": "text", "answers": "a"})
    assert example.answers == (Answer("[sic] in", None),)
    assert example.id == 0


def test_squad_json(tmp_path: Path) -> None:
    document = squad_json(QUESTIONS)
    document["data"][0]["paragraphs"][0]["qas"][0]["plausible_answers"] = [{"text": "x", "answer_start": 0}]
    path = tmp_path / "squad.json"
    path.write_text(json.dumps(document))
    found = {example.id: example for example in read(path)}
    for row, expected in enumerate(make_questions(QUESTIONS)):
        example = found[f"q{row}"]
        assert (example.question, example.context, example.answers) == (
            expected.question,
            expected.context,
            expected.answers,
        )
        assert example.group == expected.context
    split = Split("train", "squad.json", list(found.values()))
    assert split.where(found["q3"]) == "squad.json, q3"
    assert [example.answers for example in read(path, with_labels=False)] == [None] * len(QUESTIONS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"qas": "none"}, r"line 1, article 1 \(T\), paragraph 1: expected a list of objects under 'qas'"),
        ({"qas": [{"id": "a"}]}, r"paragraph 1, question a: there is no 'question'"),
        ({"context": None}, ""),
    ],
)
def test_squad_json_that_is_not_whole(change: Any, message: str, tmp_path: Path) -> None:
    paragraph = {"context": CONTEXT, "qas": [], **change}
    if change == {"context": None}:
        del paragraph["context"]
        message = r"article 1 \(T\), paragraph 1: there is no 'context'"
    path = tmp_path / "squad.json"
    path.write_text(json.dumps({"data": [{"title": "T", "paragraphs": [paragraph]}]}))
    with pytest.raises(DataError, match=message):
        read(path)


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ({"answer": "x"}, "column 'answers' holds an object without 'text': {'answer': 'x'}"),
        ({"text": ["a", "b"], "answer_start": [1]}, "column 'answers' holds 2 answers and 1 places"),
        ({"text": ["a"], "answer_start": ["first"]}, "column 'answers' has the answer_start 'first'"),
        ({"text": ["a"], "answer_start": [1.5]}, "column 'answers' has the answer_start 1.5"),
        ({"text": [["a"]]}, "column 'answers' holds a list in the place of an answer: ['a']"),
        ([{"text": "a"}, "b"], "column 'answers' mixes answers with other values: 'b'"),
    ],
)
def test_answers_that_cannot_be_read_are_errors_of_their_row(answers: Any, message: str, tmp_path: Path) -> None:
    (example,) = read(write(tmp_path, {**ROW, "answers": answers}))
    assert [error.message.startswith(message) for error in example.cell_errors] == [True], example.cell_errors


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, {"query": "When?", "context": CONTEXT, "answers": []})
    with pytest.raises(DataError, match=r"no column 'question' \(data\.columns\.question\); the columns are 'query'"):
        read(path)
    with pytest.raises(DataError, match=r"no column 'answers' \(data\.columns\.answers\)"):
        read(write(tmp_path, {"question": "When?", "context": CONTEXT}))
    assert len(read(write(tmp_path, {"question": "When?", "context": CONTEXT}), with_labels=False)) == 1


# --- places ---


def test_answers_that_stand_where_they_say_stay() -> None:
    found, problems = placed((CONTEXT, [WHEN, Answer("Boston", 35)]), (CONTEXT, []))
    assert found == [(WHEN, Answer("Boston", 35)), ()]
    assert not problems
    assert not problems.warnings


def test_a_wrong_place_is_named_with_the_nearest() -> None:
    _, problems = placed(("in a house, in a garden, in a car", [Answer("in a", 14)]), (CONTEXT, [WHEN]))
    assert problems.errors == [
        "train: an answer does not stand where answer_start says\n"
        "at squad.json, q0: 'in a' stands at 12, not at 14 (there: ' a g')\n"
        "fix: correct answer_start to the place that is named, or say data.repair_answers: true, which takes it"
    ]


def test_places_are_repaired_where_that_is_asked_for() -> None:
    found, problems = placed(
        (CONTEXT, [Answer("in 1876", 20)]), (CONTEXT, [Answer("Boston", 900)]), repair_answers=True
    )
    assert found == [(WHEN,), (Answer("Boston", 35),)]
    assert not problems
    assert problems.warnings == [
        "train: 2 answers were put in the nearest place; at squad.json, q0: 'in 1876' stands at 23, not at 20"
    ]


@pytest.mark.parametrize(
    ("answer", "hint"),
    [("in 1999", ""), ("BOSTON", ", but 'Boston' does"), (" Boston", ", but 'Boston' does"), ("x" * 200, "")],
)
@pytest.mark.parametrize("start", [3, None])
def test_an_answer_that_stands_nowhere(answer: str, hint: str, start: int | None) -> None:
    _, problems = placed(("Bell left.\nBoston", [Answer(answer, start)]), name="test", repair_answers=True)
    (error,) = problems.errors
    assert error.startswith("test: an answer does not stand in its text\nat squad.json, q0: '")
    assert f"'{hint}\n" in error or (len(answer) > 80 and "...\n" in error)
    assert "letter for letter" in error


def test_a_text_that_stands_in_several_places_is_told() -> None:
    found, problems = placed(("in, in, in, in, in", [Answer("in")]), (CONTEXT, [Answer("Boston")]))
    assert found == [(Answer("in", 0),), (Answer("Boston", 35),)]
    assert not problems
    (warning,) = problems.warnings
    assert "an answer stands in several places of its text" in warning
    assert "at squad.json, q0: 'in' at 0, 4, 8, 12 and 1 more" in warning


# --- questions without an answer ---


@pytest.mark.parametrize(
    ("given", "rows", "found"), [(None, QUESTIONS, True), (None, QUESTIONS[:3], False), (True, QUESTIONS[:3], True)]
)
def test_whether_questions_may_have_no_answer_is_read_off_train(given: Any, rows: Any, found: bool) -> None:
    splits = {
        "train": Split("train", "t", make_questions(rows)),
        "test": Split("test", "t", make_questions(QUESTIONS)),
    }
    section = QuestionAnsweringData(train="x", no_answer=given)
    assert KIND.normalize(splits, TASK, section, Problems())[1].no_answer is found


def checked(no_answer: bool, **splits: Any) -> Problems:
    problems = Problems()
    made = {name: Split(name, f"{name}.json", make_questions(rows)) for name, rows in splits.items()}
    KIND.check(made, None, TASK, QuestionAnsweringData(train="x", no_answer=no_answer), problems)
    return problems


def test_what_is_told_of_questions_without_an_answer() -> None:
    others = [(f"{question}?", f"{context}!", answer) for question, context, answer in QUESTIONS]
    told = checked(True, train=QUESTIONS).warnings
    assert any("2 of 6 questions have no answer; the model learns to say so" in line for line in told)
    told = checked(False, train=QUESTIONS[:3], test=others).warnings
    assert any("test: 2 of 6 questions have no answer, and all of train have one" in line for line in told)
    refused = checked(False, train=QUESTIONS).errors
    assert "the question has no answer, and data.no_answer is false (2 times)" in refused[0]
    assert "train: no question has an answer" in checked(True, train=[QUESTIONS[3], QUESTIONS[5]]).errors[0]


def test_leaks_are_told() -> None:
    told = checked(True, train=QUESTIONS, test=[QUESTIONS[0], ("what", QUESTIONS[1][1], "card")]).warnings
    assert any("1 of 2 questions of test are also in train, with the same text" in line for line in told)
    assert any("1 of 2 questions of test are on texts of train" in line for line in told)


def test_empty_questions_and_texts() -> None:
    problems = checked(False, train=[*QUESTIONS[:3], (" ", "a text", "text"), ("who", "\n", "")])
    assert [error.split("\n")[0] for error in problems.errors][:2] == [
        "train: the question is empty",
        "train: the context is empty",
    ]


def test_a_fraction_holds_out_whole_texts(tmp_path: Path) -> None:
    rows = [(f"who {number}", f"text {number // 4} is here", "text") for number in range(40)]
    section = QuestionAnsweringData(train=str(write_rows(tmp_path / "rows.jsonl", rows)), validation=0.2)
    splits = read_splits(KIND, TASK, section, KIND.columns_of(TASK, section), seed=0)
    assert {name: len(split) for name, split in splits.items()} == {"train": 32, "validation": 8}
    texts = {name: {example.context for example in split.examples} for name, split in splits.items()}
    assert not texts["train"] & texts["validation"]
