"""Questions and texts as rows of tokens: literal rows, windows, and what is told of what does not fit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ftkit.adapters.preprocessors.tokens import NO_LOSS
from ftkit.errors import ConfigError
from questions import make_answerer, make_questions

Checkpoint = Callable[[str], Path]
WON = ("who won the cup", "our team won the cup", "our team")


def reader(checkpoint: Checkpoint, model_type: str = "bert", **options: Any) -> Any:
    return make_answerer(checkpoint(model_type), **options).preprocessor


def tokens(preprocessor: Any, row: Any) -> str:
    return " ".join(preprocessor.processor.convert_ids_to_tokens(row["input_ids"]))


def test_a_row_to_learn_from(checkpoint: Checkpoint) -> None:
    reads = reader(checkpoint)
    encoded = reads.encode(make_questions([WON, (*WON[:2], "")]), targets=True)
    row, without = encoded.rows.to_list()
    assert tokens(reads, row) == "[CLS] who won the cup [SEP] our team won the cup [SEP]"
    assert row | {"input_ids": None} == {
        "input_ids": None,
        "token_type_ids": [0] * 6 + [1] * 6,
        "context_first": 6,
        "context_stop": 11,
        "no_answer_position": 0,
        "labels": [6, 7],
    }
    assert without["labels"] == [0, 0]
    assert encoded.costs.tolist() == [12, 12]
    assert encoded.cut == {"question": 0, "answer": 0}


def test_a_row_to_predict(checkpoint: Checkpoint) -> None:
    reads = reader(checkpoint)
    (row,) = reads.encode(make_questions([(*WON[:2], None)]), targets=False).rows.to_list()
    assert "labels" not in row
    assert (row["starts"], row["ends"]) == ([0, 4, 9, 13, 17], [3, 8, 12, 16, 20])
    assert row["context"] == WON[1]


@pytest.mark.parametrize(
    ("model_type", "row", "nothing"),
    [
        ("roberta", "<s> w h o Ġwon Ġthe Ġcup </s> </s> o u r Ġteam Ġwon Ġthe Ġcup </s>", 0),
        ("gpt2", "w h o Ġwon Ġthe Ġcup Ċ o u r Ġteam Ġwon Ġthe Ġcup <|endoftext|>", -1),
        ("llama", "<s> ▁who ▁won ▁the ▁cup ▁ <0x0A> ▁our ▁team ▁won ▁the ▁cup </s>", -1),
        ("t5", "▁who ▁won ▁the ▁cup </s> ▁our ▁team ▁won ▁the ▁cup </s>", -1),
        ("xlm-roberta", "<s> ▁who ▁won ▁the ▁cup </s> </s> ▁our ▁team ▁won ▁the ▁cup </s>", 0),
    ],
)
def test_every_tokenizer_marks_where_the_text_begins(
    model_type: str, row: str, nothing: int, checkpoint: Checkpoint
) -> None:
    reads = reader(checkpoint, model_type)
    (encoded,) = reads.encode(make_questions([WON]), targets=True).rows.to_list()
    assert tokens(reads, encoded) == row
    assert encoded["no_answer_position"] == nothing % len(encoded["input_ids"])
    first, last = encoded["labels"]
    assert reads.processor.decode(encoded["input_ids"][first : last + 1]).strip() == "our team"


@pytest.mark.parametrize("model_type", ["bert", "roberta", "gpt2", "llama", "t5", "albert"])
def test_the_places_of_tokens_hold_no_space(model_type: str, checkpoint: Checkpoint) -> None:
    text = "  our   team\nwon\tthe cup, é "
    (row,) = reader(checkpoint, model_type).encode(make_questions([("who", text, None)]), targets=False).rows.to_list()
    pieces = [text[start:end] for start, end in zip(row["starts"], row["ends"], strict=True)]
    assert all(piece == piece.strip() for piece in pieces)
    assert "".join(dict.fromkeys(pieces).keys())
    assert set("".join(pieces)) >= set("ourteamwonthecup,é")


# --- windows ---

LONG = "the cold rain and salt in the soup " * 6 + "our team won the cup"


def test_windows_share_a_quarter_and_one_holds_the_answer(checkpoint: Checkpoint) -> None:
    reads = reader(checkpoint, max_length=27)  # 3 special tokens, 4 of the question, 20 of the text
    encoded = reads.encode(make_questions([(WON[0], LONG, "our team")]), targets=True)
    rows = encoded.rows.to_list()
    assert encoded.first_rows.tolist() == [0, len(rows)]
    assert [row["context_stop"] - row["context_first"] for row in rows] == [20] * len(rows)
    # 53 tokens: 0 to 20, 15 to 35, 30 to 50, and as much as fits before the end; 48 and 49 are the answer.
    assert [row["labels"] for row in rows] == [[0, 0], [0, 0], [24, 25], [21, 22]]
    none = reader(checkpoint, max_length=27, window_overlap=0)
    assert none.encode(make_questions([(WON[0], LONG, None)]), targets=False).num_rows == 3
    more = reader(checkpoint, max_length=27, window_overlap=11)
    assert more.encode(make_questions([(WON[0], LONG, None)]), targets=False).num_rows == 5


def test_an_answer_across_windows_gets_a_window_in_training_alone(checkpoint: Checkpoint) -> None:
    reads = reader(checkpoint, max_length=27, window_overlap=0)
    text, answer = "rain " * 40, " ".join(["rain"] * 12)
    (example,) = make_questions([("who won the cup", f"{text}x {text}", None)])
    start = len("rain " * 15)
    from dataclasses import replace

    from ftkit.data.questions import Answer

    example = replace(example, answers=(Answer(answer, start),))  # tokens 15 to 26; windows end at 20
    trained, scored = reads.encode([example], targets=True), reads.encode_to_score([example]).inputs
    assert trained.num_rows == scored.num_rows + 1
    labels = trained.rows["labels"]
    assert [label != [0, 0] for label in labels] == [False] * scored.num_rows + [True]
    last = trained.rows[-1]
    assert last["labels"][1] - last["labels"][0] == 11
    assert last["context_first"] <= last["labels"][0] <= last["labels"][1] < last["context_stop"]
    # That it has none would be wrong, too: nothing of the text bears loss where it is scored.
    assert scored.rows["labels"] == [[NO_LOSS, NO_LOSS]] * scored.num_rows
    assert trained.cut == {"question": 0, "answer": 0}


def test_an_answer_longer_than_a_window_is_counted(checkpoint: Checkpoint) -> None:
    reads = reader(checkpoint, max_length=27)
    encoded = reads.encode(make_questions([("who won the cup", "rain " * 50, "rain " * 30)]), targets=True)
    assert encoded.cut == {"question": 0, "answer": 1}
    assert {tuple(label) for label in encoded.rows["labels"]} == {(NO_LOSS, NO_LOSS)}
    assert "fits into no window" in reads.cut_meanings["answer"]


def test_a_question_longer_than_the_model_is_cut_and_counted(checkpoint: Checkpoint) -> None:
    reads = reader(checkpoint, max_length=23)
    encoded = reads.encode(make_questions([("who won " * 30, WON[1], "our team"), WON]), targets=True)
    first = encoded.rows[0]
    assert tokens(reads, first) == "[CLS] " + "who won " * 5 + "[SEP] our team won the cup [SEP]"
    assert first["labels"] == [12, 13]
    assert encoded.cut["question"] == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"max_length": 6},
            r"data\.max_length: 6 tokens leave no room for a question and a text beside the 3 special",
        ),
        ({"max_length": 43, "window_overlap": 20}, r"data\.window_overlap: windows of 43 tokens, .* less than 20"),
    ],
)
def test_what_leaves_no_room_is_refused(options: Any, message: str, checkpoint: Checkpoint) -> None:
    with pytest.raises(ConfigError, match=message):
        reader(checkpoint, **options)


def test_how_long_answers_are_is_read_off_train(checkpoint: Checkpoint) -> None:
    reads = reader(checkpoint)
    assert reads.max_answer_length == 30
    reads.fit(make_questions([("who", "rain " * 50, "rain " * 40)]))
    assert reads.resolved_options == {"max_answer_length": 40}
    stated = reader(checkpoint, max_answer_length=7)
    stated.fit(make_questions([("who", "rain " * 50, "rain " * 40)]))
    assert stated.max_answer_length == 7
