"""The cache of large data: what is kept, what goes, and what was told of rows that were read before."""

import json
import os
import time
from pathlib import Path

import pytest

from ftkit.data.large import cache
from ftkit.errors import ConfigError
from ftkit.kinds import large
from ftkit.kinds.large import examples_of
from ftkit.kinds.text_classification import KIND, TextClassificationData


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(cache, "cache_root", lambda: tmp_path / "cache")
    return tmp_path / "cache"


def keep(key: str, num_bytes: int, *, hours_ago: float) -> Path:
    def make(folder: Path) -> None:
        (folder / "rows").write_bytes(b"x" * num_bytes)

    path = cache.cached(cache.ROWS, key, make).path
    os.utime(path, (then := time.time() - 3_600 * hours_ago, then))
    return path


def test_what_has_not_been_used_for_longest_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FTKIT_CACHE_GB", "1e-6")  # 1,000 bytes
    oldest, used_again, recent = (
        keep("a", 400, hours_ago=9),
        keep("b", 400, hours_ago=8),
        keep("c", 100, hours_ago=0.5),
    )
    keep("b", 0, hours_ago=2)
    newest = keep("d", 400, hours_ago=0)
    assert [path.is_dir() for path in (oldest, used_again, recent, newest)] == [False, True, True, True]
    assert not Path(f"{oldest}.lock").exists()
    keep("e", 5_000, hours_ago=0)
    assert [path.is_dir() for path in (used_again, recent, newest)] == [False, True, True]


def test_a_bound_that_is_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FTKIT_CACHE_GB", "much")
    with pytest.raises(ConfigError, match="FTKIT_CACHE_GB: expected a number of gigabytes"):
        cache.most_bytes()


def test_what_was_told_while_rows_were_read_is_told_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(large, "LARGE_BYTES", 0)
    annotation = {"result": [{"from_name": "tone", "value": {"choices": ["nice"]}}]}
    tasks = [
        {"data": {"text": "good"}, "annotations": [annotation]},
        {"data": {"text": "bad"}, "annotations": [{**annotation, "was_cancelled": True}]},
    ]
    source = tmp_path / "export.json"
    source.write_text(json.dumps(tasks))
    from ftkit.data.readers import open_table

    for _ in range(2):
        table, data = open_table(str(source)), TextClassificationData(train=str(source))
        found = examples_of(KIND, KIND.task, table, KIND.own_columns, data, str(source), fingerprint="f")
        assert [example.text for example in found] == ["good"]
        assert "rows that nobody has accepted are left out: 1 skipped" in capsys.readouterr().err
