"""Preference pairs as files hold them, and what of them is refused, by file and row."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import ftkit
from ftkit.data.preference_check import check_preferences, longer_is_chosen_share
from ftkit.data.preferences import PreferenceExample, answer_text
from ftkit.data.problems import Problems
from ftkit.data.readers import open_table
from ftkit.data.row_cells import check_cells
from ftkit.errors import DataError
from ftkit.kinds.preference_tuning import KIND, PreferenceTuningData
from ftkit.types import Split
from preferences import make_pair

ASKED, GOOD, BAD = "who won?", "our team", "the rain"
USER = {"role": "user", "content": ASKED}
SYSTEM = {"role": "system", "content": "Be short."}
EARLIER = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]


def said(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


def read(folder: Path, *rows: Any, columns: dict[str, str] | None = None, name: str = "pairs.jsonl") -> Split[Any]:
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return read_file(folder / name, columns)


def read_file(path: Path, columns: dict[str, str] | None = None, *, with_labels: bool = True) -> Split[Any]:
    data = PreferenceTuningData(train=str(path), columns=columns or {})
    roles = KIND.columns_of(KIND.task, data)
    found = list(KIND.read(open_table(str(path)), KIND.task, roles, data, with_labels=with_labels))
    return Split("train", "pairs.jsonl", found)


def problems_of(split: Split[Any]) -> str:
    problems = Problems()
    check_preferences({"train": check_cells(split, problems)}, problems)
    return "\n".join(problems.errors)


SAME_PAIR = {
    "sharegpt": {
        "conversations": [{"from": "human", "value": ASKED}],
        "chosen": {"from": "gpt", "value": GOOD},
        "rejected": {"from": "gpt", "value": BAD},
    },
    "alpaca": {"instruction": ASKED, "input": "", "chosen": GOOD, "rejected": BAD},
    "messages before texts": {"messages": [USER], "chosen": GOOD, "rejected": BAD},
    "trl, messages": {"prompt": [USER], "chosen": [said(GOOD)], "rejected": [said(BAD)]},
    "trl, implicit": {"chosen": [USER, said(GOOD)], "rejected": [USER, said(BAD)]},
    "a text before whole conversations": {
        "prompt": ASKED,
        "messages": [USER, said(GOOD)],
        "chosen": [USER, said(GOOD)],
        "rejected": [USER, said(BAD)],
        "score_chosen": 8.0,
    },
    "a text before messages": {"prompt": ASKED, "chosen": [said(GOOD)], "rejected": said(BAD)},
    "printed": {"prompt": json.dumps([USER]), "chosen": json.dumps([said(GOOD)]), "rejected": json.dumps([said(BAD)])},
}


@pytest.mark.parametrize("name", list(SAME_PAIR))
def test_the_same_pair_in_every_form_of_messages(name: str, tmp_path: Path) -> None:
    split = read(tmp_path, SAME_PAIR[name], SAME_PAIR[name])
    (pair, _) = split.examples
    assert [dict(message) for message in pair.messages] == [USER]
    assert [dict(message) for message in pair.chosen.messages] == [USER, said(GOOD)]
    assert [dict(message) for message in pair.rejected.messages] == [USER, said(BAD)]
    assert (pair.form, pair.answer, answer_text(pair.rejected)) == ("conversation", GOOD, BAD)
    assert pair.key() == split.examples[1].key()
    assert problems_of(split) == ""


def test_plain_texts_with_and_without_a_prompt_of_their_own(tmp_path: Path) -> None:
    for row in (
        {"prompt": "Q: who won? A:", "chosen": " our team", "rejected": " our rain"},
        {"chosen": "Q: who won? A: our team", "rejected": "Q: who won? A: the rain"},
    ):
        (pair,) = read(tmp_path, row).examples
        assert (pair.form, pair.prompt, pair.chosen.completion) == ("prompt", "Q: who won? A:", " our team")
    (pair,) = read(tmp_path, {"chosen": "Q: who won? A: ours", "rejected": "Q: who won? A: our rain"}).examples
    assert (pair.prompt, pair.chosen.completion) == ("Q: who won? A:", " ours"), "no word is torn"


def test_what_leads_and_what_was_said_before(tmp_path: Path) -> None:
    row = {"system": "Be short.", "messages": [*EARLIER, USER], "chosen": GOOD, "rejected": BAD}
    (pair,) = read(tmp_path, row).examples
    assert [dict(message) for message in pair.messages] == [SYSTEM, *EARLIER, USER]
    assert pair.chosen.num_given == 4
    alpaca = {"instruction": "who won", "input": "?", "history": [["hi", "hello"]], "chosen": GOOD, "rejected": BAD}
    (pair,) = read(tmp_path, alpaca).examples
    assert [message["content"] for message in pair.messages] == ["hi", "hello", "who won\n\n?"]
    shared = [*EARLIER, USER]
    (pair,) = read(tmp_path, {"chosen": [*shared, said(GOOD)], "rejected": [*shared, said(BAD)]}).examples
    assert (pair.chosen.num_given, pair.answer) == (3, GOOD)


def test_columns_are_nameable_and_parquet_is_read(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    row = {"question": ASKED, "better": GOOD, "worse": BAD}
    columns = {"instruction": "question", "chosen": "better", "rejected": "worse"}
    (pair,) = read(tmp_path, row, columns=columns).examples
    assert (pair.messages[0]["content"], pair.answer) == (ASKED, GOOD)
    pq.write_table(pa.Table.from_pylist([SAME_PAIR["trl, implicit"]]), tmp_path / "pairs.parquet")
    (pair,) = read_file(tmp_path / "pairs.parquet").examples
    assert [dict(message) for message in pair.rejected.messages] == [USER, said(BAD)]


def test_rows_to_be_answered_are_pairs_or_questions(tmp_path: Path) -> None:
    for row in (SAME_PAIR["sharegpt"], {"messages": [USER]}, {"instruction": ASKED}, {"conversations": [USER]}):
        read(tmp_path, row) if "chosen" in row else (tmp_path / "pairs.jsonl").write_text(json.dumps(row))
        (example,) = read_file(tmp_path / "pairs.jsonl", with_labels=False).examples
        assert [dict(message) for message in example.asked] == [USER]


BAD_ROWS: dict[str, tuple[dict[str, Any], str]] = {
    "equal": ({"messages": [USER], "chosen": GOOD, "rejected": GOOD}, "the chosen answer is the rejected one"),
    "empty": ({"messages": [USER], "chosen": GOOD, "rejected": " "}, "the rejected answer is empty"),
    "missing": ({"messages": [USER], "chosen": None, "rejected": BAD}, "the chosen answer is empty"),
    "no question": ({"messages": [], "chosen": GOOD, "rejected": BAD}, "there is no question"),
    "an answer as the question": (
        {"messages": EARLIER, "chosen": GOOD, "rejected": BAD},
        "the question ends with what the assistant says",
    ),
    "two questions": (
        {"chosen": [USER, said(GOOD)], "rejected": [EARLIER[0], said(BAD)]},
        "columns 'chosen', 'rejected' answer different questions: they differ in message 1",
    ),
    "another question": (
        {"prompt": [SYSTEM], "chosen": [USER, said(GOOD)], "rejected": [USER, said(BAD)]},
        "begin with another question than the row's own",
    ),
    "answers alone": ({"chosen": [said(GOOD)], "rejected": [said(BAD)]}, "hold answers without a question"),
    "texts that share nothing": ({"chosen": "abc", "rejected": "xyz"}, "begin with no text in common"),
    "a role": ({"messages": [USER], "chosen": {"role": "bott", "content": "x"}, "rejected": BAD}, "the role 'bott'"),
    "no messages": ({"messages": 5, "chosen": GOOD, "rejected": BAD}, "column 'messages' holds no list of messages"),
    "an empty prompt": ({"prompt": " ", "chosen": GOOD, "rejected": BAD}, "the prompt is empty"),
}


@pytest.mark.parametrize("name", list(BAD_ROWS))
def test_bad_rows_are_named(name: str, tmp_path: Path) -> None:
    row, message = BAD_ROWS[name]
    found = problems_of(read(tmp_path, row))
    assert message in found
    assert "at pairs.jsonl, line 1" in found
    assert "\nfix: " in found


def test_columns_of_no_pair(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"'messages', 'chosen' are those of no format that is known:(?s:.*)implicit"):
        read(tmp_path, {"messages": [USER], "chosen": GOOD})


def test_lengths_and_contradictions_are_told() -> None:
    longer = [make_pair(f"q {line}", chosen="so many words", rejected="few", line=line) for line in range(1, 10)]
    equal = [
        make_pair("q", chosen="yes", rejected="not", line=10),
        make_pair("q", chosen="not", rejected="yes", line=11),
    ]
    problems = Problems()
    check_preferences({"train": Split("train", "pairs.jsonl", [*longer, *equal])}, problems)
    assert not problems
    told = "\n".join(problems.warnings)
    assert "the chosen answer is the longer one in 100% of the pairs; a model learns to write longer answers" in told
    assert "rows prefer what another row of the same question rejects; at pairs.jsonl, line 11 and line 10" in told
    assert longer_is_chosen_share(Split("train", "", [*longer, *longer_rejected()])) == 0.9
    assert longer_is_chosen_share(Split("train", "", equal)) is None


def longer_rejected() -> list[PreferenceExample]:
    return [make_pair("q", chosen="few", rejected="so many words")]


def test_nothing_is_written_of_bad_pairs(tmp_path: Path, checkpoint: Any) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_text(json.dumps(BAD_ROWS["equal"][0]) + "\n")
    config = {
        "task": "preference-tuning",
        "model": {"checkpoint": str(checkpoint("llama"))},
        "data": {"train": str(path), "chat_template": "plain"},
        "output_dir": str(tmp_path / "run"),
    }
    with pytest.raises(DataError, match=r"pairs.jsonl, line 1"):
        ftkit.train(config)
    for data, message in (
        ({"loss_type": "ipo"}, "label_smoothing_factor means nothing with data.loss_type: ipo"),
        ({}, "0.6 of the pairs would count as swapped"),
    ):
        path.write_text("".join(json.dumps(SAME_PAIR["alpaca"]) + "\n" for _ in range(2)))
        smoothing = 0.1 if data else 0.6
        changed = {**config, "data": {**config["data"], **data}, "train": {"label_smoothing_factor": smoothing}}
        with pytest.raises(ftkit.ConfigError, match=message):
            ftkit.train(changed)
    assert not (tmp_path / "run").exists()
