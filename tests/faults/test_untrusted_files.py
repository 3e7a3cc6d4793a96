"""Data and runs of strangers: nothing is fetched, filled or written outside, and nothing on the screen is obeyed."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import ftkit
from ftkit.config import yaml as strict_yaml
from ftkit.data.audio import AudioError, AudioExample, audio_info, read_audio
from ftkit.data.readers import open_table
from ftkit.engine import checkpoints
from ftkit.errors import DataError, UserError
from ftkit.report.files import rebuild
from ftkit.runs.open_run import run_folder
from runs import TEXTS, run_config

Command = Callable[..., tuple[int, str, str]]

# --- XML --------------------------------------------------------------------------------------------------------

LAUGHS = "".join(
    f'<!ENTITY {name} "{f"&{before};" * 10}">' for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
TYPES = {
    "a billion laughs": f'<!DOCTYPE tmx [<!ENTITY a "ha">{LAUGHS}]>',
    "one entity": '<!DOCTYPE tmx [<!ENTITY i "x">]>',
    "a file": '<!DOCTYPE tmx [<!ENTITY i SYSTEM "file:///etc/passwd">]>',
    "a parameter": '<!DOCTYPE tmx [<!ENTITY % i SYSTEM "file:///etc/passwd">%i;]>',
    "an entity of elsewhere": '<!DOCTYPE tmx SYSTEM "http://localhost:1/a.dtd">',
}
UNITS = '<tmx><body><tu><tuv xml:lang="en"><seg>a &i;</seg></tuv></tu></body></tmx>'


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entities_of_a_tmx_are_refused(tmp_path: Path, name: str, encoding: str) -> None:
    path = tmp_path / "memory.tmx"
    path.write_text(f'<?xml version="1.0" encoding="{encoding}"?>{TYPES[name]}\n{UNITS}', encoding=encoding)
    with pytest.raises(DataError, match=r"memory.tmx, line \d: the entity '\w'\. Entities are not read.*\nFix: write"):
        list(open_table(str(path)).rows)


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_document_types_within_a_workbook_are_refused(tmp_path: Path, name: str, encoding: str) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active.append(["text", "label"])
    book.active.append(["a", "b"])
    book.save(tmp_path / "sound.xlsx")
    path = tmp_path / "a.xlsx"
    with zipfile.ZipFile(tmp_path / "sound.xlsx") as sound, zipfile.ZipFile(path, "w") as changed:
        for entry in sound.namelist():
            content = sound.read(entry)
            if entry == "xl/worksheets/sheet1.xml":
                content = f'<?xml version="1.0" encoding="{encoding}"?>{TYPES[name]}<worksheet/>'.encode(encoding)
            changed.writestr(entry, content)
    with pytest.raises(DataError, match=r"a\.xlsx: xl/worksheets/sheet1\.xml in it begins with a document type"):
        open_table(str(path))


# --- headers that lie -------------------------------------------------------------------------------------------


def wav(rate: int, seconds: float = 0.1) -> bytearray:
    soundfile = pytest.importorskip("soundfile")
    buffer = io.BytesIO()
    soundfile.write(buffer, np.zeros(int(16_000 * seconds), np.float32), 16_000, format="WAV", subtype="PCM_16")
    content = bytearray(buffer.getvalue())
    content[24:28] = struct.pack("<I", rate)
    return content


@pytest.mark.parametrize("rate", [1, 99, 1_000_001, 2**31 - 1])
def test_a_rate_that_no_recording_has(rate: int) -> None:
    """One second of 16,000 samples would be four hours, and a gigabyte, at a rate of one."""
    with pytest.raises(AudioError, match=f"says in its header that a second has {rate:,} samples"):
        audio_info(AudioExample(id=0, name="a", content=bytes(wav(rate))))


def test_a_length_that_a_file_does_not_have(tmp_path: Path) -> None:
    """Its header promises 2 ** 36 samples, of which memory would hold a fraction."""
    soundfile = pytest.importorskip("soundfile")
    buffer = io.BytesIO()
    soundfile.write(buffer, np.zeros(16_000, np.float32), 16_000, format="FLAC")
    content = bytearray(buffer.getvalue())
    assert content[:8] == b"fLaC\x00\x00\x00\x22"
    content[21] |= 0x0F  # the last 36 bits before the digest are the number of samples
    content[22:26] = b"\xff\xff\xff\xff"
    example = AudioExample(id=0, name="a", content=bytes(content))
    assert audio_info(example).frames == 2**36 - 1
    with pytest.raises(AudioError, match="is damaged"):
        read_audio(example, 16_000)


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "ftkit.yaml", "config.json"])
def test_values_that_lie_too_deep(name: str, tmp_path: Path, command: Command) -> None:
    path = tmp_path / name
    path.write_text("[" * 200_000 if name != "a.jsonl" else '{"a": ' * 200_000)
    with pytest.raises(UserError):
        if name == "ftkit.yaml":
            ftkit.load_config(path)
        elif name == "config.json":
            ftkit.load(tmp_path)
        else:
            list(open_table(str(path)).rows)


# --- links and names --------------------------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder outside of a run, whose files are somebody's own."""
    home = tmp_path / "home"
    (home / "deep").mkdir(parents=True)
    for name in ("notes.txt", "deep/thesis.tex", "manifest.json", "all_results.json", "README.md"):
        (home / name).write_text("mine")
    return home


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", [".replacement", ".replacement-ready", ".replacement-moving"])
@pytest.mark.parametrize("depth", ["the folder itself", "a folder in it"])
def test_opening_a_run_moves_nothing_from_elsewhere(
    whole: Path, tmp_path: Path, home: Path, name: str, depth: str
) -> None:
    before, run = contents(home), shutil.copytree(whole, tmp_path / "run")
    if depth == "the folder itself":
        (run / name).symlink_to(home)
    else:
        (run / name).mkdir()
        (run / name / "all_results.json").write_text("{}")
        (run / name / "predictions").symlink_to(home)
    run_folder(run)
    assert contents(home) == before


@pytest.mark.parametrize("name", ["README.md", "report.html", "report.json"])
def test_a_report_is_not_written_through_a_link(whole: Path, tmp_path: Path, home: Path, name: str) -> None:
    run = shutil.copytree(whole, tmp_path / "run")
    shutil.copy(run / name, home / name)
    (run / name).unlink()
    (run / name).symlink_to(home / name)
    before = contents(home), contents(run)
    with pytest.raises(UserError, match=f"{name} is a link, and a report is not written through it"):
        rebuild(run)
    assert (contents(home), contents(run)) == before


def test_a_checkpoint_that_is_a_link_is_removed_as_a_link(tmp_path: Path, home: Path) -> None:
    before = contents(home)
    (tmp_path / "checkpoint-1").symlink_to(home)
    checkpoints.delete(tmp_path / "checkpoint-1")
    assert contents(home) == before
    assert not os.path.lexists(tmp_path / "checkpoint-1")


@pytest.mark.parametrize("file", ["../../escape", "/tmp/escape", "a/../../escape"])
def test_names_in_a_manifest_lead_nowhere(tmp_path: Path, file: str) -> None:
    (tmp_path / "checkpoint-1").mkdir()
    (tmp_path / "checkpoint-1" / "manifest.json").write_text(json.dumps({file: [1, "0"]}))
    assert "does not hold what ftkit wrote" in str(checkpoints.damage(tmp_path / "checkpoint-1"))


# --- the screen and the page ------------------------------------------------------------------------------------

OBEYED = "\x1b]0;owned\x07\x1b[2J\u202e<script>alert(1)</script>|`x`\u2066"
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def test_names_and_texts_are_not_obeyed_by_a_terminal(
    checkpoint, tmp_path: Path, command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    """Labels, texts, ids, columns and file names hold what a terminal obeys, in what succeeds and in what fails."""
    config = run_config(tmp_path, checkpoint("bert"), **{"train.max_steps": 1})
    rows = [
        {OBEYED: f"{text} {OBEYED}", "topic": f"{label}{OBEYED}", "key": f"{n}{OBEYED}"}
        for n, (text, label) in enumerate(TEXTS)
    ]
    data = tmp_path / f"data{OBEYED.replace('/', '')}.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    config["data"] = {"train": str(data), "validation": str(data), "test": str(data)}
    config["data"]["columns"] = {"text": OBEYED, "label": "topic", "id": "key"}
    (tmp_path / "config.yaml").write_text(strict_yaml.dump(config))
    run, wrong = tmp_path / "run", tmp_path / "wrong.jsonl"
    wrong.write_text(json.dumps({OBEYED: None, "topic": f"{OBEYED}?"}) + "\n")
    codes = {}
    capsys.readouterr()  # of the checkpoint that was made
    for arguments in (
        ("check", tmp_path / "config.yaml"),
        ("train", tmp_path / "config.yaml"),
        ("predict", run, "--text", OBEYED),
        ("evaluate", run, "--data", data),
        ("evaluate", run, "--data", wrong),
        ("predict", run, "--input", tmp_path / f"no{OBEYED.replace('/', '')}.csv"),
        ("check", tmp_path / "config.yaml", f"data.columns.text=x{OBEYED}"),
        ("check", tmp_path / "config.yaml", f"task=x{OBEYED}"),
        ("check", tmp_path / "config.yaml", f"metrics=[x{OBEYED}]"),
        ("check", tmp_path / "config.yaml", f"model.checkpoint=x{OBEYED}"),
        ("check", tmp_path / "config.yaml", f"train.x{OBEYED}=1"),
        ("report", run),
    ):
        code, out, err = command(*arguments)
        codes[arguments[:1] + arguments[2:]] = code
        assert not CONTROLS.search(out + err), arguments
        assert "Traceback" not in err
    assert list(codes.values()) == [0, 0, 0, 0, 2, 2, 2, 2, 2, 2, 2, 0], codes
    page, card = ((run / name).read_text() for name in ("report.html", "README.md"))
    assert "<script" not in page
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert policy
    assert policy[1] == "default-src 'none'; style-src 'unsafe-inline'; img-src data:; media-src data:"
    assert not CONTROLS.search(card)  # tests/report/test_nasty_names.py reads it as Markdown
