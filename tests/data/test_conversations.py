"""Rows in the forms in which files hold conversations, and what is told of rows that hold none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from chats import CALL, HELLO, HI, TOOL
from ftkit.data.conversation_check import check_conversations, check_questions
from ftkit.data.conversations import ConversationExample, answer_turn, messages_of, user_turn
from ftkit.data.problems import Problems
from ftkit.data.readers import open_table
from ftkit.errors import DataError
from ftkit.kinds.table import find_kind
from ftkit.types import Split

KIND = find_kind("text-generation")


def read(folder: Path, *rows: dict[str, Any], with_labels: bool = True, **data: Any) -> list[ConversationExample]:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    spec = KIND.data(train=str(path), **data)
    columns = KIND.columns_of(KIND.task, spec)
    return list(KIND.read(open_table(str(path)), KIND.task, columns, spec, with_labels=with_labels))


FORMS: dict[str, tuple[dict[str, Any], tuple[Any, ...]]] = {
    "messages": ({"messages": [HI, HELLO]}, (HI, HELLO)),
    "sharegpt": (
        {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}], "system": "Be kind."},
        ({"role": "system", "content": "Be kind."}, HI, HELLO),
    ),
    "sharegpt calls": (
        {
            "conversations": [
                {"from": "human", "value": "Hi"},
                {"from": "function_call", "value": '{"name": "f", "arguments": {"x": 1}}'},
                {"from": "observation", "value": "2"},
                {"from": "gpt", "value": "Hello"},
            ]
        },
        (HI, CALL, {"role": "tool", "content": "2"}, HELLO),
    ),
    "openai calls": (
        {"messages": [HI, {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}]}]},  # noqa: E501
        (HI, {**CALL, "tool_calls": [{"id": "1", **CALL["tool_calls"][0]}]}),
    ),
    "alpaca": ({"instruction": "Add.", "input": "1 2", "output": "3"}, (user_turn("Add.\n\n1 2"), answer_turn("3"))),
    "alpaca without input": ({"instruction": "Hi", "input": "", "output": "Hello"}, (HI, HELLO)),
    "alpaca history": (
        {"instruction": "Hi", "output": "Hello", "history": [["a", "b"]], "system": ""},
        (user_turn("a"), answer_turn("b"), HI, HELLO),
    ),
    "prompt of messages": ({"prompt": [HI], "completion": [HELLO]}, (HI, HELLO)),
    "parts": ({"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}, HELLO]}, (HI, HELLO)),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_forms_are_found_by_their_columns(tmp_path: Path, form: str) -> None:
    row, expected = FORMS[form]
    (example,) = read(tmp_path, row)
    assert example.cell_errors == ()
    assert example.messages == expected
    assert (example.form, example.line) == ("conversation", 1)
    assert example.asked == expected[:-1]
    assert example.answer == expected[-1]["content"]


def test_texts_and_tools(tmp_path: Path) -> None:
    (prompt,) = read(tmp_path, {"prompt": "1 + 1 =", "completion": " 2"})
    assert (prompt.form, prompt.prompt, prompt.answer) == ("prompt", "1 + 1 =", " 2")
    (document,) = read(tmp_path, {"text": "Once."})
    assert (document.form, document.completion, document.key()) == ("document", "Once.", "Once.")
    (example,) = read(tmp_path, {"messages": [HI, HELLO], "tools": json.dumps([{"name": "f"}])})
    assert example.tools == (TOOL,)
    (said,) = read(
        tmp_path, {"messages": "x", "dialogue": [HI, HELLO]}, format="messages", columns={"messages": "dialogue"}
    )
    assert said.messages == (HI, HELLO)


def test_rows_to_be_answered_may_lack_the_answer(tmp_path: Path) -> None:
    rows = [{"instruction": "Hi"}], [{"messages": [HI]}], [{"messages": [HI, HELLO]}]
    for row in rows:
        (example,) = read(tmp_path, *row, with_labels=False, format="alpaca")
        assert example.asked == (HI,)
    (prompt,) = read(tmp_path, {"prompt": "1 + 1 ="}, with_labels=False)
    assert (prompt.prompt, prompt.answer) == ("1 + 1 =", None)


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no list": ({"messages": 5}, "column 'messages' holds no list of messages: 5"),
    "no object": ({"messages": ["Hi"]}, "message 1 no object with a role and a content: 'Hi'"),
    "role": ({"messages": [HI, {"role": "asistant", "content": "x"}]}, "has in message 2 the role 'asistant'"),
    "no role": ({"messages": [{"content": "x"}]}, "has in message 1 no role"),
    "image": ({"messages": [{"role": "user", "content": [{"type": "image"}]}]}, "a part of type 'image'"),
    "call": ({"conversations": [{"from": "function_call", "value": "f(x)"}]}, "calls in message 1 a tool in a form"),
    "tools": ({"messages": [HI, HELLO], "tools": "none"}, "column 'tools' holds no list of tools: 'none'"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_cells_that_hold_no_conversation(tmp_path: Path, name: str) -> None:
    row, message = WRONG[name]
    (example,) = read(tmp_path, row)
    assert message in example.cell_errors[0].message
    assert example.cell_errors[0].remedy


def test_an_unknown_role_offers_the_closest() -> None:
    with pytest.raises(ValueError, match="asistant") as caught:
        messages_of([{"role": "asistant", "content": "x"}])
    assert "Did you mean 'assistant'?" in caught.value.remedy  # type: ignore[attr-defined]


def test_columns_of_no_format_and_preference_pairs(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the columns 'question' are those of no format that is known") as caught:
        read(tmp_path, {"question": "Hi"})
    assert '{"instruction": "...", "input": "...", "output": "..."}' in str(caught.value)
    with pytest.raises(DataError, match=r"data\.format is alpaca, but there is no column 'instruction'"):
        read(tmp_path, {"messages": []}, format="alpaca")
    with pytest.raises(
        DataError, match="(?s)preference pairs, which are learnt from by a kind of their own.*task: preference-tuning"
    ):
        read(tmp_path, {"conversations": [], "chosen": {}, "rejected": {}})


# --- checks ---

CHECKED: dict[str, tuple[Any, str]] = {
    "nothing to learn": ([HI], "there is nothing to learn: no message is the assistant's"),
    "no messages": ([], "no messages"),
    "empty": ([HI, answer_turn(" ")], "message 2, the assistant's, is empty"),
    "system later": ([HI, {"role": "system", "content": "x"}, HELLO], "message 2 is the system's, in the middle"),
}


@pytest.mark.parametrize("name", CHECKED)
def test_conversations_that_teach_nothing_are_named_by_row(name: str) -> None:
    messages, message = CHECKED[name]
    good = ConversationExample(id=0, messages=(HI, HELLO), line=1)
    problems = Problems()
    rows = [good, ConversationExample(id=1, messages=tuple(messages), line=7)]
    check_conversations({"train": Split("train", "a.jsonl", rows)}, problems)
    (error,) = problems.errors
    assert error.startswith(f"train: {message}")
    assert "at a.jsonl, line 7" in error


def test_a_call_of_a_tool_needs_no_text() -> None:
    problems = Problems()
    rows = [ConversationExample(id=row, messages=(user_turn(str(row)), CALL), line=row + 1) for row in range(10)]
    check_conversations({"train": Split("train", "a.jsonl", rows)}, problems)
    assert (problems.errors, problems.warnings) == ([], [])


def test_leaks_unanswered_ends_and_mixed_forms() -> None:
    rows = [ConversationExample(id=row, messages=(user_turn(str(row)), HELLO, HI), line=row + 1) for row in range(10)]
    test = [ConversationExample(id=0, messages=(user_turn("3"), HELLO, HI), line=1)]
    problems = Problems()
    check_conversations({"train": Split("train", "a", rows), "test": Split("test", "b", test)}, problems)
    assert any("10 of 10 conversations end without an answer" in warning for warning in problems.warnings)
    assert any("leak: 1 of 1 conversations of test are also in train" in warning for warning in problems.warnings)
    mixed = [*rows, ConversationExample(id=11, prompt="a", completion="b", line=11)]
    problems = Problems()
    check_conversations({"train": Split("train", "a", mixed)}, problems)
    assert "rows are of different forms: a, line 1: a conversation; a, line 11: a prompt" in problems.errors[0]


def test_what_cannot_be_answered() -> None:
    rows = [ConversationExample(id=0, prompt=" ", line=1), ConversationExample(id=1, messages=(HELLO,), line=2)]
    problems = Problems()
    check_questions(Split("input", "a.jsonl", rows), problems)
    assert "there is nothing to be answered (2 times)" in problems.errors[0]
