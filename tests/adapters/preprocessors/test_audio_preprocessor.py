"""Recordings -> windows -> batches, for waveforms of any length and for spectrograms of a fixed one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import tiny_audio
from ftkit.adapters.objectives.audio_labels import AudioLabelObjective, pooled
from ftkit.adapters.preprocessors.audio import AudioPreprocessor, window_offsets
from ftkit.data.audio import AudioExample, wav_bytes
from ftkit.errors import CheckpointError, ConfigError, DataError
from ftkit.models.audio_input import AudioInput
from ftkit.models.checkpoint import inspect_checkpoint
from ftkit.models.spec import ModelSpec
from ftkit.types import LabelSpace

pytest.importorskip("soundfile", reason="pip install 'ftkit[audio]'")

LABELS = LabelSpace(("low", "middle", "high", "top"))
Make = Callable[..., AudioPreprocessor]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    return tiny_audio.maker(tmp_path_factory.mktemp("tiny-audio"))


@pytest.fixture
def make(checkpoint: Callable[[str], Path]) -> Make:
    def preprocessor(name: str, labels: LabelSpace = LABELS, **options: Any) -> AudioPreprocessor:
        return AudioPreprocessor(inspect_checkpoint(ModelSpec(checkpoint=str(checkpoint(name)))), labels, **options)

    return preprocessor


def recording(seconds: float, label: str = "low", *, rate: int = tiny_audio.RATE, **fields: Any) -> AudioExample:
    content = wav_bytes(tiny_audio.tone(label, seconds, rate=rate), rate)
    return AudioExample(id=0, name=f"{label} {seconds} s", content=content, label=label, **fields)


def batch(preprocessor: AudioPreprocessor, *examples: AudioExample, training: bool = False) -> Any:
    rows = preprocessor.encode(examples, targets=True).rows
    return preprocessor.collate(rows.__getitems__(list(range(len(rows)))), training=training)


# --- windows ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "offsets"),
    [(0.0, [0]), (15.0, [0]), (15.5, [0, 0.5]), (25.0, [0, 10]), (40.0, [0, 10, 20, 25]), (40.1, [0, 10, 20, 25.1])],
)
def test_windows_overlap_and_the_last_is_full(seconds: float, offsets: list[float]) -> None:
    assert window_offsets(seconds, 15.0, 5.0) == pytest.approx(offsets)


def test_a_row_is_a_window_and_costs_its_positions(make: Make) -> None:
    preprocessor = make("wav2vec2-layer", max_seconds=1.0, overlap_seconds=0.25)
    encoded = preprocessor.encode([recording(0.5), recording(2.0), recording(0.01)], targets=True)
    assert encoded.first_rows is not None
    assert encoded.first_rows.tolist() == [0, 1, 4, 5]
    assert encoded.costs.tolist() == [25, 50, 50, 50, 1]
    assert [row["offset"] for row in encoded.rows.__getitems__([1, 2, 3])] == [0.0, 0.75, 1.0]
    assert encoded.rows[4]["labels"] == 0
    assert make("wav2vec2-layer").encode([recording(2.0)], targets=False).first_rows is None


def test_costs_are_what_the_body_makes(make: Make) -> None:
    preprocessor = make("hubert")
    model = AudioLabelObjective(preprocessor, "AutoModelForAudioClassification").build().model
    for seconds in (0.025, 0.0313, 0.4, 0.7773):
        example = recording(seconds)
        found = model.base_model(batch(preprocessor, example).inputs["input_values"]).last_hidden_state.shape[1]
        assert preprocessor.encode([example], targets=False).costs.tolist() == [found]
    # wav2vec2's own convolutions: a position takes 400 samples, and each further one 320.
    kernels, strides = (10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2)
    reads = AudioInput(rate=16_000, limit=None, strides=tuple(zip(kernels, strides, strict=True)))
    assert (reads.shortest, reads.num_samples(2), reads.num_positions(16_000)) == (400, 720, 49)


def test_a_fixed_length_costs_the_same_always(make: Make) -> None:
    for name, positions, seconds in (("whisper", 100, 2.0), ("ast", 26, 1.295)):
        preprocessor = make(name)
        assert preprocessor.window == pytest.approx(seconds)
        assert preprocessor.encode([recording(0.3), recording(1.2)], targets=False).costs.tolist() == [positions] * 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_seconds": 30.0}, r"data.max_seconds: '.*whisper' reads 2 s at once, got 30. Say less"),
        ({"overlap_seconds": 2.0}, r"data.overlap_seconds: 2 s is no less than a window of 2 s"),
    ],
)
def test_windows_that_cannot_be(make: Make, options: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make("whisper", **options)


# --- batches ------------------------------------------------------------------------------------------------


def test_shapes(make: Make) -> None:
    found = batch(make("wav2vec2-layer"), recording(0.5), recording(0.3, "top"))
    assert found.inputs["input_values"].shape == (2, 8_000)
    assert found.inputs["attention_mask"].sum(dim=1).tolist() == [8_000, 4_800]
    assert found.inputs["input_values"][1, 4_800:].abs().max() == 0
    assert found.labels.tolist() == [0, 3]
    assert found.num_positions == 50
    assert batch(make("whisper"), recording(0.5)).inputs["input_features"].shape == (1, 16, 200)
    assert batch(make("ast"), recording(0.5)).inputs["input_values"].shape == (1, 128, 32)


def test_group_norms_get_no_mask(make: Make) -> None:
    found = batch(make("wav2vec2"), recording(0.5), recording(0.3))
    assert set(found.inputs) == {"input_values"}
    assert found.extras["num_columns"].tolist() == [8_000, 4_800]


@pytest.mark.parametrize("name", tiny_audio.RECIPES)
def test_a_recording_reads_the_same_in_every_batch(make: Make, name: str) -> None:
    preprocessor = make(name)
    objective = AudioLabelObjective(preprocessor, "AutoModelForAudioClassification")
    model = objective.build().model.eval()
    examples = [recording(0.5), recording(0.3, "top"), recording(0.5, "middle"), recording(0.02, "high")]
    with torch.no_grad():
        together = objective.predict(model, batch(preprocessor, *examples))
        for index, example in enumerate(examples):
            alone = objective.predict(model, batch(preprocessor, example))
            for key in ("scores", "loss", "predictions"):
                torch.testing.assert_close(together[key][index], alone[key][0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", tiny_audio.RECIPES)
def test_what_is_read_is_what_transformers_own_pipeline_reads(make: Make, name: str) -> None:
    from transformers import pipeline

    preprocessor = make(name)
    objective = AudioLabelObjective(preprocessor, "AutoModelForAudioClassification")
    model = objective.build().model.eval()
    classify = pipeline("audio-classification", model=model, feature_extractor=preprocessor.processor)
    samples = tiny_audio.tone("low", 0.4)
    expected = {found["label"]: found["score"] for found in classify(samples, top_k=None)}
    with torch.no_grad():
        scores = objective.predict(model, batch(preprocessor, recording(0.4)))["scores"][0]
    assert dict(zip(LABELS.names, scores.tolist(), strict=True)) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("name", tiny_audio.RECIPES)
@pytest.mark.parametrize("samples", [0, 1, 100, 399])
def test_recordings_shorter_than_the_model_reads_are_filled_up(make: Make, name: str, samples: int) -> None:
    preprocessor = make(name)
    objective = AudioLabelObjective(preprocessor, "AutoModelForAudioClassification")
    model = objective.build().model.train()
    for training in (False, True):
        inputs = batch(preprocessor, recording(samples / tiny_audio.RATE), training=training).inputs
        assert model.train(training)(**inputs).logits.isfinite().all()


def test_any_rate_is_resampled(make: Make) -> None:
    found = batch(make("wav2vec2"), recording(0.5, rate=8_000), recording(0.5, rate=44_100))
    assert found.extras["num_columns"].tolist() == [8_000, 8_000]


def test_several_labels_and_numbers(make: Make) -> None:
    several = make("whisper", LabelSpace(("low", "top"), "multi_label_classification"))
    example = recording(0.2)
    rows = several.encode([AudioExample(id=0, name="", content=example.content, label=("top",))], targets=True).rows
    assert several.collate([rows[0]], training=True).labels.tolist() == [[0.0, 1.0]]
    number = make("whisper", LabelSpace(("score",), "regression"))
    rows = number.encode([AudioExample(id=0, name="", content=example.content, label=2.5)], targets=True).rows
    assert number.collate([rows[0]], training=True).labels.tolist() == [2.5]


def test_a_file_that_went_away_is_named(make: Make, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"The recording 'a.wav' is missing \(looked at /.*/a.wav\)\.$"):
        make("whisper").encode([AudioExample(id=0, name="a.wav", path=str(tmp_path / "a.wav"))], targets=False)


def test_an_unknown_extractor_is_refused_by_name(checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    import shutil

    from transformers import SeamlessM4TFeatureExtractor

    shutil.copytree(checkpoint("wav2vec2"), tmp_path / "w")
    SeamlessM4TFeatureExtractor().save_pretrained(tmp_path / "w")
    with pytest.raises(CheckpointError, match=r"through SeamlessM4TFeatureExtractor, which ftkit does not know"):
        AudioPreprocessor(inspect_checkpoint(ModelSpec(checkpoint=str(tmp_path / "w"))), LABELS)


# --- scores of windows --------------------------------------------------------------------------------------


def test_probabilities_of_windows_are_averaged() -> None:
    scores = np.array([[0.9, 0.1], [0.6, 0.4], [0.0, 1.0], [0.3, 0.7]])
    found = pooled({"scores": scores, "loss": np.array([1.0, 2.0, 3.0, 4.0])}, np.array([0, 3, 4]), single=True)
    np.testing.assert_allclose(found["scores"], [[0.5, 0.5], [0.3, 0.7]])
    assert found["predictions"].tolist() == [0, 1]
    np.testing.assert_allclose(found["confidences"], [0.5, 0.7])
    assert found["loss"].tolist() == [6.0, 4.0]


def test_several_labels_are_those_above_one_half_on_average() -> None:
    found = pooled({"scores": np.array([[0.9, 0.1], [0.2, 0.7]])}, np.array([0, 2]), single=False)
    assert found["predictions"].tolist() == [[True, False]]


def test_numbers_of_windows_are_averaged() -> None:
    found = pooled({"predictions": np.array([1.0, 2.0, 6.0])}, np.array([0, 2, 3]), single=False)
    assert found["predictions"].tolist() == [1.5, 6.0]
