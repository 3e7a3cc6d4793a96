"""What a row is grouped by where the column of groups is the one of files."""

from pathlib import Path

from ftkit.data.row_cells import RowCells

ROW = {"image": "sub/../0.png", "who": 7}


def test_files_of_one_name_in_two_folders_are_two_groups() -> None:
    cells = RowCells(ROW, {"image": "image", "group": "image"})
    assert cells.group(file="image", folder=Path("/data/train")) == "/data/train/0.png"
    assert cells.group(file="image", folder=Path("/data/test")) == "/data/test/0.png"


def test_any_other_column_is_read_as_it_is() -> None:
    assert RowCells(ROW, {"image": "image", "group": "who"}).group(file="image", folder=Path("/data")) == "7"
    assert RowCells(ROW, {"image": "image", "group": "image"}).group() == "sub/../0.png"
    assert RowCells(ROW, {"image": "image"}).group(file="image") is None
