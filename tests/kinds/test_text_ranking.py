"""Text ranking: what files look like, what is told of them, and a run end to end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import ftkit
from ftkit.data.problems import Problems
from ftkit.data.readers import open_table
from ftkit.errors import CheckpointError, DataError
from ftkit.kinds.text_ranking import KIND, TextRankingData
from ftkit.types import CandidatesExample, Split

DOCUMENTS = ("will the rain stop", "who stolen my card today", "too much salt in the soup")


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def read(file: Path, with_labels: bool = True, **data: Any) -> list[CandidatesExample]:
    spec = TextRankingData(train=str(file), **data)
    table = open_table(str(file))
    return list(KIND.read(table, KIND.task, KIND.columns_of(KIND.task, spec), spec, with_labels=with_labels))


def problems_of(examples: list[CandidatesExample]) -> Problems:
    problems = Problems()
    split = Split("train", "a.jsonl", examples)
    KIND.check({"train": split}, None, KIND.task, TextRankingData(train="a.jsonl"), problems)
    return problems


def test_a_query_a_row(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", [{"query": "rain", "documents": DOCUMENTS, "labels": [2, 0, 0.5]}])
    (example,) = read(file)
    assert (example.text, example.candidates, example.relevances) == ("rain", DOCUMENTS, (2.0, 0.0, 0.5))
    assert example.pairs[0] == ("rain", DOCUMENTS[0])
    assert read(file, with_labels=False)[0].relevances is None


def test_relevant_and_irrelevant_documents_in_columns_of_their_own(tmp_path: Path) -> None:
    row = {"q": "rain", "pos": DOCUMENTS[0], "neg": list(DOCUMENTS[1:])}
    columns = {"query": "q", "positives": "pos", "negatives": "neg"}
    (example,) = read(write(tmp_path / "a.jsonl", [row]), columns=columns)
    assert (example.candidates, example.relevances) == (DOCUMENTS, (1.0, 0.0, 0.0))


def test_a_document_a_row(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("qid,query,passage,rel\n1,rain,wet,1\n1,rain,dry,0\n2,card,lost,0\n2,card,found,1\n")
    columns = {"documents": "passage", "label": "rel", "id": "qid"}
    found = read(file, columns=columns, query_column="qid")
    assert [(one.id, one.text, one.candidates, one.relevances, one.line) for one in found] == [
        ("1", "rain", ("wet", "dry"), (1.0, 0.0), 2),
        ("2", "card", ("lost", "found"), (0.0, 1.0), 4),
    ]
    file.write_text("qid,query,passage,rel\n1,rain,wet,1\n2,card,lost,0\n1,rain,dry,0\n")
    with pytest.raises(DataError, match="the query '1' of column 'qid' goes on after another") as raised:
        read(file, columns=columns, query_column="qid")
    assert "give every query an id of its own" in str(raised.value)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["yes", 0, 0], "column 'labels' holds a text in place of a number: 'yes'"),
        ([None, 0, 0], "column 'labels' holds nothing in one place"),
        ([-1, 0, 0], "column 'labels' holds a relevance below 0: -1"),
        (1, "expected a list of numbers"),
    ],
)
def test_a_relevance_that_is_none(labels: Any, message: str, tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", [{"query": "rain", "documents": DOCUMENTS, "labels": labels}])
    assert message in read(file)[0].cell_errors[0].message


def test_what_teaches_nothing_is_told() -> None:
    texts = ("a", "b")
    good = CandidatesExample(0, "rain", texts, relevances=(1, 0), line=1)
    none = CandidatesExample(1, "card", texts, relevances=(0, 0), line=2)
    alike = CandidatesExample(2, "soup", texts, relevances=(1, 1), line=3)
    found = problems_of([good, none, alike])
    assert not found
    assert any("queries of which no document is relevant" in warning for warning in found.warnings)
    assert any("whose documents are all equally relevant" in warning for warning in found.warnings)
    assert "train has no query of which one document is more relevant" in problems_of([none, alike]).errors[0]
    short = CandidatesExample(3, "cup", texts, relevances=(1,), line=4)
    assert "a query has 2 documents and 1 relevances" in problems_of([good, short]).errors[0]


def test_an_input(tmp_path: Path) -> None:
    assert KIND.input_example(3, ("rain", ["wet", "dry"])).candidates == ("wet", "dry")
    assert KIND.input_example(3, {"query": "rain", "documents": ["wet"]}).text == "rain"
    with pytest.raises(DataError, match=r"item 0: expected \(QUERY, \[DOCUMENT, ...\]\), got 'rain'"):
        KIND.input_example(0, "rain")


def test_a_run_end_to_end(checkpoint: Any, tmp_path: Path) -> None:
    words = ("rain", "card", "salt")
    rows = [
        {"query": word, "documents": [*DOCUMENTS[shift:], *DOCUMENTS[:shift]],
         "labels": [float(word in text) for text in (*DOCUMENTS[shift:], *DOCUMENTS[:shift])]}
        for word in words for shift in range(3)
    ]  # fmt: skip
    file = write(tmp_path / "a.jsonl", rows)
    config = {
        "task": "text-ranking",
        "model": {"checkpoint": str(checkpoint("gpt2"))},
        "data": {"train": str(file), "validation": str(file)},
        "train": {"num_train_epochs": 12, "learning_rate": 5e-3, "per_device_train_batch_size": 3, "use_cpu": True},
        "output_dir": str(tmp_path / "run"),
    }
    run = ftkit.train(config)
    assert run.metrics["eval_ndcg@10"] > 0.9
    assert run.metrics["eval_mrr@10"] > 0.85
    assert run.metrics["proof"]["rows"] == 9
    assert run.metrics["eval_baseline_bm25"] == 1.0, "each query is a word of its document"
    assert "bm25 alone gives 1.0000" in (run.output_dir / "report.html").read_text()
    found = ftkit.load(run.output_dir).predict([("rain", list(DOCUMENTS))])[0]
    assert found["ranking"][0] == 0
    report = json.loads((run.output_dir / "report.json").read_text())
    assert [block["block"] for block in report["page"]["results"]["blocks"]] == ["rank-histogram", "ranking-errors"]
    assert "orders documents by their relevance" in (run.output_dir / "README.md").read_text()
    _check_that_others_are_opened(run.output_dir, file, tmp_path / "other")


def _check_that_others_are_opened(run: Path, file: Path, other: Path) -> None:
    """A cross-encoder that ftkit did not make is a classifier of texts with one output, named as transformers does."""
    other.mkdir()
    for name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"):
        (other / name).write_bytes((run / name).read_bytes())
    config = json.loads((other / "config.json").read_text())
    del config["problem_type"]
    (other / "config.json").write_text(json.dumps({**config, "id2label": {0: "LABEL_0"}, "label2id": {"LABEL_0": 0}}))
    found = ftkit.load(other, task="text-ranking").evaluate(str(file))
    assert found["ndcg@10"] == ftkit.load(run).evaluate(str(file))["ndcg@10"]
    three = {"id2label": {0: "a", 1: "b", 2: "c"}, "label2id": {"a": 0, "b": 1, "c": 2}}
    (other / "config.json").write_text(json.dumps({**config, **three}))
    with pytest.raises(CheckpointError, match="its head has 3 outputs, 'a', 'b', 'c'; a model that scores candidates"):
        ftkit.load(other, task="text-ranking")
