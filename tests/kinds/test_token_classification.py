"""Rows of every shape become tagged words; what is wrong with them is said, with its place and remedy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy
import pandas
import pytest

from ftkit.data.check import Problems
from ftkit.data.readers import open_table
from ftkit.data.row_cells import check_cells
from ftkit.errors import ConfigError, DataError
from ftkit.kinds.kind import Settings
from ftkit.kinds.token_classification import KIND, TokenClassificationData
from ftkit.types import LabelSpace, Split, TokenExample

TASK = KIND.task
ANY_DATA = TokenClassificationData(train="x")


def normalized(path: Path, **data: Any) -> tuple[Split, TokenClassificationData, Problems]:
    """Reads a file as a run does."""
    spec = TokenClassificationData(train=str(path), **data)
    columns = KIND.columns_of(TASK, spec)
    split = Split("train", "x", list(KIND.read(open_table(str(path)), TASK, columns, spec, with_labels=True)))
    problems = Problems()
    check_cells(split, problems)
    problems.raise_if_any()
    splits, spec = KIND.normalize({"train": split}, TASK, spec, problems)
    return splits["train"], spec, problems


def checked(path: Path, **data: Any) -> tuple[Split, LabelSpace, TokenClassificationData, Problems]:
    split, spec, problems = normalized(path, **data)
    problems.raise_if_any()
    labels = KIND.labels(split, TASK, spec)
    assert labels is not None
    KIND.check({"train": split}, labels, TASK, spec, problems)
    return split, labels, spec, problems


def tags(split: Split) -> list[str]:
    return [" ".join(example.tags) for example in split.examples]


def jsonl(folder: Path, *rows: Any) -> Path:
    path = folder / "data.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def failure(path: Path, **data: Any) -> str:
    with pytest.raises(DataError) as caught:
        checked(path, **data)[3].raise_if_any()
    return str(caught.value)


# --- inputs ---


def test_words_with_tags_as_names(tmp_path: Path) -> None:
    path = jsonl(tmp_path, {"id": "a", "tokens": ["Anna", "left"], "tags": ["B-PER", "O"]})
    split, labels, spec, _ = checked(path, columns={"id": "id"})
    assert split.examples[0] == TokenExample(id="a", words=("Anna", "left"), tags=("B-PER", "O"), line=1)
    assert labels.names == ("O", "B-PER", "I-PER")
    assert (spec.source_tag_scheme, spec.tag_scheme) == ("IOB2", "IOB2")


def test_words_with_tags_as_numbers_need_names(tmp_path: Path) -> None:
    path = jsonl(tmp_path, {"tokens": ["Anna", "left"], "ner_tags": [1, 0]})
    columns = {"tags": "ner_tags"}
    split, labels, _, _ = checked(path, columns=columns, labels=["O", "B-PER", "I-PER", "B-ORG", "I-ORG"])
    assert tags(split) == ["B-PER O"]
    assert labels.names == ("O", "B-PER", "I-PER", "B-ORG", "I-ORG")
    message = failure(path, columns=columns)
    assert "tags are numbers, and nothing says which names they stand for" in message
    assert "x, line 1, word 1" in message
    assert "data.labels: [O, B-PER, I-PER]" in message
    assert "the tag 1 is none of the 1 in data.labels" in failure(path, columns=columns, labels=["O"])


def test_class_labels_of_parquet_are_read_by_name(tmp_path: Path) -> None:
    import datasets

    features = datasets.Features(
        {
            "tokens": datasets.List(datasets.Value("string")),
            "ner_tags": datasets.List(datasets.ClassLabel(names=["O", "B-PER", "I-PER"])),
        }
    )
    path = tmp_path / "data.parquet"
    rows = [{"tokens": ["Anna", "Li", "left"], "ner_tags": [1, 2, 0]}]
    datasets.Dataset.from_list(rows, features=features).to_parquet(str(path))
    split, *_ = checked(path, columns={"tags": "ner_tags"})
    assert tags(split) == ["B-PER I-PER O"]


SPANS = [{"start": 0, "end": 4, "label": "PER"}, {"start": 10, "end": 18, "label": "LOC"}]
TEXT = "Anna left New York."


@pytest.mark.parametrize(
    "row",
    [
        {"text": TEXT, "spans": SPANS},
        {"id": 3, "text": TEXT, "label": [[0, 4, "PER"], [10, 18, "LOC"]]},
        {
            "text": TEXT,
            "entities": [
                {"id": 1, "start_offset": s["start"], "end_offset": s["end"], "label": s["label"]} for s in SPANS
            ],
            "relations": [],
        },
        {
            "id": 3,
            "data": {"text": TEXT},
            "annotations": [{"result": [{"value": {**s, "labels": [s["label"]]}} for s in SPANS]}],
        },
    ],
    ids=["ours", "doccano", "doccano with relations", "Label Studio"],
)
def test_texts_with_spans(row: Any, tmp_path: Path) -> None:
    split, labels, spec, _ = checked(jsonl(tmp_path, row))
    assert split.examples[0].words == ("Anna", "left", "New", "York", ".")
    assert tags(split) == ["B-PER O B-LOC I-LOC O"]
    assert labels.names == ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")
    assert spec.source_tag_scheme is None


def test_label_studio_export_is_one_list(tmp_path: Path) -> None:
    path = tmp_path / "export.json"
    result = [{"value": {"start": 0, "end": 4, "text": "Anna", "labels": ["PER"]}, "type": "labels"}]
    path.write_text(json.dumps([{"id": 1, "annotations": [{"result": result}], "data": {"text": TEXT}}]))
    assert tags(checked(path)[0]) == ["B-PER O O O O"]


def test_words_of_prodigy_are_its_own_tokens(tmp_path: Path) -> None:
    text = "e-mail \n Anna"
    tokens = [{"start": 0, "end": 6}, {"start": 7, "end": 8}, {"start": 9, "end": 13}]
    row = {"text": text, "tokens": tokens, "spans": [{"start": 9, "end": 13, "label": "PER"}], "_task_hash": 1}
    split, *_ = checked(jsonl(tmp_path, {**row, "answer": "accept"}, {**row, "answer": "ignore"}))
    assert [example.words for example in split.examples] == [("e-mail", "Anna")]
    assert tags(split) == ["O B-PER"]


KAGGLE = "Sentence #,Word,POS,Tag\nSentence: 1,Anna,NNP,B-per\n,left,VBD,O\nSentence: 2,Why,WRB,O\n"


def test_a_word_a_row(tmp_path: Path) -> None:
    path = tmp_path / "ner_dataset.csv"
    path.write_text(KAGGLE)
    columns = {"tokens": "Word", "tags": "Tag", "id": "Sentence #"}
    split, *_ = checked(path, columns=columns, sentence_column="Sentence #")
    assert tags(split) == ["B-per O", "O"]
    assert [(example.id, example.line, example.words) for example in split.examples] == [
        ("Sentence: 1", 2, ("Anna", "left")),
        ("Sentence: 2", 4, ("Why",)),
    ]
    assert "where each row is a word, name data.sentence_column" in failure(path, columns=columns)
    assert "no column 'sentence'" in failure(path, columns=columns, sentence_column="sentence")


def test_arrays_that_numpy_printed_are_told_how_to_become_lists(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    pandas.DataFrame({"tokens": [numpy.array(["Anna", "left"])], "tags": [["O", "O"]]}).to_csv(path, index=False)
    assert "make arrays lists by .tolist() before the file is written" in failure(path)


def test_tokens_and_tags_that_pandas_printed_into_csv(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    frame = pandas.DataFrame({"tokens": [["Anna", "isn't", "NA"]], "tags": [["B-PER", "O", "O"]]})
    frame.to_csv(path)
    split, *_ = checked(path)
    assert split.examples[0].words == ("Anna", "isn't", "NA")
    assert tags(split) == ["B-PER O O"]


def test_a_span_may_hold_the_space_around_its_words(tmp_path: Path) -> None:
    split, *_ = checked(jsonl(tmp_path, {"text": TEXT, "spans": [[0, 5, "PER"], [9, 18, "LOC"]]}))
    assert tags(split) == ["B-PER O B-LOC I-LOC O"]


# --- schemes ---

IOB1 = "Anna I-PER\nBo B-PER\nleft O\n\nBo I-PER\nLi I-PER\n"


@pytest.mark.parametrize(
    ("scheme", "expected"),
    [
        (None, ["B-PER B-PER O", "B-PER I-PER"]),
        ("IOBES", ["S-PER S-PER O", "B-PER E-PER"]),
        ("BILOU", ["U-PER U-PER O", "B-PER L-PER"]),
        ("IO", ["I-PER I-PER O", "I-PER I-PER"]),
    ],
)
def test_tags_are_converted_to_the_declared_scheme(scheme: Any, expected: list[str], tmp_path: Path) -> None:
    path = tmp_path / "data.conll"
    path.write_text(IOB1)
    split, labels, spec, problems = checked(path, tag_scheme=scheme)
    assert tags(split) == expected
    assert spec.source_tag_scheme == "IOB1"
    assert {tag for sentence in expected for tag in sentence.split()} <= set(labels.names)
    assert any("two entities of one type touch" in warning for warning in problems.warnings) is (scheme == "IO")


def test_a_declared_scheme_wins_over_recognition(tmp_path: Path) -> None:
    path = tmp_path / "data.conll"
    path.write_text("Anna I-PER\nBo I-PER\n")
    assert tags(checked(path, source_tag_scheme="IOB1")[0]) == ["B-PER I-PER"]
    assert checked(path)[2].source_tag_scheme == "IO"


def test_bare_types_are_io(tmp_path: Path) -> None:
    path = tmp_path / "data.conll"
    path.write_text("Anna PER\nLi PER\nleft O\n")
    split, labels, *_ = checked(path)
    assert tags(split) == ["B-PER I-PER O"]
    assert labels.names == ("O", "B-PER", "I-PER")


ILLEGAL = "met O\nAnna I-PER\nLi I-PER\n\nBo B-PER\nRome I-LOC\n"


def test_illegal_tags_are_reported_and_stay(tmp_path: Path) -> None:
    path = tmp_path / "data.conll"
    path.write_text(ILLEGAL)
    split, _, _, problems = checked(path, source_tag_scheme="IOB2")
    assert tags(split) == ["O I-PER I-PER", "B-PER I-LOC"]
    (warning,) = [warning for warning in problems.warnings if "breaks" in warning]
    assert "the tag 'I-PER' after 'O' breaks IOB2. (2 times)" in warning
    assert "x, line 1, word 2 ('Anna'); x, line 5, word 2 ('Rome')" in warning
    assert "data.repair_tags: begin" in warning


@pytest.mark.parametrize(
    ("repair", "expected"),
    [("begin", ["O B-PER I-PER", "B-PER B-LOC"]), ("outside", ["O O O", "B-PER O"])],
)
def test_illegal_tags_are_repaired_by_the_declared_rule(repair: Any, expected: list[str], tmp_path: Path) -> None:
    path = tmp_path / "data.conll"
    path.write_text(ILLEGAL)
    split, _, _, problems = checked(path, source_tag_scheme="IOB2", repair_tags=repair)
    assert tags(split) == expected
    assert any("(2 times)" in warning and f"repair_tags: {repair}" in warning for warning in problems.warnings)


def test_illegal_tags_cannot_be_converted_without_a_rule(tmp_path: Path) -> None:
    path = tmp_path / "data.conll"
    path.write_text(ILLEGAL)
    message = failure(path, source_tag_scheme="IOB2", tag_scheme="BILOU")
    assert "breaks IOB2. (2 times)" in message
    assert "data.repair_tags: begin" in message
    assert tags(checked(path, source_tag_scheme="IOB2", tag_scheme="BILOU", repair_tags="begin")[0]) == [
        "O B-PER L-PER",
        "U-PER U-LOC",
    ]


@pytest.mark.parametrize("tags", ["b-PER i-PER", "B_PER I_PER", "PER-B PER-I", "B:PER I:PER"])
def test_prefixes_that_are_written_otherwise_are_no_types(tmp_path: Path, tags: str) -> None:
    path = tmp_path / "data.conll"
    path.write_text("Anna {}\nLee {}\nleft O\n".format(*tags.split()))
    assert "fix: write B-PER, not b-PER, B_PER or PER-B" in failure(path)
    assert checked(path, source_tag_scheme="IO")[1].names[1] == f"B-{tags.split()[0]}"


def test_numbers_of_words_are_no_words(tmp_path: Path) -> None:
    path = tmp_path / "data.conll"
    path.write_text("1 Anna B-PER\n2 left O\n3 . O\n\n1 Rain O\n")
    assert "the words only count: '1', '2', '3'" in failure(path)
    assert checked(path, columns={"tokens": 1})[0].examples[1].words == ("Rain",)
    path.write_text("7 B-NUM\n\n1 B-NUM\n2 B-NUM\n4 B-NUM\n")
    assert checked(path)[0].examples[1].words == ("1", "2", "4")


def test_tags_of_no_scheme(tmp_path: Path) -> None:
    path = tmp_path / "data.conll"
    path.write_text("Anna NOUN\nleft VERB\n")
    assert "the tags know no O (no entity) and no prefix such as B-: 'NOUN', 'VERB'" in failure(path)
    assert "as parts of speech do, say data.tag_scheme: none" in failure(path)
    path.write_text("Anna B-PER\nleft VERB\n")
    assert "the tags are in no scheme that is known: 'B-PER', 'VERB'" in failure(path)


# --- tags without a scheme ---


def test_tags_that_stand_for_themselves(tmp_path: Path) -> None:
    rows = [{"tokens": ["Why", "B"], "tags": ["WRB", "B-x"]}, {"tokens": ["a"], "tags": ["O"]}]
    split, labels, spec, _ = checked(jsonl(tmp_path, *rows), tag_scheme="none")
    assert tags(split) == ["WRB B-x", "O"]
    assert labels.names == ("B-x", "O", "WRB")
    assert (spec.tag_scheme, spec.source_tag_scheme) == ("none", None)
    assert KIND.metric_group(TASK, spec).name == "plain-tags"


def test_numbers_are_positions_in_the_declared_tags(tmp_path: Path) -> None:
    split, labels, *_ = checked(
        jsonl(tmp_path, {"tokens": ["a", "b"], "tags": [1, 0]}), tag_scheme="none", labels=("VERB", "NOUN", "ADJ")
    )
    assert tags(split) == ["NOUN VERB"]
    assert labels.names == ("VERB", "NOUN", "ADJ")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"text": TEXT, "spans": []}, "a text has spans, and data.tag_scheme: none needs a tag for each word"),
        ({"tokens": ["a"], "tags": [None]}, "a word has no tag, but None"),
        ({"tokens": ["a", "b"], "tags": ["X", "X"]}, "train has one tag only, 'X'"),
    ],
)
def test_what_is_wrong_with_tags_that_stand_for_themselves(row: Any, message: str, tmp_path: Path) -> None:
    assert message in failure(jsonl(tmp_path, row, row), tag_scheme="none")


@pytest.mark.parametrize("key", [{"source_tag_scheme": "IOB2"}, {"repair_tags": "begin"}])
def test_keys_of_schemes_mean_nothing_without_one(key: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"with data.tag_scheme: none tags have no scheme"):
        checked(jsonl(tmp_path, {"tokens": ["a"], "tags": ["X"]}), tag_scheme="none", **key)


def test_a_checkpoint_of_others_whose_tags_have_no_outside_stands_for_itself() -> None:
    found = KIND.of_plain_checkpoint(LabelSpace(("NOUN", "VERB")), None, ANY_DATA, "config.json")  # type: ignore[arg-type]
    assert found.labels == LabelSpace(("NOUN", "VERB"))
    assert (found.data["tag_scheme"], found.options["scheme"]) == ("none", "none")


# --- bad input ---


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"tokens": ["Anna", "left"], "tags": ["B-PER"]}, "2 words but 1 tags"),
        ({"tokens": ["Anna"], "tags": None}, "the tags are missing"),
        ({"tokens": ["Anna"], "tags": [None]}, "a word has no tag, but None"),
        ({"tokens": ["Anna"], "tags": [" "]}, "a word has no tag, but ' '"),
        ({"tokens": ["Anna"], "tags": ["B-" + "9" * 20_000]}, "a word has no tag, but 'B-9999"),
        ({"text": TEXT, "spans": [[0, 4, "9" * 20_000]]}, "a label has at most 1,000 characters, got '9999"),
        ({"tokens": [], "tags": []}, "the sentence is empty"),
        ({"tokens": ["Anna", ""], "tags": ["O", "O"]}, "a word is empty"),
        ({"tokens": ["Anna", 5], "tags": ["O", "O"]}, "a word is no text, but 5"),
        ({"tokens": ["Anna", {"a": 1}], "tags": ["O", "O"]}, "a word is no text, but {'a': 1}"),
        ({"tokens": None, "tags": ["O"]}, "column 'tokens' holds nothing"),
        (
            {"tokens": "Anna left", "tags": ["O"]},
            "column 'tokens' holds a text; expected a list of words: 'Anna",
        ),
        ({"tokens": ["Anna"], "tags": "O"}, "column 'tags' holds a text; expected a list of tags: 'O'"),
        ({"text": None, "spans": []}, "column 'text' holds nothing"),
        ({"spans": [[0, 4, "PER"]]}, "column 'text' holds nothing"),
        ({"text": {"a": "b"}, "spans": []}, "column 'text' holds an object: {'a': 'b'}"),
        ({"text": TEXT, "spans": ["PER"]}, "column 'spans' holds no spans that can be read: expected a span with"),
        ({"tokens": ["Bo"], "tags": ["O"], "id": {"a": 1}}, "column 'id' holds an object"),
        ({"text": "", "spans": []}, "the sentence is empty"),
        ({"text": TEXT, "spans": [[0, 2, "PER"]]}, "the span PER 0 to 2 ('An') splits a word"),
        (
            {"text": TEXT, "spans": [[0, 9, "A"], [5, 18, "B"]]},
            "the span B 5 to 18 ('left New York') overlaps A 0 to 9",
        ),
        ({"text": TEXT, "spans": [[15, 40, "LOC"]]}, "lies outside the text of 19 characters"),
        ({"text": TEXT, "spans": [[4, 4, "LOC"]]}, "lies outside the text"),
        ({"text": TEXT, "spans": [[4, 5, "LOC"]]}, "holds nothing but white space"),
    ],
)
def test_bad_rows_are_named(row: Any, message: str, tmp_path: Path) -> None:
    good = {"tokens": ["Bo"], "tags": ["B-PER"]} if "tokens" in row else {"text": "Bo", "spans": [[0, 2, "PER"]]}
    found = failure(jsonl(tmp_path, good, good, row), columns={"id": "id"})
    assert message in found
    assert "line 3" in found
    assert "fix" in found.lower()


def test_every_bad_span_is_named_by_row(tmp_path: Path) -> None:
    rows = [{"id": f"r{row}", "text": TEXT, "spans": [[0, 2, "PER"]]} for row in range(7)]
    message = failure(jsonl(tmp_path, *rows), columns={"id": "id"})
    assert "splits a word (7 times)" in message
    assert "x, line 1, id 'r0'" in message
    assert "(+2 more)" in message


def test_unknown_tag_in_test(tmp_path: Path) -> None:
    labels = LabelSpace(("O", "B-PER", "I-PER"))
    split = Split("test", "test.conll", [TokenExample(0, ("Anna", "Li"), ("B-PRE", "I-PRE"), line=4)])
    problems = Problems()
    KIND.check({"test": split}, labels, TASK, ANY_DATA, problems)
    with pytest.raises(DataError, match="the tag 'B-PRE' is none that the run knows. Did you mean 'PER'") as caught:
        problems.raise_if_any()
    assert "test.conll, line 4, word 1" in str(caught.value)


def test_train_without_any_entity(tmp_path: Path) -> None:
    assert "train has no entity: every tag is O" in failure(jsonl(tmp_path, {"tokens": ["a"], "tags": ["O"]}))


def test_sentences_of_train_in_test_are_a_leak(tmp_path: Path) -> None:
    example = TokenExample(0, ("Anna",), ("B-PER",), line=1)
    splits = {name: Split(name, f"{name}.conll", [example, example]) for name in ("train", "test")}
    problems = Problems()
    KIND.check(splits, LabelSpace(("O", "B-PER", "I-PER")), TASK, ANY_DATA, problems)
    assert any("leak: 2 of 2 sentences of test are also in train" in warning for warning in problems.warnings)


def test_columns_that_are_not_there(tmp_path: Path) -> None:
    path = jsonl(tmp_path, {"tokens": ["Anna"], "ner_tags": ["O"]})
    assert "no column 'tags' (data.columns.tags); the columns are 'tokens', 'ner_tags'" in failure(path)
    assert "no column 'tokens' (data.columns.tokens)" in failure(jsonl(tmp_path, {"words": ["Anna"], "tags": ["O"]}))
    path = tmp_path / "data.txt"
    path.write_text("Anna O\n")
    assert "name it .conll" in failure(path)
    with pytest.raises(ConfigError, match="no role 'token'. Did you mean 'tokens'"):
        KIND.columns_of(TASK, TokenClassificationData(train="x", columns={"token": "x"}))


def test_class_weights(tmp_path: Path) -> None:
    split, labels, spec, _ = checked(jsonl(tmp_path, {"tokens": ["Anna", "a", "b"], "tags": ["B-PER", "O", "O"]}))

    def weights(setting: Any) -> Any:
        return KIND.adapter_options(split, labels, spec, Settings(class_weights=setting))["class_weights"]

    assert weights(None) is None
    assert weights("balanced") == [3 / 6, 3 / 3, 1.0]
    assert weights({"O": 0.5}) == [0.5, 1.0, 1.0]
    with pytest.raises(ConfigError, match="no tag 'B-PRE'. Did you mean 'B-PER'"):
        weights({"B-PRE": 1.0})


def test_what_can_be_predicted() -> None:
    text = KIND.input_example(0, "Bo left")
    assert (text.words, text.offsets, text.text) == (("Bo", "left"), ((0, 2), (3, 7)), "Bo left")
    assert KIND.input_example(1, ["Bo", "left"]) == TokenExample(1, ("Bo", "left"), line=1)
    with pytest.raises(DataError, match="inputs, item 2: expected a text or a list of words, got 5"):
        KIND.input_example(2, 5)
