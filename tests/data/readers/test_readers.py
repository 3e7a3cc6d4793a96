import hashlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ftkit.data import readers
from ftkit.data.readers import READERS, ReadOptions, fingerprint, open_table
from ftkit.data.readers.table import Table
from ftkit.errors import DataError

CONTENT = {
    ".csv": "text\na\n",
    ".tsv": "text\na\n",
    ".jsonl": '{"text": "a"}\n',
    ".json": '[{"text": "a"}]\n',
    ".txt": "a\n",
}


def failure(source: str | Path) -> str:
    with pytest.raises(DataError) as caught:
        open_table(str(source))
    return str(caught.value)


@pytest.mark.parametrize("extension", CONTENT)
def test_extension_chooses_the_reader(tmp_path: Path, extension: str) -> None:
    path = tmp_path / f"data{extension.upper()}"
    path.write_text(CONTENT[extension])
    table = open_table(str(path), ReadOptions())
    assert table.source == str(path)
    assert [row.values for row in table.rows] == [{"text": "a"}]


def test_every_reader_of_the_table_exists() -> None:
    assert all(callable(pkgutil.resolve_name(reader)) for reader in READERS.values())


def test_importing_the_data_layer_is_cheap() -> None:
    script = (
        "import sys, ftkit.data.readers, ftkit.data.check, ftkit.data.split, ftkit.data.writers\n"
        "heavy = {'torch', 'transformers', 'datasets', 'pyarrow', 'numpy', 'pandas'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_missing_file_shows_both_paths_and_the_closest_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "train.csv").write_text("text\na\n")
    monkeypatch.chdir(tmp_path)
    message = failure("trian.csv")
    assert f"trian.csv: no such file (looked at {tmp_path / 'trian.csv'})" in message
    assert "Did you mean 'train.csv'?" in message


def test_missing_folder(tmp_path: Path) -> None:
    assert f"The folder {tmp_path / 'no'} does not exist" in failure(tmp_path / "no" / "train.csv")


def test_unknown_extension_lists_the_known_ones(tmp_path: Path) -> None:
    for name, shown in (("data.xls", ".xls"), ("data", "a file without an extension")):
        (tmp_path / name).write_text("x")
        message = failure(tmp_path / name)
        assert f"no reader for {shown}" in message
        assert ".csv, .tsv, .jsonl, .json, .parquet, .txt" in message


@pytest.mark.parametrize(
    ("name", "fix"), [("a.dta", "a.dta').to_parquet('a.parquet')"), ("a.db", "> a.csv"), ("a.xls", ".xlsx")]
)
def test_a_format_that_is_not_read_says_how_to_convert_it(name: str, fix: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("x")
    assert fix in failure(tmp_path / name).partition("Fix: ")[2]


def test_folder(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("text\na\n")
    message = failure(tmp_path)
    assert f"{tmp_path} is a folder; expected a file such as one of those inside: 'train.csv'" in message
    assert "{hub: FOLDER, split: train}" in message


def test_empty_file(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_bytes(b"")
    assert "is empty: the file has 0 bytes" in failure(tmp_path / "train.csv")


def test_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "train.csv"
    path.write_text("text\na\n")

    def denied(*args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", denied)
    with pytest.raises(DataError, match="cannot be read: Permission denied"):
        readers.resolve(str(path))


def test_packaged_demo_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "demo" / "support").mkdir(parents=True)
    (tmp_path / "demo" / "support" / "train.csv").write_text("text\na\n")
    (tmp_path / "secret.csv").write_text("text\na\n")
    monkeypatch.setattr(readers, "DEMO_FOLDER", tmp_path / "demo")
    assert open_table("ftkit:support/train.csv").columns == ("text",)
    assert "Did you mean 'train.csv'?" in failure("ftkit:support/trains.csv")
    for source in ("ftkit:../secret.csv", f"ftkit:{tmp_path}/secret.csv", "ftkit:support/../../secret.csv"):
        assert "leaves ftkit's demo data" in failure(source)


def test_fingerprint_is_the_sha256_of_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "train.csv"
    path.write_bytes(b"text\r\na\r\n")
    assert fingerprint(str(path)) == hashlib.sha256(b"text\r\na\r\n").hexdigest()


def test_missing_column_names_the_role_the_columns_and_the_closest() -> None:
    error = Table("train.csv", ("text", "category"), []).missing_column("categry", role="label")
    assert str(error) == (
        "train.csv: there is no column 'categry' (data.columns.label); the columns are 'text', 'category'. "
        "Did you mean 'category'? Fix: name it: data.columns: {label: category}"
    )


@pytest.mark.parametrize("name", [" label", "label: x", "lab, el", "label\u200b", "[label", "label 😀"])
def test_the_key_that_names_a_column_is_read_as_it_is_told(name: str) -> None:
    told = str(Table("train.csv", ("text", name), []).missing_column("label", role="label"))
    assert yaml.safe_load(told.partition("Fix: name it: ")[2]) == {"data.columns": {"label": name}}


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.csv", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "Fix: git lfs pull"),
        ("a.csv", b"\n<!DOCTYPE html>\n<html>\n", "is a page of the web"),
        ("._a.csv", b"\x00\x05\x16\x07\x00", "Fix: name the one without ._"),
        ("a.csv", b"PK\x03\x04" + b"\x14\x00\x06\x00\xe9" + b"[Content_Types].xml", "Fix: name it so, a.xlsx"),
        ("a.csv", b"PK\x03\x04" + b"\x14\x00\x06\x00\xe9" + b"docProps/app.xml", "Fix: name it so, a.xlsx"),
        ("a.csv", b"\xd0\xcf\x11\xe0\xa1", "Fix: name it so, a.xls,"),
    ],
)
def test_what_lies_in_the_place_of_data_is_told(tmp_path: Path, name: str, content: bytes, told: str) -> None:
    (tmp_path / name).write_bytes(content)
    assert told in failure(str(tmp_path / name))


def test_a_plain_text_has_no_labels(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("rain\n")
    error = open_table(str(tmp_path / "a.txt")).missing_column("label", role="label")
    assert str(error).endswith("name a file with columns, such as a .csv")


def test_a_space_at_the_end_of_a_name_is_no_comment() -> None:
    error = Table("a.csv", ("text ",), []).missing_column("text", role="text")
    assert "comment" not in str(error)
    assert str(error).endswith('data.columns: {text: "text "}')


def test_an_address_of_the_web_is_no_missing_file() -> None:
    assert "Fix: save the file, and name it: curl -LO 'https://a.org/b c.csv'" in failure("https://a.org/b c.csv")


def test_commands_that_convert_a_file_work_where_its_path_has_a_space(tmp_path: Path) -> None:
    path = tmp_path / "my data.zip"
    path.write_bytes(b"PK")
    assert f"unzip '{path}'" in failure(str(path))


def test_a_name_that_yaml_cut_at_its_comment_is_recognised() -> None:
    error = Table("ner.csv", ("Sentence #", "Word"), []).missing_column("Sentence")
    assert str(error).endswith("Did you mean 'Sentence #'? Put it in quotes: in YAML ' #' begins a comment.")
