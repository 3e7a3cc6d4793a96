"""Speech recognition from rows to examples, and whole runs on tiny checkpoints of every sort."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import ftkit
import tiny_speech
from ftkit.config.run_config import load_config
from ftkit.data.readers import ReadOptions, open_table
from ftkit.errors import ConfigError, DataError, UserError
from ftkit.inference.export import export_run
from ftkit.kinds.automatic_speech_recognition import KIND, SpeechData
from ftkit.runs.checked_run import CheckedRun, check_run
from ftkit.types import Split

soundfile = pytest.importorskip("soundfile", reason="pip install 'ftkit[audio]'")
jiwer = pytest.importorskip("jiwer", reason="pip install 'ftkit[audio]'")
TUNERS: tuple[dict[str, Any], ...] = ({"method": "full"}, {"method": "lora", "rank": 4})


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    return tiny_speech.maker(tmp_path_factory.mktemp("tiny-speech"))


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `train` and `test`, each with recordings of 0.3 to 0.5 s and metadata.csv."""
    folder = tmp_path_factory.mktemp("speech")
    tiny_speech.write_speech(folder / "train", 4, seconds=(0.3, 0.5, 0.4), rate=8_000)
    tiny_speech.write_speech(folder / "test", 2, seconds=(0.45, 0.35), rate=44_100)
    return folder


def config(checkpoint: Path, folder: Path, speech: Path, **sections: Any) -> dict[str, Any]:
    return {
        "task": "automatic-speech-recognition",
        "model": {"checkpoint": str(checkpoint)},
        "data": {"train": str(speech / "train"), "test": str(speech / "test"), **sections.pop("data", {})},
        "train": {
            **{"num_train_epochs": 2, "learning_rate": 1e-3, "per_device_train_batch_size": 8, "use_cpu": True},
            **sections.pop("train", {}),
        },
        "output_dir": str(folder / "run"),
        **sections,
    }


def check(settings: dict[str, Any]) -> CheckedRun:
    return check_run(load_config(settings, {}))


def read(source: Path, *, with_labels: bool = True, **columns: str) -> list[Any]:
    data = SpeechData(train="x", columns=columns)
    table = open_table(str(source), ReadOptions(media="audio"))
    return list(KIND.read(table, KIND.task, KIND.columns_of(KIND.task, data), data, with_labels=with_labels))


# --- rows ---


def test_metadata_beside_the_recordings(speech: Path) -> None:
    first = read(speech / "train")[0]
    assert (first.name, first.text, first.line) == ("low0.wav", "low rain", 2)
    assert first.path == str(speech / "train" / "low0.wav")


@pytest.mark.parametrize("text", ["text", "transcription", "sentence", "transcript"])
@pytest.mark.parametrize("audio", ["audio", "path", "file_name"])
def test_columns_as_data_sets_call_them(tmp_path: Path, audio: str, text: str) -> None:
    file = tmp_path / "rows.csv"
    file.write_text(f"{audio},{text},start\na.wav,hello,1.5\n")
    (row,) = read(file)
    assert (row.path, row.text, row.start) == (str(tmp_path / "a.wav"), "hello", 1.5)
    (row,) = read(file, with_labels=False)
    assert row.text is None
    with pytest.raises(DataError, match=r"no column 'said' \(data.columns.text\)"):
        read(file, text="said")


# --- checks ---


def write_rows(speech: Path, folder: Path, *rows: str) -> Path:
    shutil.copytree(speech / "test", folder)
    (folder / "metadata.csv").write_text("\n".join(("file_name,text", *rows)) + "\n")
    return folder


def test_transcripts_that_cannot_be(checkpoint: Callable[[str], Path], speech: Path, tmp_path: Path) -> None:
    rows = ("low0.wav,", 'low1.wav," ... "', f"high0.wav,{'word ' * 9}", "high1.wav,sun", "top0.wav,top", "gone.wav,a")
    train = write_rows(speech, tmp_path / "rows", *rows)
    with pytest.raises(DataError) as error:
        check(config(checkpoint("whisper"), tmp_path, speech, data={"train": str(train)}))
    message = str(error.value)
    assert "the transcript is empty (2 times)" in message
    assert "line 2 (low0.wav)" in message
    assert "nobody says more than 40 characters a second" in message
    assert "line 4 (high0.wav): 44 characters in 0.45 s" in message
    assert "the recording is missing" in message or "no such file" in message


def test_what_check_shows(speech: Path) -> None:
    hours, characters = KIND.describe(Split("train", "x", read(speech / "train")))
    assert hours == "0.1 minutes; recordings of 0.3 to 0.5 s, 0.4 s on average; 8,000 Hz"
    assert characters.startswith("28 words of 17 characters, most frequent first: ")
    assert "␣" in characters


# --- runs ---


@pytest.mark.filterwarnings("ignore::FutureWarning")  # of transformers, by peft
@pytest.mark.parametrize(
    ("name", "tuner"),
    [
        *(("whisper-languages", tuner) for tuner in TUNERS),
        ("moonshine", TUNERS[0]),
        ("speech2text", TUNERS[1]),
    ],
)
def test_a_model_that_writes_is_trained_and_loads_with_plain_transformers(
    name: str,
    tuner: dict[str, Any],
    checkpoint: Callable[[str], Path],
    speech: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    base, is_told = checkpoint(name), name.startswith("whisper")
    told = {"language": "de"} if is_told else {}
    settings = config(base, tmp_path, speech, data=told, tuner=tuner, generation={"max_new_tokens": 6})
    result = ftkit.train(settings)
    run, found = result.output_dir, result.metrics
    assert found["proof"]["same_predictions"]
    rows = [json.loads(line) for line in (run / "predictions" / "test.jsonl").read_text().splitlines()]
    heard = [row["prediction"] for row in rows]
    said = [example.text for example in read(speech / "test")]
    assert found["test_wer"] == pytest.approx(jiwer.wer(said, heard)), "these have neither case nor punctuation"
    model, processor = plain(run, base, tuner)
    generation = model.generation_config
    assert not is_told or (generation.language, generation.task) == ("de", "transcribe")
    for path, text in zip(sorted_recordings(speech), heard, strict=True):
        assert transcribed(model, processor, path) == text
    again = ftkit.load(run).predict([str(path) for path in sorted_recordings(speech)])
    assert [row["prediction"] for row in again] == heard
    before = found["test_baseline_untrained_checkpoint"]
    assert not is_told or before >= found["test_wer"] - 1e-9, "its score before training"
    monkeypatch.setattr("ftkit.inference.export.Predictor", None)  # refused before anything is loaded
    with pytest.raises(UserError, match="a text is written in a loop of passes"):
        export_run(run, tmp_path / "exported")


def sorted_recordings(speech: Path) -> list[Path]:
    return [Path(example.path) for example in read(speech / "test")]


def plain(run: Path, base: Path, tuner: dict[str, Any]) -> tuple[Any, Any]:
    import peft
    import transformers

    processor = transformers.AutoProcessor.from_pretrained(run)
    if tuner["method"] == "full":
        return transformers.AutoModelForSpeechSeq2Seq.from_pretrained(run).eval(), processor
    model: Any = transformers.AutoModelForSpeechSeq2Seq.from_pretrained(base)
    model.generation_config = transformers.GenerationConfig.from_pretrained(run)
    return peft.PeftModel.from_pretrained(model, run).eval(), processor


@torch.inference_mode()
def transcribed(model: Any, processor: Any, path: Path) -> str:
    from transformers.audio_utils import load_audio

    rate = processor.feature_extractor.sampling_rate
    samples = load_audio(str(path), sampling_rate=rate, backend="soundfile")
    ids = model.generate(**processor(samples, sampling_rate=rate, return_tensors="pt"))
    return " ".join(processor.batch_decode(ids, skip_special_tokens=True)[0].split())


@pytest.mark.filterwarnings("ignore::FutureWarning")  # of transformers, by peft
@pytest.mark.parametrize(("name", "tuner"), [("wav2vec2", TUNERS[0]), ("hubert", TUNERS[1]), ("ctc", TUNERS[0])])
def test_a_ctc_model_is_trained_and_loads_with_plain_transformers(
    name: str, tuner: dict[str, Any], checkpoint: Callable[[str], Path], speech: Path, tmp_path: Path
) -> None:
    base = checkpoint(name)
    result = ftkit.train(config(base, tmp_path, speech, tuner=tuner, train={"num_train_epochs": 6}))
    run, found = result.output_dir, result.metrics
    assert found["proof"]["same_predictions"]
    heard = [json.loads(line)["prediction"] for line in (run / "predictions" / "test.jsonl").read_text().splitlines()]
    processor, model = plain_ctc(run, base, tuner)
    tokenizer = processor.tokenizer
    assert model.config.pad_token_id == tokenizer.pad_token_id
    assert model.config.vocab_size == len(tokenizer)
    for path, text in zip(sorted_recordings(speech), heard, strict=True):
        assert frames_read(model, processor, path) == text
    again = ftkit.load(run).predict(list(map(str, sorted_recordings(speech))))
    assert [row["prediction"] for row in again] == heard
    assert all(0 < row["confidence"] <= 1 for row in again)
    if name != "wav2vec2":  # the graph of one stands for all: it takes longer than all the rest
        return
    exported = export_run(run, tmp_path / "exported")
    assert exported["equal_predictions"] == 1.0
    assert exported["max_score_difference"] < 1e-4


def plain_ctc(run: Path, base: Path, tuner: dict[str, Any]) -> tuple[Any, Any]:
    import peft
    import transformers

    processor = transformers.AutoProcessor.from_pretrained(run)
    if tuner["method"] == "full":
        return processor, transformers.AutoModelForCTC.from_pretrained(run).eval()
    settings = transformers.AutoConfig.from_pretrained(run)
    model: Any = transformers.AutoModelForCTC.from_pretrained(base, config=settings, ignore_mismatched_sizes=True)
    return processor, peft.PeftModel.from_pretrained(model, run).eval()


@torch.inference_mode()
def frames_read(model: Any, processor: Any, path: Path) -> str:
    from transformers.audio_utils import load_audio

    rate = processor.feature_extractor.sampling_rate
    samples = load_audio(str(path), sampling_rate=rate, backend="soundfile")
    ids = model(**processor(samples, sampling_rate=rate, return_tensors="pt")).logits.argmax(-1)
    return " ".join(processor.batch_decode(ids)[0].split())


def test_settings_that_mean_nothing_to_a_family(
    checkpoint: Callable[[str], Path], speech: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"^generation: a CTC model reads .* searches for nothing. Leave it out."):
        check(config(checkpoint("wav2vec2"), tmp_path, speech, generation={"num_beams": 2}))
    masks = config(checkpoint("whisper"), tmp_path, speech, data={"spec_augment": {"mask_time_prob": 0.1}})
    with pytest.raises(ConfigError, match=r"data.spec_augment: no such key today; say augment: {spec_augment: ...}"):
        check(masks)
    ctc = config(checkpoint("whisper"), tmp_path, speech, data={"ctc_vocabulary": "transcripts"})
    with pytest.raises(ConfigError, match=r"data.ctc_vocabulary: .* writes with a decoder"):
        check(ctc).make_task_adapter()


# --- data sets of others ---


def test_a_manifest_of_nemo(tmp_path: Path) -> None:
    file = tmp_path / "manifest.json"
    cut = {"audio_filepath": "a.wav", "text": "one", "offset": 1.5, "duration": 2.0}
    file.write_text(json.dumps(cut) + "\n" + json.dumps({"audio_filepath": "/b.wav", "text": "two", "duration": 3.0}))
    one, two = read(file)
    assert (one.path, one.text, one.start, one.end) == (str(tmp_path / "a.wav"), "one", 1.5, 3.5)
    assert (two.path, two.start, two.end) == ("/b.wav", None, None)


def test_a_table_of_common_voice(tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    (tmp_path / "train.tsv").write_text('client_id\tpath\tsentence\nc1\tx.mp3\tHe said "no".\n')
    data = SpeechData(train="x", group="client_id")
    table = open_table(str(tmp_path / "train.tsv"), ReadOptions(media="audio"))
    (row,) = KIND.read(table, KIND.task, KIND.columns_of(KIND.task, data), data, with_labels=True)
    assert (row.path, row.text, row.group) == (str(tmp_path / "clips" / "x.mp3"), 'He said "no".', "c1")


def test_parquet_with_recordings_as_the_hub_stores_them(speech: Path, tmp_path: Path) -> None:
    from datasets import Dataset

    content = (speech / "test" / "low0.wav").read_bytes()
    rows = [{"audio": {"bytes": content, "path": "low0.wav"}, "transcription": "low rain"}]
    Dataset.from_list(rows).to_parquet(tmp_path / "a.parquet")
    (row,) = read(tmp_path / "a.parquet")
    assert (row.content, row.name, row.text) == (content, "low0.wav", "low rain")


def test_lj_speech_as_it_is(real_data: Path) -> None:
    first = read(real_data / "ljspeech8")[0]
    assert first.text.startswith("Printing, in the only sense")
    assert first.path == str(real_data / "ljspeech8" / "wavs" / "LJ001-0001.wav")
