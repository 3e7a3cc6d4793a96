"""Audio classification from rows to examples, and whole runs on tiny checkpoints of every sort."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fresh
import ftkit
import tiny_audio
from ftkit.config.run_config import load_config
from ftkit.data.audio import AudioExample
from ftkit.data.readers import ReadOptions, open_table
from ftkit.engine import checkpoints
from ftkit.errors import ConfigError, DataError
from ftkit.kinds.audio_classification import KIND, AudioClassificationData
from ftkit.runs.checked_run import CheckedRun, check_run

soundfile = pytest.importorskip("soundfile", reason="pip install 'ftkit[audio]'")

TUNERS = ({"method": "full"}, {"method": "lora", "rank": 4}, {"method": "head-only"})
SPEAKERS = ("anna", "bert", "carl", "dora")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    return tiny_audio.maker(tmp_path_factory.mktemp("tiny-audio"))


@pytest.fixture(scope="module")
def tones(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `train` and `test`, each with a folder for each of four labels; recordings of 0.3 to 0.5 s."""
    folder = tmp_path_factory.mktemp("tones")
    tiny_audio.write_tones(folder / "train", 6, seconds=(0.3, 0.5, 0.4), rate=8_000)
    tiny_audio.write_tones(folder / "test", 2, seconds=(0.45, 0.35), rate=44_100)
    return folder


def config(checkpoint: Path, folder: Path, tones: Path, **sections: Any) -> dict[str, Any]:
    return {
        "task": "audio-classification",
        "model": {"checkpoint": str(checkpoint)},
        "data": {"train": str(tones / "train"), "test": str(tones / "test"), **sections.pop("data", {})},
        "train": {
            **{"num_train_epochs": 2, "learning_rate": 1e-3, "per_device_train_batch_size": 8, "use_cpu": True},
            **sections.pop("train", {}),
        },
        "output_dir": str(folder / "run"),
        **sections,
    }


def check(settings: dict[str, Any]) -> CheckedRun:
    return check_run(load_config(settings))


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


# --- rows -> examples ---------------------------------------------------------------------------------------


def read(source: Path, columns: dict[str, str] | None = None, *, with_labels: bool = True) -> list[AudioExample]:
    data = AudioClassificationData(train=str(source), columns=columns or {})
    table = open_table(str(source), ReadOptions(media="audio"))
    return list(KIND.read(table, KIND.task, KIND.columns_of(KIND.task, data), data, with_labels=with_labels))


def test_a_folder_for_each_class(tones: Path) -> None:
    examples = read(tones / "test")
    assert [(example.name, example.label) for example in examples[:3]] == [
        ("high/0.wav", "high"),
        ("high/1.wav", "high"),
        ("low/0.wav", "low"),
    ]
    assert examples[0].path == str(tones / "test" / "high" / "0.wav")


def test_a_table_names_paths_segments_and_groups(tmp_path: Path) -> None:
    table = tmp_path / "calls.csv"
    table.write_text("key,file,start,end,label,speaker\nk1,a/1.wav,0.5,2,yes,anna\nk2,/b/2.wav,,,no,\n")
    columns = {"audio": "file", "group": "speaker", "id": "key"}
    assert read(table, columns) == [
        AudioExample("k1", "a/1.wav", str(tmp_path / "a/1.wav"), None, 0.5, 2.0, "yes", 2, "anna"),
        AudioExample("k2", "/b/2.wav", "/b/2.wav", None, None, None, "no", 3, None),
    ]
    assert [example.label for example in read(table, columns, with_labels=False)] == [None, None]


def test_bytes_in_parquet(tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    rows = [{"audio": {"bytes": b"RIFF", "path": "x.wav"}, "label": "yes"}, {"audio": None, "label": "no"}]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "t.parquet")
    first, second = read(tmp_path / "t.parquet")
    assert (first.content, first.path, first.name) == (b"RIFF", None, "x.wav")
    assert (second.content, second.path, second.name) == (None, None, "recording 2")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"audio": "1.wav"}\n', r"no column 'label' \(data.columns.label\); the columns are 'audio'"),
        ('{"file": "1.wav", "label": "a"}\n', r"no column 'audio' \(data.columns.audio\)"),
    ],
)
def test_cells_that_cannot_be_meant(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "rows.jsonl").write_text(content)
    with pytest.raises(DataError, match=message):
        read(tmp_path / "rows.jsonl")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"audio": "1.wav", "start": "soon", "label": "a"}, "column 'start' holds no number of seconds: 'soon'"),
        ({"audio": "1.wav", "end": [1, 2], "label": "a"}, "column 'end' holds no number of seconds: [1, 2]"),
        ({"audio": 7, "label": "a"}, "column 'audio' holds a number: 7"),
        ({"audio": "1.wav", "label": {"name": "a"}}, "column 'label' holds an object: {'name': 'a'}"),
    ],
)
def test_cells_that_cannot_be_read_are_errors_of_their_row(tmp_path: Path, row: Any, message: str) -> None:
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n")
    (example,) = read(tmp_path / "rows.jsonl")
    assert [error.message for error in example.cell_errors] == [message]


def test_keys_of_other_kinds_are_refused(checkpoint: Callable[[str], Path], tones: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="max_length"):
        check(config(checkpoint("whisper"), tmp_path, tones, data={"max_length": 100}))


def test_virtual_tokens_do_not_suit(checkpoint: Callable[[str], Path], tones: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a recording has no tokens"):
        check(config(checkpoint("whisper"), tmp_path, tones, tuner={"method": "prompt"}))


def test_text_checkpoints_do_not_hear(tones: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"audio-classification does not work with 'ftkit:bert'"):
        check(config(Path("ftkit:bert"), tmp_path, tones))


def test_the_same_recording_in_train_and_test_is_told(
    checkpoint: Callable[[str], Path], tones: Path, tmp_path: Path
) -> None:
    samples, rate = soundfile.read(tones / "train" / "low" / "0.wav", dtype="int16")
    (tmp_path / "other" / "low").mkdir(parents=True)
    soundfile.write(tmp_path / "other" / "low" / "renamed.flac", samples, rate)
    checked = check(config(checkpoint("whisper"), tmp_path, tones, data={"test": str(tmp_path / "other")}))
    assert any(
        warning.startswith("leak: 1 of 1 recordings of test are also in train, sample for sample")
        for warning in checked.warnings
    )


# --- whole runs ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tuner", TUNERS, ids=lambda tuner: tuner["method"])
@pytest.mark.parametrize("name", tiny_audio.RECIPES)
def test_a_run_is_trained_proven_and_loaded_again(
    checkpoint: Callable[[str], Path], tones: Path, tmp_path: Path, name: str, tuner: dict[str, Any]
) -> None:
    result = ftkit.train(config(checkpoint(name), tmp_path, tones, tuner=tuner))
    assert result.metrics["proof"]["max_difference"] <= 1e-5
    assert result.metrics["test_samples"] == 8
    names = {path.name for path in result.output_dir.iterdir()}
    weights = "model.safetensors" if tuner["method"] == "full" else "adapter_model.safetensors"
    assert {weights, "preprocessor_config.json", "ftkit.yaml", "README.md", "report.html"} <= names
    predictor = ftkit.load(result.output_dir)
    rows = lines(result.output_dir / "predictions" / "test.jsonl")
    paths = [str(tones / "test" / label / f"{number}.wav") for label in sorted(tiny_audio.HERTZ) for number in (0, 1)]
    for found, expected in zip(predictor.predict(paths), rows, strict=True):
        assert found["scores"] == pytest.approx(expected["scores"], abs=1e-5)


def test_tones_are_learnt(checkpoint: Callable[[str], Path], tones: Path, tmp_path: Path) -> None:
    train = {"num_train_epochs": 12, "learning_rate": 5e-3}
    result = ftkit.train(config(checkpoint("ast"), tmp_path, tones, train=train))
    assert result.metrics["test_accuracy"] == 1.0


def test_a_resumed_run_is_the_same_run(tones: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SpecAugment draws from numpy's state, layer drop and dropout from torch's: all of them go on where they were."""
    folder = tmp_path / "checkpoint"
    tiny_audio.make_checkpoint("wav2vec2-layer", folder, mask_time_prob=0.5, mask_time_length=3, layerdrop=0.3)
    train = {"num_train_epochs": 3, "save_strategy": "steps", "save_steps": 4, "eval_strategy": "no"}
    whole = ftkit.train(config(folder, tmp_path / "whole", tones, train=train)).output_dir / "model.safetensors"
    settings = config(folder, tmp_path / "killed", tones, train=train)

    def rotate(folder: Path, **_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(checkpoints, "rotate", rotate)
        ftkit.train(settings)
    resumed = ftkit.train({**settings, "resume": True}).output_dir / "model.safetensors"
    assert resumed.read_bytes() == whole.read_bytes()


def test_long_recordings_are_read_in_windows(checkpoint: Callable[[str], Path], tones: Path, tmp_path: Path) -> None:
    data = {"max_seconds": 0.2, "overlap_seconds": 0.05}
    result = ftkit.train(config(checkpoint("wav2vec2"), tmp_path, tones, data=data))
    assert result.metrics["train_samples"] == 24
    predictor = ftkit.load(result.output_dir)
    assert predictor.adapter.preprocessor.window == 0.2
    (whole,) = predictor.predict([str(tones / "test" / "low" / "0.wav")])
    samples, rate = soundfile.read(tones / "test" / "low" / "0.wav", dtype="float32")
    starts = (0.0, 0.15, 0.25)
    windows = [samples[round(start * rate) : round((start + 0.2) * rate)] for start in starts]
    parts = predictor.predict([{"array": window, "sampling_rate": rate} for window in windows])
    for label, score in whole["scores"].items():
        assert score == pytest.approx(np.mean([part["scores"][label] for part in parts]), abs=2e-3)


@pytest.fixture
def spoken(tmp_path: Path) -> Path:
    """A table of 32 recordings of four speakers."""
    tiny_audio.write_tones(tmp_path / "tones", 8, seconds=(0.2, 0.3))
    with open(tmp_path / "spoken.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["audio", "label", "speaker"])
        writer.writerows(
            (f"tones/{label}/{number}.wav", label, SPEAKERS[number % 4])
            for label in tiny_audio.HERTZ
            for number in range(8)
        )
    return tmp_path / "spoken.csv"


def test_whole_speakers_are_held_out(checkpoint: Callable[[str], Path], spoken: Path, tmp_path: Path) -> None:
    data = {"train": str(spoken), "validation": 0.25, "group": "speaker"}
    settings = {**config(checkpoint("whisper"), tmp_path, tmp_path), "data": data}
    checked = check(settings)
    speakers = [{example.group for example in split.examples} for split in checked.splits.values()]
    assert [len(found) for found in speakers] == [3, 1]
    assert not speakers[0] & speakers[1]
    assert not [warning for warning in checked.warnings if "speaker" in warning]
    shared = check({**settings, "data": {**data, "test": str(spoken)}})
    assert [warning for warning in shared.warnings if "share their speaker with rows of train" in warning]


def test_commands(checkpoint: Callable[[str], Path], tones: Path, tmp_path: Path, command: Any) -> None:
    result = ftkit.train(config(checkpoint("whisper"), tmp_path, tones, tuner={"method": "lora", "rank": 2}))
    output = tmp_path / "predicted.jsonl"
    code, _, error = command("predict", result.output_dir, "--input", tones / "test", "--output", output)
    assert (code, len(lines(output))) == (0, 8), error
    code, out, error = command("evaluate", result.output_dir, "--data", tones / "test")
    assert code == 0, error
    assert json.loads(out)["accuracy"] == pytest.approx(result.metrics["test_accuracy"])
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "x.wav").write_text("no sound")
    code, _, error = command("predict", result.output_dir, "--input", tmp_path / "broken")
    assert code == 2
    assert "the recording is no audio file that libsndfile can decode" in error


def test_inputs_that_are_no_recordings(checkpoint: Callable[[str], Path]) -> None:
    for item in (7, None, ["a.wav"], ""):
        with pytest.raises(DataError, match="inputs, item 3: expected the path of a recording"):
            KIND.input_example(3, item)


@pytest.mark.parametrize("name", ["wav2vec2-layer", "whisper"])
def test_an_exported_model_hears_the_same(tones: Path, tmp_path: Path, name: str) -> None:
    pytest.importorskip("onnxruntime", reason="pip install 'ftkit[onnx]'")
    from ftkit.inference.export import export_run

    # Of as few layers as there can be: a graph is traced layer by layer.
    layers = {"whisper": {"encoder_layers": 1, "decoder_layers": 1}}.get(name, {"num_hidden_layers": 1})
    shallow = tiny_audio.make_checkpoint(name, tmp_path / "base", **layers)
    result = ftkit.train(config(shallow, tmp_path, tones))
    about = export_run(result.output_dir, tmp_path / "onnx")
    assert (about["rows"], about["equal_predictions"]) == (9, 1.0)
    exported = ftkit.load(tmp_path / "onnx")
    for seconds in (0.02, 0.5, 1.7):
        recording = {"array": tiny_audio.tone("high", seconds), "sampling_rate": tiny_audio.RATE}
        expected = ftkit.load(result.output_dir).predict([recording])[0]["scores"]
        assert exported.predict([recording])[0]["scores"] == pytest.approx(expected, abs=1e-5)


def test_the_cards_code_predicts_as_the_run_does(
    checkpoint: Callable[[str], Path], tones: Path, tmp_path: Path
) -> None:
    codes, expected = [], []
    for name, tuner in (("wav2vec2", TUNERS[0]), ("whisper", TUNERS[1])):
        result = ftkit.train(config(checkpoint(name), tmp_path / name, tones, tuner=tuner))
        card = (result.output_dir / "README.md").read_text(encoding="utf-8")
        code = card.partition("```python\n")[2].partition("```")[0]
        assert f"reads the first {'15' if name == 'wav2vec2' else '2'} s of a recording" in card
        for given, place in (('run = "run"', result.output_dir), (f'base = "{name}"', checkpoint(name))):
            code = code.replace(given, f"{given.partition(' ')[0]} = {str(place)!r}")
        shown = json.loads((result.output_dir / "report.json").read_text(encoding="utf-8"))["card"]["example"]
        row = next(row for row in lines(result.output_dir / "predictions" / "test.jsonl") if row["id"] == shown["id"])
        codes.append(code)
        expected.append(row["label"])
    done = fresh.python("-c", "\n".join(codes), cwd=tones / "test")
    assert done.stdout.split() == expected, done.stderr
