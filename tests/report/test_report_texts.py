from __future__ import annotations

import pytest

from ftkit.report import texts


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0.92307, "0.9231"),
        (0.0, "0.0000"),
        (-0.5, "-0.5000"),
        (152.44, "152.4"),
        (3.1e-6, "3.1e-06"),
        (51234.0, "51,234"),
    ],
)
def test_score(value: float | None, text: str) -> None:
    assert texts.score_text(value) == text


@pytest.mark.parametrize(("share", "text"), [(None, "–"), (1.0, "100.0%"), (0.99999, "99.9%"), (0.8719, "87.2%")])
def test_percent_never_claims_all(share: float | None, text: str) -> None:
    assert texts.percent_text(share) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, "–"), (48.21, "48.2 s"), (133.0, "2 min 13 s"), (11100.0, "3 h 5 min")]
)
def test_duration(seconds: float | None, text: str) -> None:
    assert texts.duration_text(seconds) == text


@pytest.mark.parametrize(
    ("key", "name"), [("f1_macro", "F1 (macro)"), ("mse", "Mean squared error"), ("my_score", "my_score")]
)
def test_metric_name(key: str, name: str) -> None:
    assert texts.metric_name(key) == name


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("/home/ana/data/train.csv", "train.csv"),
        ("/home/ana/my data/train.csv", "train.csv"),
        ("~/data/train.csv", "train.csv"),
        ("file:///home/ana/train.csv", "train.csv"),
        (r"C:\Users\ana\train.csv", "train.csv"),
        ("/home/ana/tasks.py:TASK", "tasks.py:TASK"),
        ("/home/ana/train.csv, line 3: empty", "train.csv, line 3: empty"),
        ("see '/home/ana/x.csv' and C:/Users/ana/y.csv", "see 'x.csv' and y.csv"),
        ("source:/home/ana/x.csv", "source:x.csv"),
        (r"on \\server\ana\x.csv", "on x.csv"),
        ("https://huggingface.co/owner/name", "https://huggingface.co/owner/name"),
        ("see https://a.b/c/d/e", "see https://a.b/c/d/e"),
        ("and/or, 3/4, owner/name", "and/or, 3/4, owner/name"),
        ("data/train.csv", "data/train.csv"),
    ],
)
def test_absolute_paths_are_cut_to_base_names(text: str, cut: str) -> None:
    assert texts.without_paths(text) == cut


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("data/train.csv", "train.csv"),
        ("/home/ana/train.csv", "train.csv"),
        ("stanfordnlp/sst2:train", "stanfordnlp/sst2:train"),
        ("nyu-mll/glue:sst2:validation[:500]", "nyu-mll/glue:sst2:validation[:500]"),
        ("/home/ana/folder:train", "folder:train"),
        ("../ana/folder:train", "folder:train"),
    ],
)
def test_source_name(source: str, name: str) -> None:
    assert texts.source_name(source) == name


def test_shorten_keeps_one_line_within_the_limit() -> None:
    assert texts.shorten("a\n b\t c", 10) == "a b c"
    assert texts.shorten("x" * 300, 200) == "x" * 199 + "…"


def test_flat_texts() -> None:
    values = {"python": "3.12", "packages": {"torch": "2.6"}, "gpus": [], "from_disk": True, "none": None}
    assert texts.flat_texts(values) == {
        "python": "3.12",
        "packages · torch": "2.6",
        "gpus": "none",
        "from disk": "yes",
        "none": "–",
    }
