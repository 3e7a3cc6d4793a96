import math
import os
from pathlib import Path

import pytest

from ftkit.data.files import atomic_file, atomic_write_json, atomic_write_text
from ftkit.errors import UserError


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_text_is_written_as_it_is(tmp_path: Path) -> None:
    atomic_write_text(tmp_path / "new" / "a.txt", "é\r\n\n")
    assert (tmp_path / "new" / "a.txt").read_bytes() == "é\r\n\n".encode()
    assert names(tmp_path / "new") == ["a.txt"]


def test_json_keeps_order_and_writes_null_for_nan(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    atomic_write_json(path, {"b": math.nan, "a": ["é", -math.inf, (1.5,)]})
    assert path.read_text(encoding="utf-8") == (
        '{\n  "b": null,\n  "a": [\n    "é",\n    null,\n    [\n      1.5\n    ]\n  ]\n}\n'
    )


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_exception_leaves_the_old_file_and_no_other(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail_while_writing() -> None:
        with atomic_file(path) as file:
            file.write("new")
            raise error

    with pytest.raises(error):
        fail_while_writing()
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_permissions_are_those_of_an_ordinary_file(tmp_path: Path) -> None:
    (tmp_path / "plain.txt").write_text("")
    atomic_write_text(tmp_path / "a.txt", "")
    assert (tmp_path / "a.txt").stat().st_mode == (tmp_path / "plain.txt").stat().st_mode


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real.txt").write_text("old")
    (tmp_path / "link.txt").symlink_to(tmp_path / "real.txt")
    atomic_write_text(tmp_path / "link.txt", "new")
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "real.txt").read_text() == "new"


def test_a_device_is_written_directly() -> None:
    atomic_write_text(os.devnull, "text")
    assert not Path(os.devnull).is_file()


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is a folder"):
        atomic_write_text(tmp_path, "")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        atomic_write_text(tmp_path / "file" / "a.txt", "")
