import dataclasses
import math
import time

import pytest

from ftkit.data.check import Problems, Wording, check_labels, check_splits
from ftkit.data.images import ImageExample
from ftkit.types import Label, Split, TextExample


def split(name: str, *labels: Label | None, texts: list[str] | None = None) -> Split:
    texts = texts or [f"{name} text {number}" for number in range(len(labels))]
    examples = [
        TextExample(number, text, label=label, line=number + 2)
        for number, (text, label) in enumerate(zip(texts, labels, strict=True))
    ]
    return Split(name, f"{name}.csv", examples)


def check(*splits: Split, **options) -> Problems:
    problems = Problems()
    check_splits(splits, problems=problems, **options)
    return problems


def only_error(problems: Problems) -> str:
    assert len(problems.errors) == 1, problems.errors
    return problems.errors[0]


def only_warning(problems: Problems) -> str:
    assert problems.errors == []
    assert len(problems.warnings) == 1, problems.warnings
    return problems.warnings[0]


GOOD = ["a", "b"] * 5


def test_good_data_has_no_problems() -> None:
    problems = check(split("train", *GOOD), split("validation", "a"), split("test", "b"))
    assert problems.errors == []
    assert problems.warnings == []


def test_empty_text_names_its_rows() -> None:
    error = only_error(check(split("test", "a", "a", "a", texts=["", " \n\t", "x"])))
    assert "test: the text is empty (2 times)" in error
    assert "at test.csv, line 2; test.csv, line 3" in error
    assert "fill in the text" in error


def test_texts_that_are_printed_lists() -> None:
    texts = [f"['row', '{number}']" for number in range(9)]
    assert check(split("train", *GOOD, texts=[*texts[:4], *map(str, range(6))])).warnings == []
    warning = only_warning(check(split("train", *GOOD, texts=[*texts, "one"])))
    assert "9 of 10 texts look like printed lists, such as \"['row', '0']\"" in warning


def test_empty_second_text() -> None:
    examples = [TextExample(0, "x", " ", "a", line=2)]
    assert "the text_pair is empty" in only_error(check(Split("test", "t.csv", examples)))


def test_missing_label() -> None:
    error = only_error(check(split("train", *GOOD, None, "", " ")))
    assert "train: the label is missing (3 times)" in error
    assert "train.csv, line 12" in error
    assert "fix: fill in the label" in error


def test_rows_to_predict_need_no_labels() -> None:
    assert check(split("input", None, None)).errors == []


def test_label_that_train_never_had() -> None:
    error = only_error(check(split("train", *["refund", "card"] * 5), split("test", "card", "refnd", "refnd")))
    assert "test: the label 'refnd' is not among the labels of train. Did you mean 'refund'? (2 times)" in error
    assert "at test.csv, line 3; test.csv, line 4" in error


def test_label_outside_the_declared_ones() -> None:
    error = only_error(check(split("train", *GOOD, "c", "c"), declared=["a", "b"]))
    assert "train: the label 'c' is not in data.labels" in error


def test_declared_label_may_be_missing_from_train() -> None:
    problems = check(split("train", *GOOD), split("test", "c"), declared=["a", "b", "c"])
    assert "the label 'c' of data.labels has no example in train" in only_warning(problems)


def test_single_label_in_train() -> None:
    error = only_error(check(split("train", *["spam"] * 10)))
    assert "train has only one label, 'spam'" in error
    assert "data.columns.label" in error


@pytest.mark.parametrize(
    ("labels", "minority_lines"),
    [(["a", "b", "c"] * 2 + ["7", "8"] * 2, "8, 9, 10, 11"), (["1", "2"] * 6 + ["x"] * 2, "14, 15")],
)
def test_numbers_and_words_mixed(labels: list[str], minority_lines: str) -> None:
    error = only_error(check(split("train", *labels)))
    numbers = sum(label.isdigit() for label in labels)
    assert f"{numbers} rows have a number ({numbers / len(labels):.0%})" in error
    assert f"{len(labels) - numbers} have a word" in error
    assert f"train.csv, lines {minority_lines}" in error
    assert "data.labels" in error


def test_numbers_and_words_may_be_declared() -> None:
    assert check(split("train", *["1", "many"] * 5), declared=["1", "many"]).errors == []


def test_words_that_python_would_read_as_numbers() -> None:
    assert check(split("train", *["nan", "infinity", "1_0"] * 5)).errors == []


def test_measurements_as_classes() -> None:
    error = only_error(check(split("train", *["3.5", "4", "1.0", "2e0"] * 5)))
    assert "look like measurements, not classes: '3.5' among 4 different numbers" in error
    assert "data.problem_type: regression" in error
    assert check(split("train", *["1.0", "2.0", "-3"] * 5)).errors == []
    assert check(split("train", *["1.5", "2.0"] * 5), declared=["1.5", "2.0"]).errors == []


def test_regression_labels() -> None:
    bad = [math.nan, math.inf, "x", "nan", True]
    error = only_error(check(split("train", *[1.0, 2, "3.5", 0.5] * 3, *bad), problem_type="regression"))
    assert "train: the label nan is not a finite number, as regression needs (5 times)" in error
    assert "train.csv, line 14" in error


def test_numbers_that_are_all_the_same_teach_nothing() -> None:
    problems = check(split("train", *[3.0] * 12), problem_type="regression")
    assert "train: all labels are 3.0, and nothing can be learnt from them" in only_error(problems)


def test_one_number_written_in_several_ways_is_told() -> None:
    told = only_warning(check(split("train", *["1", "1.0", "01", "-1", "12"] * 3)))
    assert "labels that are one number, written in several ways, are different labels: '1' (3 rows), '1.0'" in told
    assert "'01' (3 rows)" in told
    assert "-1" not in told


@pytest.mark.parametrize("labels", [[' "pos"', ' "neg"'], ["'pos'", "'neg'"]])
def test_labels_that_are_all_in_quotes_are_told(labels: list[str]) -> None:
    assert "all labels are in quotes, which are a part of their names" in only_warning(
        check(split("train", *labels * 6))
    )


def test_regression_missing_label_is_reported_once() -> None:
    error = only_error(check(split("train", *[1.0, 2.0] * 5, None, ""), problem_type="regression"))
    assert "train: the label is missing (2 times)" in error


def test_multi_label() -> None:
    train = split("train", ("a", "b"), (), *[("a",), ("b",)] * 5)
    problems = check(train, split("test", ("b", "c"), ()), problem_type="multi_label_classification")
    assert "test: the label 'c' is not among the labels of train" in only_error(problems)


def test_spellings() -> None:
    warning = only_warning(check(split("train", *["Refund", "card"] * 5, *["refund ", "refund "])))
    assert "differ only in case or white space" in warning
    assert "'Refund' (5 rows), 'refund ' (2 rows)" in warning
    assert "train.csv, lines 12, 13" in warning


@pytest.mark.parametrize(
    ("one", "other", "shown"),
    [
        ("caf\u00e9", "cafe\u0301", r"'caf\xe9' (6 rows), 'cafe\u0301' (6 rows)"),
        ("late", "la\u200bte", r"'late' (6 rows), 'la\u200bte' (6 rows)"),
        ("late", "\ufefflate", r"'late' (6 rows), '\ufefflate' (6 rows)"),
        ("e-mail", "e\u2011mail", r"'e-mail' (6 rows), 'e\u2011mail' (6 rows)"),
    ],
)
def test_labels_that_look_alike(one: str, other: str, shown: str) -> None:
    warning = only_warning(check(split("train", *[one, other] * 6)))
    assert "labels that look alike, but differ in characters that are invisible or encoded differently" in warning
    assert shown in warning
    declared = check(split("train", *[one, "card"] * 6), declared=[one, other, "card"])
    assert any("look alike" in warning for warning in declared.warnings)
    error = only_error(check(split("train", *[one, "card"] * 6), split("test", other)))
    assert f"It looks like {one!r}, but it is {other!a}, not {one!a}." in error


def test_rare_labels_are_one_warning() -> None:
    warning = only_warning(check(split("train", *GOOD, "c", "d")))
    assert "labels with a single example in train, such as 'c' (2 times)" in warning
    assert "train.csv, line 12; train.csv, line 13" in warning


def test_leak() -> None:
    test = split("test", "a", "b", "a", texts=["train text 0", "fresh", "train text 3"])
    warning = only_warning(check(split("train", *GOOD), test))
    assert "leak: 2 of 3 texts of test are also in train" in warning
    assert "test.csv, lines 2, 4" in warning


def test_contradictions() -> None:
    texts = [f"t{number}" for number in range(10)] + ["t0", "t0", "t1", "t2"]
    warning = only_warning(check(split("train", *GOOD, "b", "b", "a", "a", texts=texts)))
    assert "2 texts have different labels" in warning
    assert "train.csv, lines 12, 14" in warning


def test_too_few_rows() -> None:
    assert "test has no rows" in only_error(check(split("train", *GOOD), split("test")))
    assert "train has 1 row" in only_error(check(split("train", "a")))
    assert "train has only 4 rows" in only_warning(check(split("train", "a", "b", "a", "b")))


def test_wrong_label_column_is_reported_in_reasonable_time() -> None:
    train, test = (split(name, *[f"{name} id {number}" for number in range(5000)]) for name in ("train", "test"))
    started = time.perf_counter()
    assert len(check(train, test).errors) == 5000
    assert time.perf_counter() - started < 20


PICTURES = Wording("image", "images", "pixel for pixel")


def pictures(name: str, *named: tuple[str, str, Label]) -> Split:
    return Split(name, name, [ImageExample(0, None, file, label, digest=digest) for file, digest, label in named])


def test_labels_of_files_are_checked_in_the_same_way_and_named_by_file() -> None:
    named = zip("123456", "ababab", strict=True)
    train = pictures("train", *((f"{label}/{digest}.jpg", digest, label) for digest, label in named))
    again = pictures("train", *((f"a/{digest}.jpg", digest, "a") for digest in "24"))
    both = Split("train", "photos", [*train.examples, *again.examples, *train.examples])
    test = pictures("test", ("b/copy.jpg", "1", "b"), ("b/new.jpg", "9", "zebra"))
    problems = Problems()
    check_labels([both, test], problems=problems, wording=PICTURES)
    assert problems.errors == [
        "test: the label 'zebra' is not among the labels of train.\nat test, b/new.jpg\n"
        "fix: correct the label, or list all names under data.labels"
    ]
    assert problems.warnings == [
        "leak: 1 of 2 images of test are also in train, pixel for pixel; test, b/copy.jpg; "
        "fix: remove them from train or from test; its scores are too good with them",
        "2 images have different labels in different rows of train; photos, a/2.jpg, a/4.jpg; "
        "fix: keep one label for each image",
    ]


@pytest.mark.parametrize(
    ("labels", "separator"),
    [((("red|blue",), ("blue",)), "|"), ((("a; b",), ("b; c",)), ";"), ((("w/o",), ("and/or",)), None)],
)
def test_names_between_a_separator_that_nobody_declared(labels: tuple[Label, ...], separator: str | None) -> None:
    problems = check(split("train", *labels * 5), problem_type="multi_label_classification")
    assert problems.errors == []
    expected = [] if separator is None else [f'if they are: data.label_separator: "{separator}"']
    assert [warning for warning in problems.warnings if "label_separator" in warning] == problems.warnings
    assert all(part in warning for part, warning in zip(expected, problems.warnings, strict=True))


def test_single_labels_that_are_joined_of_others_may_be_several() -> None:
    told = only_warning(check(split("train", *["red|blue", "red", "blue", "sea/side"] * 3)))
    assert "labels such as 'red|blue' look like several names between '|'" in told
    assert 'if they are: data.problem_type: multi_label_classification, and data.label_separator: "|"' in told
    assert check(split("train", *["red|blue", "red", "sea, blue"] * 4)).warnings == []


def test_labels_that_the_first_rows_of_a_stream_lack_are_one_problem() -> None:
    first = dataclasses.replace(split("train", *["x", "y"] * 5, "rare"), is_sample=True)
    error = only_error(check(first, split("validation", "x", "it's", "z")))
    assert "2 labels of validation, \"it's\", 'z', stand in none of the first 11 rows of train" in error
    assert "at validation.csv, line 3" in error
    assert "data.labels: ['it''s', 'rare', 'x', 'y', 'z']" in error


def test_what_the_first_rows_of_a_stream_lack_may_be_in_the_others() -> None:
    first = dataclasses.replace(split("train", *["x"] * 12), is_sample=True)
    problems = check(first, split("validation", "x"), declared=["x", "y", "z"])
    assert problems.errors == []
    assert problems.warnings == []
    assert "first 12 rows of train have only one label, 'x'" in only_error(check(first))
