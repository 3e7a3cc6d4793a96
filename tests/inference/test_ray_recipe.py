"""The recipe for predicting a lake of files with Ray: scripts/ray/predict.py, on one worker of this machine."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import ftkit
from runs import TEXTS, run_config

pytest.importorskip("ray", reason="Ray is not installed: pip install 'ftkit[ray]' (some 250 MB)")
ROOT = Path(__file__).resolve().parents[2]


def test_every_row_of_a_lake_gets_its_prediction(tmp_path: Path, checkpoint: Callable[[str], Path]) -> None:
    run = ftkit.train(run_config(tmp_path, checkpoint("bert"), **{"train.num_train_epochs": 1})).output_dir
    texts = [text for text, _ in TEXTS[:8]]
    (lake := tmp_path / "lake").mkdir()
    pq.write_table(pa.table({"text": texts[:5], "label": ["kept"] * 5}), lake / "0.parquet")
    pq.write_table(pa.table({"text": [*texts[5:], " ", None], "label": ["kept"] * 5}), lake / "1.parquet")
    script = [ROOT / "scripts" / "ray" / "predict.py", run, lake, tmp_path / "predicted", "--batch-size", "3"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "RAY_USAGE_STATS_ENABLED": "0"}
    done = subprocess.run(
        [sys.executable, *map(str, script)], env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    rows = pq.read_table(tmp_path / "predicted").to_pylist()
    predictions = ftkit.load(run).predict(texts)
    expected = {text: row["label"] for text, row in zip(texts, predictions, strict=True)}
    found = {row["text"]: json.loads(row["prediction"]) for row in rows if row["error"] is None}
    assert {text: row["label"] for text, row in found.items()} == expected
    assert [row["prediction"] for row in rows if row["error"]] == [None, None]
    assert {row["error"] for row in rows if row["error"]} == {"the text is empty"}
    assert {row["label"] for row in rows} == {"kept"}
