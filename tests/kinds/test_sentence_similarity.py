"""Sentence similarity: what files look like, what is told of them, and runs end to end."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ftkit
from ftkit.data.problems import Problems
from ftkit.data.readers import open_table
from ftkit.data.similarity import SimilarityExample
from ftkit.errors import ConfigError, DataError
from ftkit.inference.merging import merge_run
from ftkit.kinds.sentence_similarity import KIND, SentenceSimilarityData, normalize
from ftkit.kinds.splits import read_options
from ftkit.types import Split

RAIN, WIND, CARD, LOST = "the cold rain", "cold wind and rain", "my card", "who stolen my card today"
PAIRS = [(RAIN, WIND, 5), (RAIN, CARD, 1), (CARD, LOST, 4.5), (LOST, WIND, 0)]


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def read(
    file: Path, *, with_labels: bool = True, **data: Any
) -> tuple[list[SimilarityExample], SentenceSimilarityData]:
    spec = KIND.found_in_files(KIND.task, SentenceSimilarityData(train=str(file), **data))
    table = open_table(str(file), read_options(spec))
    columns = KIND.columns_of(KIND.task, spec)
    return list(KIND.read(table, KIND.task, columns, spec, with_labels=with_labels)), spec


def problems_of(examples: list[SimilarityExample], **data: Any) -> Problems:
    problems, split = Problems(), Split("train", "a.jsonl", examples)
    KIND.check({"train": split}, None, KIND.task, SentenceSimilarityData(train="a.jsonl", **data), problems)
    return problems


@pytest.mark.parametrize(
    ("text", "options", "form", "expected"),
    [
        ("sentence1,sentence2,score\na,b,4.5\n", {}, "scored-pairs", ("a", "b", (), 4.5)),
        ("a,b,4.5\n", {"header": False}, "scored-pairs", ("a", "b", (), 4.5)),
        ("a,b,c\n", {"header": False}, "triplets", ("a", "b", ("c",), None)),
        ("a,b\n", {"header": False}, "pairs", ("a", "b", (), None)),
        ("anchor,positive\na,b\n", {}, "pairs", ("a", "b", (), None)),
        ("anchor,positive,negative_1,negative_2\na,b,c,\n", {}, "triplets", ("a", "b", ("c",), None)),
        ("anchor,positive,negative\na,b,c\n", {"format": "pairs"}, "pairs", ("a", "b", (), None)),
        ("x;y;z\na;b;1\n", {"delimiter": ";", "columns": {"text": "x", "text_pair": "y", "score": "z"}},
         "scored-pairs", ("a", "b", (), 1.0)),
    ],
)  # fmt: skip
def test_what_rows_hold_is_found_by_their_columns(
    text: str, options: dict[str, Any], form: str, expected: tuple[Any, ...], tmp_path: Path
) -> None:
    file = tmp_path / "a.csv"
    file.write_text(text)
    (example,), spec = read(file, **options)
    assert spec.format == form
    assert (example.text, example.text_pair, example.negatives, example.score) == expected


def test_lists_of_negatives_and_other_files(tmp_path: Path) -> None:
    row = {"query": "a", "positive": "b", "negatives": ["c", "d"]}
    (example,), spec = read(write(tmp_path / "a.jsonl", [row]))
    assert (example.negatives, spec.format) == (("c", "d"), "triplets")
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"sentence1": ["a"], "sentence2": ["b"], "score": [2.5]}), tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet")[0][0].score == 2.5


def test_rows_to_predict_may_have_one_text(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", [{"query": "a", "document": "b"}])
    spec = KIND.found_in_files(KIND.task, SentenceSimilarityData(train=str(tmp_path / "a.jsonl")))
    columns = KIND.columns_of(KIND.task, spec)
    for name, text, texts in (
        ("b.jsonl", '{"query": "a"}\n', [("text", "a")]),
        ("c.jsonl", '{"document": "b"}\n', [("text_pair", "b")]),
        ("d.txt", "a\n", [("text", "a")]),
        ("e.csv", "title\na\n", [("text", "a")]),
        ("f.jsonl", '{"query": "a", "document": "b"}\n', [("text", "a"), ("text_pair", "b")]),
    ):
        (tmp_path / name).write_text(text)
        table = open_table(str(tmp_path / name))
        (example,) = KIND.read(table, KIND.task, columns, spec, with_labels=False)
        assert example.texts == texts, name
    (tmp_path / "g.csv").write_text("x,y\na,b\n")
    with pytest.raises(DataError, match=r"there is no column 'query' \(data\.columns\.text\)"):
        list(KIND.read(open_table(str(tmp_path / "g.csv")), KIND.task, columns, spec, with_labels=False))


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("x,y\na,b\n", {}, "the columns 'x', 'y' are none that are known to hold two texts"),
        ("anchor,positive\na,b\n", {"format": "triplets"}, "data.format is triplets, but no column holds texts"),
        ("anchor,positive\na,b\n", {"format": "scored-pairs"}, "Fix: name it: data.columns.score"),
        ("anchor,positive\na,b\n", {"columns": {"score": "s"}}, "there is no column 's' (data.columns.score)"),
        ("anchor,positive\na,b\n", {"columns": {"text": "anchr"}}, "Did you mean 'anchor'?"),
    ],
)
def test_columns_that_are_not_there(text: str, options: dict[str, Any], message: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(DataError) as caught:
        read(tmp_path / "a.csv", **options)
    assert message in str(caught.value)


def test_what_is_found_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Scores in a column of an unknown name are not passed over in silence; nor is a header that is none."""
    (tmp_path / "a.csv").write_text("text1,text2,gold\na,b,3.5\n")
    assert read(tmp_path / "a.csv")[1].format == "pairs"
    told = " ".join(capsys.readouterr().err.split())
    assert "holds pairs: 'text1' and 'text2'; if 'gold' is how alike they are, say data.columns.score: gold" in told
    (tmp_path / "b.csv").write_text("A girl is here.,A child is there.,3.5\nB,C,1.0\n")
    with pytest.raises(DataError, match=r"looks like a row, not like a header\.\nFix: data\.header: false; the first"):
        read(tmp_path / "b.csv")


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("high", "column 'score' holds a text, and a score is a number"),
        ("nan", "column 'score' holds a score that is no finite number"),
        ([1], "column 'score' holds a list, and a score is a number"),
        (True, "column 'score' holds a score that is no finite number"),
    ],
)
def test_scores_that_are_no_numbers(cell: Any, message: str, tmp_path: Path) -> None:
    rows = [{"sentence1": "a", "sentence2": "b", "score": cell}]
    (example,), _ = read(write(tmp_path / "a.jsonl", rows), format="scored-pairs")
    assert example.cell_errors[0].message.startswith(message)


def test_scores_are_brought_to_0_and_1(capsys: pytest.CaptureFixture[str]) -> None:
    def normalized(scores: list[float], **data: Any) -> tuple[list[Any], Any]:
        spec, problems = SentenceSimilarityData(train="a", format="scored-pairs", **data), Problems()
        examples = [SimilarityExample(row, "a", "b", score=score, line=row + 1) for row, score in enumerate(scores)]
        found, changed = normalize({"train": Split("train", "a.csv", examples)}, KIND.task, spec, problems)
        problems.raise_if_any()
        return [example.score for example in found["train"].examples], changed.score_range

    assert normalized([0.5, 2.5, 4.8]) == ([0.1, 0.5, pytest.approx(0.96)], (0, 5))
    assert "scores run from 0.5 to 4.8" in capsys.readouterr().err
    assert normalized([1.0, 5.0]) == ([0, 1], (1, 5))
    assert normalized([0.2, 1.0]) == ([0.2, 1.0], (0, 1))
    assert normalized([-0.5, 1.0]) == ([0.25, 1.0], (-1, 1))
    assert normalized([2.0, 3.0], score_range=(0, 5)) == ([0.4, 0.6], (0, 5))
    with pytest.raises(DataError, match=r"the score 7 lies outside of data\.score_range, 0 to 5\n.*a\.csv, line 2"):
        normalized([2.0, 7.0], score_range=(0, 5))
    with pytest.raises(ConfigError, match=r"data\.score_range: got \[5, 0\]"):
        normalized([2.0], score_range=(5, 0))


def test_everything_wrong_is_named_by_its_row() -> None:
    examples = [
        SimilarityExample(0, " ", "b", score=0.5, line=1),
        SimilarityExample(1, "a", "", score=0.5, line=2),
        SimilarityExample(2, "a", "b", line=3),
    ]
    text = "\n".join(problems_of(examples, format="scored-pairs").errors)
    for told in ("the text is empty\n", "the text_pair is empty\n", "the score is missing\n", "a.jsonl, line 3"):
        assert told in text
    equal = [SimilarityExample(row, f"a {row}", "b", score=0.5) for row in range(3)]
    assert "all scores are 0.5" in problems_of(equal, format="scored-pairs").errors[0]
    lone = [SimilarityExample(row, f"a {row}", "b") for row in range(3)]
    assert "all rows have the same second text" in problems_of(lone, format="pairs").errors[0]
    triplets = [SimilarityExample(0, "a", "b", ("b",)), SimilarityExample(1, "c", "d")]
    told = "\n".join(problems_of(triplets, format="triplets").errors)
    assert "both the second text of its row and a negative" in told
    assert "a row has no negative" in told


def test_a_loss_that_does_not_suit() -> None:
    def options(**data: Any) -> dict[str, Any]:
        return KIND.adapter_options(None, None, SentenceSimilarityData(train="a", **data), None)  # type: ignore[arg-type]

    assert options(format="pairs", symmetric=True)["symmetric"]
    with pytest.raises(ConfigError, match=r"data\.loss: cosent does not suit pairs .* Say in-batch-negatives"):
        options(format="pairs", loss="cosent")
    with pytest.raises(ConfigError, match="Say cosent or cosine"):
        options(format="scored-pairs", loss="in-batch-negatives")
    with pytest.raises(ConfigError, match=r"data\.symmetric"):
        options(format="scored-pairs", symmetric=True)


# --- runs ---


def config_of(folder: Path, model: Path, rows: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    file = str(write(folder / "rows.jsonl", rows))
    return {
        "task": "sentence-similarity",
        "model": {"checkpoint": str(model)},
        "data": {"train": file, "test": file, **more.pop("data", {})},
        "train": {"num_train_epochs": 1, "per_device_train_batch_size": 2, "use_cpu": True, **more.pop("train", {})},
        "output_dir": str(folder / "run"),
        **more,
    }


SCORED_ROWS = [{"sentence1": one, "sentence2": other, "score": score} for one, other, score in PAIRS]


def test_a_run_on_scored_pairs(checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    result = ftkit.train(config_of(tmp_path, checkpoint("bert"), SCORED_ROWS))
    found = result.metrics
    assert -1 <= found["test_spearman"] <= 1
    assert {"test_baseline_tf_idf", "test_baseline_untrained_checkpoint", "test_loss"} <= found.keys()
    assert (found["pooling"], found["similarity_loss"]) == ("mean", "cosent")
    predictor = ftkit.load(result.output_dir)
    one, pair = predictor.predict([RAIN, (RAIN, WIND)])
    assert len(one["embedding"]) == 32
    written = json.loads((result.output_dir / "predictions" / "test.jsonl").read_text().splitlines()[0])
    assert pair == {"score": pytest.approx(written["score"], abs=1e-5)}
    assert predictor.evaluate(str(tmp_path / "rows.jsonl"))["spearman"] == pytest.approx(found["test_spearman"])
    vectors = predictor.encode([RAIN, WIND])
    np.testing.assert_allclose(vectors[0], one["embedding"], atol=1e-6)
    assert predictor.similarity([RAIN, CARD], vectors).shape == (2, 2)
    assert predictor.similarity([RAIN], [WIND])[0, 0] == pytest.approx(written["score"], abs=1e-5)
    assert predictor.encode([]).shape == (0, 32)
    with pytest.raises(DataError, match="the text is empty"):
        predictor.encode([RAIN, " "])
    empty, _ = predictor.predict([" ", RAIN])
    assert empty == {"embedding": None, "error": "the text is empty"}
    pytest.importorskip("sentence_transformers")
    from sentence_transformers import SentenceTransformer

    vectors = SentenceTransformer(str(result.output_dir), device="cpu").encode([RAIN])
    np.testing.assert_allclose(vectors[0], one["embedding"], atol=1e-5)


def test_a_run_with_lora_on_triplets_is_merged(checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    rows = [
        {"anchor": RAIN, "positive": WIND, "negative": "salt"},
        {"anchor": CARD, "positive": LOST, "negative": "our team won"},
        {"anchor": "the cup", "positive": "our team won the cup", "negative": "cold rain"},
        {"anchor": RAIN, "positive": "will the rain stop", "negative": "salt"},
    ]
    config = config_of(tmp_path, checkpoint("llama"), rows, tuner={"method": "lora", "rank": 2})
    config["data"]["pooling"] = "last"  # what sentence-transformers takes for a decoder that says nothing
    result = ftkit.train(config)
    found = result.metrics
    assert {"test_mrr@10", "test_accuracy@1", "test_triplet_accuracy", "test_baseline_tf_idf"} <= found.keys()
    merged = tmp_path / "merged"
    merge_run(result.output_dir, merged)
    one, other = (ftkit.load(folder).predict([RAIN])[0]["embedding"] for folder in (result.output_dir, merged))
    np.testing.assert_allclose(one, other, atol=1e-4)
    pytest.importorskip("sentence_transformers")
    from sentence_transformers import SentenceTransformer

    np.testing.assert_allclose(SentenceTransformer(str(merged), device="cpu").encode([RAIN])[0], one, atol=1e-4)
    opened = SentenceTransformer(str(checkpoint("llama")), device="cpu")
    opened.tokenizer.pad_token = opened.tokenizer.eos_token  # the tiny checkpoint names none
    opened.load_adapter(str(result.output_dir))
    np.testing.assert_allclose(opened.encode([RAIN])[0], one, atol=1e-5)


def test_a_batch_of_one_row_has_nothing_to_compare(checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    config = config_of(tmp_path, checkpoint("bert"), SCORED_ROWS, train={"per_device_train_batch_size": 1})
    with pytest.raises(ConfigError, match=r"train\.per_device_train_batch_size: the loss compares the rows"):
        ftkit.train(config)
    assert not (tmp_path / "run").exists()
