"""What a stream is read from: files by pattern, folder and list, splits on the Hub; and what cannot be streamed."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ftkit.data.readers import ReadOptions
from ftkit.data.spec import HubSource, ParallelSource
from ftkit.data.stream.shards import fingerprint_of, shards_of, title_of
from ftkit.errors import DataError
from local_hub import LocalHub

ROOT = Path(__file__).resolve().parents[3]


def jsonl(*texts: str) -> str:
    return "".join(json.dumps({"text": text}) + "\n" for text in texts)


def texts_of(source: Any) -> list[list[str]]:
    return [[row.values["text"] for row in shard.open().rows] for shard in shards_of(source, ReadOptions())]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in (1, 2, 10):
        (tmp_path / f"part-{number}.jsonl").write_text(jsonl(f"text {number}"))
    return tmp_path


def test_patterns_folders_and_lists_come_in_their_natural_order(folder: Path) -> None:
    expected = [["text 1"], ["text 2"], ["text 10"]]
    assert texts_of(str(folder / "part-*.jsonl")) == texts_of(str(folder)) == expected
    assert texts_of((str(folder / "part-2.jsonl"), str(folder / "part-1*.jsonl"))) == [expected[1], *expected[::2]]
    assert title_of(str(folder), shards_of(str(folder), ReadOptions())) == f"{folder} (3 shards)"


def test_all_formats_that_are_read_row_by_row(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text\nNA\n")
    (tmp_path / "a.tsv").write_text("text\n01\n")
    (tmp_path / "a.txt").write_text("one\ntwo\n")
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(jsonl("packed").encode()))
    pq.write_table(pa.table({"text": ["typed"]}), tmp_path / "a.parquet")
    found = {name: texts_of(str(tmp_path / f"a.{name}")) for name in ("csv", "tsv", "txt", "jsonl.gz", "parquet")}
    assert found == {
        "csv": [["NA"]],
        "tsv": [["01"]],
        "txt": [["one", "two"]],
        "jsonl.gz": [["packed"]],
        "parquet": [["typed"]],
    }


def test_two_files_of_a_text_a_line(tmp_path: Path) -> None:
    for name in ("a.en", "a.de"):
        (tmp_path / name).write_text(f"{name} 1\n{name} 2\n")
    source = ParallelSource(source=str(tmp_path / "a.en"), target=str(tmp_path / "a.de"))
    (shard,) = shards_of(source, ReadOptions(text_extensions=(".en", ".de")))
    assert [list(row.values.values()) for row in shard.open().rows] == [["a.en 1", "a.de 1"], ["a.en 2", "a.de 2"]]


def test_a_fingerprint_follows_names_sizes_and_both_ends(folder: Path) -> None:
    def now() -> str:
        return fingerprint_of(shards_of(str(folder), ReadOptions()))

    before = now()
    os.utime(folder / "part-1.jsonl", (1, 1))
    assert now() == before
    (folder / "part-1.jsonl").write_text(jsonl("text 7"))
    assert now() != before
    (folder / "part-1.jsonl").write_text(jsonl("text 1"))
    (folder / "part-2.jsonl").rename(folder / "part-3.jsonl")
    assert now() != before


REFUSED = {
    "a.json": ('[{"text": "a"}]', r"\.json files are read whole and cannot be streamed.* as \.jsonl"),
    "a.pdf": ("x", r"\.pdf files are read whole"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_streamed_is_refused_by_name(tmp_path: Path, name: str) -> None:
    content, message = REFUSED[name]
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=message):
        shards_of(str(tmp_path / name), ReadOptions())


def test_names_that_lead_nowhere_or_too_far(folder: Path) -> None:
    with pytest.raises(DataError, match="no file matches"):
        shards_of(str(folder / "shard-*.jsonl"), ReadOptions())
    with pytest.raises(DataError, match="is named twice"):
        shards_of((str(folder / "part-1.jsonl"), str(folder)), ReadOptions())
    with pytest.raises(DataError, match="no such file"):
        shards_of(str(folder / "part-3.jsonl"), ReadOptions())[0].open()
    (folder / "more.csv").write_text("text\na\n")
    with pytest.raises(DataError, match=r"several formats, '\.csv', '\.jsonl'"):
        shards_of(str(folder), ReadOptions())
    (folder / "empty").mkdir()
    with pytest.raises(DataError, match="holds no file that can be streamed, but nothing"):
        shards_of(str(folder / "empty"), ReadOptions())


def test_rows_that_cannot_be_read_are_told_where_a_reader_goes_on_behind_them(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(jsonl("one") + "{no\n" + jsonl("two"))
    (tmp_path / "a.csv").write_text("text,label\none,x\none,two,three\ntwo,y\n")
    told: list[str] = []
    options = ReadOptions(on_unreadable=lambda error: told.append(str(error)))
    for name in ("a.jsonl", "a.csv"):
        (shard,) = shards_of(str(tmp_path / name), options)
        assert [row.values["text"] for row in shard.open().rows] == ["one", "two"]
    assert "a.jsonl, line 2, column 2: not valid JSON" in told[0]
    assert "a.csv, line 3: the row has 3 cells" in told[-1]


ON_THE_HUB = """
from ftkit.data.readers import ReadOptions
from ftkit.data.spec import HubSource
from ftkit.data.stream.shards import fingerprint_of, shards_of
import json
shards = shards_of(HubSource(hub="me/data", split="train"), ReadOptions())
rows = [[dict(row.values) for row in shard.open().rows] for shard in shards]
print(json.dumps([fingerprint_of(shards), [shard.name for shard in shards], rows]))
"""


def test_a_split_on_the_hub_is_read_file_by_file(tmp_path: Path) -> None:
    files = {f"train-{number}.jsonl": jsonl(f"{number} a", f"{number} b").encode() for number in range(2)}
    with LocalHub() as hub:
        hub.add_repo("me/data", files, repo_type="dataset")
        online = {key: value for key, value in os.environ.items() if not key.endswith("_OFFLINE")}
        environment = online | hub.environment | {"HF_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
        done = subprocess.run([sys.executable, "-c", ON_THE_HUB], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        fingerprint, names, rows = json.loads(done.stdout)
    assert names == ["me/data:train (shard 0)", "me/data:train (shard 1)"]
    assert rows == [[{"text": f"{number} a"}, {"text": f"{number} b"}] for number in range(2)]
    assert len(fingerprint) == 64


def test_a_part_of_a_split_is_no_stream() -> None:
    with pytest.raises(DataError, match="name the whole split, train,"):
        shards_of(HubSource(hub="me/data", split="train[:10]"), ReadOptions())
