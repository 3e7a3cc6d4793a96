"""Rows that cannot be predicted: one rule for texts, words, translations, images and recordings."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas
import pytest

import ftkit
import tiny_audio
import tiny_images
from ftkit.engine import predicting
from ftkit.errors import DataError, UserError
from ftkit.inference.predictor import Predictor
from plain import NAMES, saved, saved_medium

TAGS = ("O", "B-who", "I-who")


@dataclass(frozen=True)
class Case:
    """A kind with four rows, of which the second and the last are bad.

    Attributes:
        reasons: parts of what is said of these.
    """

    predictor: Predictor
    file: Path
    inputs: list[Any]
    reasons: tuple[str, str]


def jsonl(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps({"id": f"r{index}", **row}) + "\n" for index, row in enumerate(rows)))
    return path


@pytest.fixture(scope="module")
def case(checkpoint: Any, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Case]:
    made: dict[str, Case] = {}

    def make(kind: str) -> Case:
        if kind not in made:
            made[kind] = MAKERS[kind](checkpoint, tmp_path_factory.mktemp(kind))
        return made[kind]

    return make


def _texts(checkpoint: Any, folder: Path) -> Case:
    model = saved("SequenceClassification", checkpoint("bert"), folder / "model", NAMES)
    texts = ["my card", " ", "rain today", ""]
    predictor = ftkit.load(model, columns={"id": "id"})
    return Case(predictor, jsonl(folder / "rows.jsonl", [{"text": text} for text in texts]), texts, ("is empty",) * 2)


def _words(checkpoint: Any, folder: Path) -> Case:
    model = saved("TokenClassification", checkpoint("bert"), folder / "model", TAGS)
    sentences: list[list[str]] = [["my", "card"], [], ["rain"], ["a", ""]]
    rows = jsonl(folder / "rows.jsonl", [{"tokens": words} for words in sentences])
    return Case(ftkit.load(model, columns={"id": "id"}), rows, sentences, ("sentence is empty", "a word is empty"))


def _translations(checkpoint: Any, folder: Path) -> Case:
    model = saved("Seq2SeqLM", checkpoint("marian"), folder / "model")
    texts = ["my card", "", "rain today", "  "]
    predictor = ftkit.load(model, task="translation", max_new_tokens=4, columns={"id": "id"})
    rows = jsonl(folder / "rows.jsonl", [{"source": text} for text in texts])
    return Case(predictor, rows, texts, ("source is empty",) * 2)


def _summaries(checkpoint: Any, folder: Path) -> Case:
    model = saved("Seq2SeqLM", checkpoint("marian"), folder / "model")
    texts = ["my card", "", "rain today", "  "]
    predictor = ftkit.load(model, task="summarization", max_new_tokens=4, columns={"id": "id"})
    rows = jsonl(folder / "rows.jsonl", [{"text": text} for text in texts])
    return Case(predictor, rows, texts, ("text is empty",) * 2)


def _hidden(checkpoint: Any, folder: Path) -> Case:
    model = saved("MaskedLM", checkpoint("bert"), folder / "model")
    texts = ["my [MASK]", " ", "rain <mask>", "nothing is hidden"]
    predictor = ftkit.load(model, task="fill-mask", columns={"id": "id"})
    rows = jsonl(folder / "rows.jsonl", [{"text": text} for text in texts])
    return Case(predictor, rows, texts, ("text is empty", "there is no [MASK] in the text"))


def _images(checkpoint: Any, folder: Path) -> Case:
    base = tiny_images.make_checkpoint("vit", folder / "base")
    model = saved_medium("ImageClassification", base, folder / "model", tuple(tiny_images.COLOURS))
    photos = tiny_images.make_photos(folder / "photos", per_class=1)
    (photos / "text.png").write_text("no picture")
    names = ["red/0.png", "text.png", "green/0.png", "gone.png"]
    rows = jsonl(photos / "rows.jsonl", [{"image": name} for name in names])
    predictor = ftkit.load(model, columns={"id": "id"})
    return Case(predictor, rows, [str(photos / name) for name in names], ("no image that can be read", "no such file"))


def _recordings(checkpoint: Any, folder: Path) -> Case:
    base = tiny_audio.make_checkpoint("wav2vec2", folder / "base")
    model = saved_medium("AudioClassification", base, folder / "model", tuple(tiny_audio.HERTZ))
    tones = tiny_audio.write_tones(folder / "tones", 1)
    good = sorted(tones.rglob("*.wav"))[:2]
    (folder / "tones" / "text.wav").write_text("no sound")
    paths = [str(good[0]), str(folder / "tones" / "text.wav"), str(good[1]), str(folder / "gone.wav")]
    rows = jsonl(folder / "rows.jsonl", [{"audio": path} for path in paths])
    return Case(ftkit.load(model, columns={"id": "id"}), rows, paths, ("no audio file", "is missing"))


MAKERS = {
    "text-classification": _texts,
    "token-classification": _words,
    "translation": _translations,
    "fill-mask": _hidden,
    "summarization": _summaries,
    "image-classification": _images,
    "audio-classification": _recordings,
}


@pytest.mark.parametrize("kind", MAKERS)
def test_bad_rows_are_marked_in_their_place(
    kind: str, case: Callable[[str], Case], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = case(kind)
    nothing = made.predictor.adapter.objective.no_prediction()
    for window in (predicting.WINDOW, 1, 3):
        monkeypatch.setattr(predicting, "WINDOW", window)
        rows = list(made.predictor.predict_source(str(made.file)))
        assert [row["id"] for row in rows] == ["r0", "r1", "r2", "r3"]
        for row, reason in zip(rows[1::2], made.reasons, strict=True):
            assert {**row, "id": 0, "error": ""} == {"id": 0, **nothing, "error": ""}
            assert reason in row["error"]
        for row in rows[::2]:
            assert set(row) == {"id", *nothing}
            assert all(value is not None for value in row.values())
        told = " ".join(capsys.readouterr().err.split())
        assert "2 of 4 rows" in told
        assert "line 2" in told
        assert "line 4" in told
    alone = made.predictor.predict(made.inputs[::2])
    listed = made.predictor.predict(made.inputs)
    for found in (rows, listed):
        assert [row.get("label", row.get("tags", row.get("prediction"))) for row in found[::2]] == [
            row.get("label", row.get("tags", row.get("prediction"))) for row in alone
        ]
    assert ["error" in row for row in listed] == [False, True, False, True]


@pytest.mark.parametrize("kind", MAKERS)
def test_bad_rows_are_left_out_or_stop(kind: str, case: Callable[[str], Case]) -> None:
    made = case(kind)
    assert [row["id"] for row in made.predictor.predict_source(str(made.file), on_bad_row="skip")] == ["r0", "r2"]
    assert len(made.predictor.predict(made.inputs, on_bad_row="skip")) == 2
    with pytest.raises(DataError, match="line [24]") as raised:
        list(made.predictor.predict_source(str(made.file), on_bad_row="error"))
    assert any(reason in str(raised.value) for reason in made.reasons)
    with pytest.raises(DataError):
        made.predictor.predict(made.inputs, on_bad_row="error")


@pytest.mark.parametrize("kind", MAKERS)
def test_inputs_that_are_none_are_bad_rows(kind: str, case: Callable[[str], Case]) -> None:
    made = case(kind)
    found = made.predictor.predict([made.inputs[0], object(), made.inputs[2]])
    assert ["expected" in row.get("error", "") for row in found] == [False, True, False]
    assert [row.get("error") is not None for row in made.predictor.predict([made.inputs[1]])] == [True]


def test_a_recording_that_breaks_off_is_a_bad_row(case: Callable[[str], Case], tmp_path: Path) -> None:
    import numpy as np
    import soundfile

    made = case("audio-classification")
    samples = np.random.default_rng(0).standard_normal(16_000).astype(np.float32) / 10
    soundfile.write(tmp_path / "whole.flac", samples, 16_000)
    content = bytearray((tmp_path / "whole.flac").read_bytes())
    content[len(content) // 2 : len(content) // 2 + 4000] = bytes(4000)
    (tmp_path / "broken.flac").write_bytes(content)
    shutil.copy(made.inputs[0], tmp_path / "good.wav")
    found = list(made.predictor.predict_source(str(tmp_path)))
    assert [(row["id"], "error" in row) for row in found] == [
        ("broken.flac", True),
        ("good.wav", False),
        ("whole.flac", False),
    ]


def test_an_unknown_choice_is_told(case: Callable[[str], Case]) -> None:
    with pytest.raises(UserError, match=r"on_bad_row: there is no 'skp'. Did you mean 'skip'\?"):
        case("text-classification").predictor.predict(["a"], on_bad_row="skp")  # type: ignore[arg-type]


def test_an_input_is_named_by_its_position(case: Callable[[str], Case]) -> None:
    with pytest.raises(DataError, match=r"the sentence is empty\n   at inputs, id 0\n"):
        case("token-classification").predictor.predict([[]], on_bad_row="error")


@pytest.mark.parametrize(
    ("inputs", "got"),
    [
        ("a", "got one text. Write predict([text])"),
        ({"text": "a"}, "got an object"),
        (b"a", "got bytes"),
        (5, "got a number"),
        (pandas.DataFrame({"text": ["a"]}), "got a table. Write predict(list(table[COLUMN]))"),
    ],
)
def test_what_is_no_list_of_inputs(inputs: Any, got: str, case: Callable[[str], Case]) -> None:
    with pytest.raises(UserError, match=re.escape(got)):
        case("text-classification").predictor.predict(inputs)


def test_an_empty_reference_is_scored_and_told(
    case: Callable[[str], Case], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    rows = jsonl(
        tmp_path / "rows.jsonl", [{"source": "my card", "target": "card my"}, {"source": "rain", "target": ""}]
    )
    assert case("translation").predictor.evaluate(str(rows))["samples"] == 2
    assert "the target is empty, and is scored as such; at " in capfd.readouterr().err


def test_a_cell_of_another_shape_is_a_bad_row(case: Callable[[str], Case], tmp_path: Path) -> None:
    rows = jsonl(tmp_path / "rows.jsonl", [{"text": "my card"}, {"text": ["it", "broke"]}, {"text": ["rain"]}])
    first, wrong, alone = case("text-classification").predictor.predict_source(str(rows))
    assert first["label"] is not None
    assert alone["label"] is not None
    assert wrong["label"] is None
    assert wrong["error"] == "column 'text' holds a list: ['it', 'broke']"
