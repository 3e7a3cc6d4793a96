"""Looking at images before a run: everything that would stop it later is named now, and the same image is found."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from ftkit.data.image_check import check_given, look_at_images
from ftkit.data.images import ImageExample
from ftkit.data.problems import MAX_PLACES, Problems
from ftkit.types import Split


def picture(path: Path, colour: int = 0, size: tuple[int, int] = (8, 8)) -> Path:
    Image.new("L", size, colour).save(path)
    return path


def split(folder: Path, *names: str, lines: bool = False) -> Split[ImageExample]:
    examples = [
        ImageExample(id=index, image=str(folder / name), name=name, line=index + 2 if lines else 0)
        for index, name in enumerate(names)
    ]
    return Split("train", "photos", examples)


def test_sound_images_get_the_digests_of_their_pixels(tmp_path):
    picture(tmp_path / "a.png", 1), picture(tmp_path / "b.bmp", 1), picture(tmp_path / "c.png", 2)
    problems = Problems()
    looked = look_at_images({"train": split(tmp_path, "a.png", "b.bmp", "c.png")}, problems)["train"]
    one, same, other = (example.digest for example in looked.examples)
    assert one == same != other
    assert (problems.errors, problems.warnings) == ([], [])


def test_files_of_which_the_same_is_wrong_are_one_entry_with_their_places(tmp_path):
    picture(tmp_path / "good.png")
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "cut.png").write_bytes((tmp_path / "good.png").read_bytes()[:40])
    problems = Problems()
    names = ("good.png", "text.png", "gone.png", "cut.png", "Text.PNG", "http:/a.org/1.png")
    (tmp_path / "Text.PNG").write_text("none either")
    look_at_images({"train": split(tmp_path, *names)}, problems)
    unreadable, gone, address = problems.errors
    assert unreadable == (
        "train: images that cannot be used, such as text.png is no image that can be read; expected JPEG, PNG, GIF, "
        "BMP, TIFF, WebP, PNM, JPEG 2000 or AVIF. (3 times)\n"
        "at photos, text.png; photos, cut.png; photos, Text.PNG\n"
        "fix: replace these files, or leave them out of the data"
    )
    assert "gone.png: no such file" in gone
    assert "http:/a.org/1.png: an address of the web" in address


def test_the_list_of_places_is_bounded(tmp_path):
    problems = Problems()
    look_at_images({"train": split(tmp_path, *(f"{number}.png" for number in range(300)), lines=True)}, problems)
    (error,) = problems.errors
    assert "(300 times)" in error
    assert error.count("photos, line") == MAX_PLACES
    assert f"(+{300 - MAX_PLACES} more)" in error


def test_a_row_without_an_image():
    problems = Problems()
    check_given(Split("test", "test.csv", [ImageExample(id=0, image=None, name="image 1", line=2)]), problems)
    assert problems.errors == [
        "test: there is no image\nat test.csv, line 2\nfix: fill in the path of the image, or delete the row"
    ]


@pytest.mark.parametrize("size", [(1, 1), (3, 40), (40, 1)])
def test_tiny_images_are_warned_of(tmp_path, size):
    picture(tmp_path / "dot.png", size=size)
    problems = Problems()
    look_at_images({"train": split(tmp_path, "dot.png")}, problems)
    assert problems.errors == []
    (warning,) = problems.warnings
    assert f"such as {size[0]} x {size[1]}; at photos, dot.png" in warning


def test_many_images_keep_their_order(tmp_path):
    for number in range(20):
        picture(tmp_path / f"{number}.png", number)
    names = [f"{number % 20}.png" for number in range(600)]
    looked = look_at_images({"train": split(tmp_path, *names)}, Problems())["train"].examples
    assert [example.name for example in looked] == names
    assert len({example.digest for example in looked}) == 20
    assert [looked[number].digest for number in range(20)] == [looked[580 + number].digest for number in range(20)]


def test_inputs_that_are_not_there_are_named_before_any_is_opened(tmp_path):
    (tmp_path / "text.png").write_text("no picture")
    problems = Problems()
    check_given(split(tmp_path, "text.png", "gone.png", "away.png"), problems)
    assert problems.errors == [
        f"train: there is no such file as {tmp_path / 'gone.png'} (2 times)\n"
        "at photos, gone.png; photos, away.png\n"
        "fix: correct the path; relative ones begin where the file lies that names them"
    ]
