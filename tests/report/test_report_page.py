from __future__ import annotations

import dataclasses
import functools
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import report_contents as contents

from ftkit.report.content import EvaluatedSplit, ReportContent
from ftkit.report.page import page_html, page_values, write_page
from ftkit.types import Split

CONTENTS = {
    "three labels": lambda: contents.single_label_content(("negative", "neutral", "positive"), num_rows=150),
    "77 labels": lambda: contents.single_label_content(tuple(f"intent_{i}" for i in range(77)), num_rows=900),
    "multi-label": contents.multi_label_content,
    "regression": contents.regression_content,
    "tags": contents.tagging_content,
    "written": contents.translation_content,
}


class Page(HTMLParser):
    """The tags of a page, checked to be balanced, and its visible text."""

    VOID = ("meta", "wbr", "br", "path", "use")

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.parts: list[str] = []
        self.feed(html)
        assert not self.open, f"tags left open: {self.open}"

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.parts))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.ids += [values["id"] or ""] if "id" in values else []
        self.links += [value or "" for key, value in attrs if key in ("href", "src", "xlink:href")]
        assert tag not in ("script", "link", "img", "iframe")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.parts.append(data)
        if self.open and self.open[-1] in ("td", "th", "dt", "dd", "li", "text", "p", "h1", "h2", "h3", "div"):
            self.parts.append(" ")


def page_of(tmp_path: Path, content: ReportContent) -> Page:
    write_page(tmp_path / "report.html", content)
    return Page((tmp_path / "report.html").read_text(encoding="utf-8"))


@functools.cache  # it is drawn
def html_of(name: str) -> str:
    content = CONTENTS[name]()
    return page_html(content.title, page_values(content))


@pytest.mark.parametrize("name", CONTENTS)
def test_a_page_stands_alone(name: str) -> None:
    page = Page(html_of(name))
    assert "://" not in page.html
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; media-src data:"
    assert f'<meta http-equiv="Content-Security-Policy" content="{policy}">' in page.html
    assert all(link.startswith("#") for link in page.links)
    assert len(page.ids) == len(set(page.ids)), "ids of the drawings collide"
    assert {link[1:] for link in page.links} <= set(page.ids)
    assert set(re.findall(r"url\(#([^)]+)\)", page.html)) <= set(page.ids)
    assert len(page.html) < 400_000


@pytest.mark.parametrize("name", CONTENTS)
def test_equal_content_gives_equal_bytes(tmp_path: Path, name: str) -> None:
    assert page_of(tmp_path, CONTENTS[name]()).html == html_of(name)


def test_headline_of_single_labels(tmp_path: Path) -> None:
    content = contents.single_label_content()
    test = content.evaluated[1]
    num_right = int((test.predictions == test.references).sum())
    page = page_of(tmp_path, content)
    assert "Accuracy on test" in page.text
    assert f"{100 * num_right / 320:.1f}%" in page.text
    assert f"{num_right} of 320 rows are right" in page.text
    assert "95% interval 83.1% to 90.4%" in page.text
    assert (
        f"always answering the most frequent label gives {100 * np.bincount(test.references).max() / 320:.1f}%"
        in page.text
    )
    assert "320 rows of test.csv" in page.text
    assert "66,959,624, all trained" in page.text
    assert "2 min 13 s" in page.text
    assert "108.0 samples per second" in page.text
    assert "1.2e-07" in page.text


def test_validation_is_the_headline_without_test(tmp_path: Path) -> None:
    content = contents.single_label_content()
    page = page_of(tmp_path, dataclasses.replace(content, evaluated=content.evaluated[:1]))
    assert "Accuracy on validation" in page.text
    assert "Predictions on validation" in page.text


def test_confusion_counts_are_those_of_the_rows(tmp_path: Path) -> None:
    names = ("negative", "neutral", "positive")
    references = np.array([0] * 50 + [1] * 30 + [2] * 20)
    predictions = references.copy()
    predictions[:7] = 1
    predictions[50:53] = 2
    examples = contents.examples([names[label] for label in references])
    split = EvaluatedSplit("test", Split("test", "test.csv", examples), predictions, references, np.full(100, 0.9))
    table = contents.per_label(split, names)
    content = contents.content(
        [split],
        label_names=names,
        problem_type="single_label_classification",
        primary_metric="accuracy",
        scores={"test_accuracy": 0.9, "test_per_label": table},
    )
    page = page_of(tmp_path, content)
    confusion = page.html.split("Confusion matrix of 3 labels")[1].split("</svg>")[0]
    assert re.findall(r">([\d,]+)</text>", confusion) == ["43", "7", "27", "3", "20"]
    assert f"neutral 30 {table['neutral']['precision']:.4f} 0.9000" in page.text
    assert "10 of 10 wrong rows" in page.text


def test_many_labels_show_pairs_and_say_what_was_left_out() -> None:
    page = Page(html_of("77 labels"))
    assert "the 25 lowest of 77 labels" in page.text
    assert "Most confused pairs of test" in page.text
    assert "Confusion matrix" not in page.html


def test_multi_label_page() -> None:
    content, page = contents.multi_label_content(), Page(html_of("multi-label"))
    assert "F1 (micro) on test" in page.text
    assert f"{content.results['test_f1_micro']:.4f}" in page.text
    assert "Rows with the most wrong labels" in page.text
    assert "Confusions" not in page.text


def test_regression_page() -> None:
    content, page = contents.regression_content(), Page(html_of("regression"))
    assert "Mean squared error on test" in page.text
    assert f"{content.results['test_mse']:.4f}" in page.text
    assert "Spearman correlation –" in page.text
    assert "Largest errors" in page.text
    worst = np.abs(content.evaluated[0].predictions - content.evaluated[0].references).max()
    assert f"{worst:.4f}" in page.text


def test_many_numbers_are_sampled_and_the_page_says_so(tmp_path: Path) -> None:
    page = page_of(tmp_path, contents.regression_content(num_rows=5000))
    assert "2,000 of 5,000 rows, drawn at random" in page.text
    assert len(page.html) < 500_000


def test_a_thousand_labels_and_many_rows_stay_small(tmp_path: Path) -> None:
    content = contents.single_label_content(
        tuple(f"label number {i} " + "x" * 100 for i in range(1000)), num_rows=20_000
    )
    page = page_of(tmp_path, content)
    assert "The 200 labels of lowest F1 among 1,000" in page.text
    assert len(page.html) < 400_000


def test_texts_of_the_data_are_escaped(tmp_path: Path) -> None:
    hostile = (
        "<script>alert(1)</script>",
        "</svg><img src=x>",
        '" id="a" onload="x',
        "$5 to $10$",
        "{{ 7*7 }}",
        "a & b",
    )
    content = contents.single_label_content(hostile, num_rows=200, warnings=("<b>bold</b>",), title="<i>run</i>")
    content.evaluated[1].split.examples[:] = contents.examples(  # type: ignore[index]
        [hostile[label] for label in content.evaluated[1].references], texts=("<script>x</script>",)
    )
    page = page_of(tmp_path, content)  # the parser refuses script and img
    assert "&lt;b&gt;bold&lt;/b&gt;" in page.html
    assert "&lt;script&gt;x&lt;/script&gt;" in page.html
    assert "{{ 7*7 }}" in page.text
    assert "$5 to $10$" in page.text
    assert '<svg class="plot"' in page.html


def test_any_script_and_broken_characters_are_written(tmp_path: Path) -> None:
    names = ("退款", "عنوان", "😀", "bell\x07", "lone \ud800", "zero\x00")
    page = page_of(tmp_path, contents.single_label_content(names, num_rows=120))
    assert "退款" in page.text
    assert "😀" in page.text


def test_values_that_are_missing_are_dashes(tmp_path: Path) -> None:
    content = contents.single_label_content()
    nothing = dict.fromkeys(content.results) | {"eval_loss": float("nan")}
    page = page_of(tmp_path, dataclasses.replace(content, results=nothing))
    assert "Accuracy on test –" in page.text
    assert "the metric is not defined on these rows" in page.text
    assert "No proof was recorded" in page.text
    assert "nan" not in page.text


def test_a_run_without_evaluation_and_history_has_a_page(tmp_path: Path) -> None:
    content = contents.single_label_content()
    page = page_of(tmp_path, dataclasses.replace(content, evaluated=(), log_history=(), results={}))
    assert "Not evaluated" in page.text
    assert "<svg" not in page.html


def test_history_that_is_short_or_not_finite_is_drawn(tmp_path: Path) -> None:
    history = [
        {"step": 1, "epoch": 0.5, "loss": float("nan")},
        {"step": 2, "epoch": 1.0, "eval_loss": 0.5, "eval_accuracy": 0.75},
    ]
    content = contents.single_label_content(log_history=history)
    assert "Loss while training" in page_of(tmp_path, content).text


def test_no_absolute_path_is_told(tmp_path: Path) -> None:
    config = contents.CONFIG.format(
        checkpoint="/home/ana/models/bert",
        train="/home/ana/data/train.csv",
        test="/home/ana/data/test.csv",
        output_dir="/home/ana/runs/x",
    )
    content = contents.single_label_content(
        checkpoint="/home/ana/models/bert",
        base_on_hub=None,
        config_yaml=config,
        warnings=("/home/ana/data/train.csv, line 3: cut",),
    )
    for facts in content.results["data"].values():
        facts["source"] = "/home/ana/data/train.csv"
    page = page_of(tmp_path, content)
    assert "ana" not in re.sub(r"\w+ana\w+|sans|\bana\w+", "", page.text)
    assert "/home" not in page.html
    assert "train: train.csv" in page.text
    assert "train.csv, line 3: cut" in page.text


def test_best_epoch_is_that_of_the_kept_checkpoint() -> None:
    content = contents.single_label_content()
    assert content.best_epoch == 4.0
    assert dataclasses.replace(content, results={}).best_epoch is None


def test_importing_is_cheap_and_drawing_leaves_no_trace(tmp_path: Path) -> None:
    code = f"""
import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})
import ftkit.report.page, ftkit.report.card, ftkit.report.files, ftkit.report.shared, ftkit.report.merged
heavy = {{"matplotlib", "sklearn", "torch", "transformers", "jinja2", "yaml", "huggingface_hub"}} & set(sys.modules)
assert not heavy, heavy
import matplotlib, warnings, report_contents
before, filters = dict(matplotlib.rcParams), list(warnings.filters)
ftkit.report.page.write_page({str(tmp_path / "r.html")!r}, report_contents.regression_content())
assert dict(matplotlib.rcParams) == before and warnings.filters == filters
assert "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
