"""Recordings and transcripts for decoders: what is told, learnt, left out, and joined."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import tiny_audio
import tiny_speech
from ftkit.adapters.objectives.joined_transcripts import joined_transcript
from ftkit.adapters.objectives.transcripts import TranscriptGeneration
from ftkit.adapters.preprocessors.decoder_prompts import decoder_prompt
from ftkit.adapters.preprocessors.speech import chunk_offsets
from ftkit.adapters.preprocessors.speech_to_text import SpeechToTextPreprocessor
from ftkit.adapters.task_adapter import TaskAdapter
from ftkit.data.audio import wav_bytes
from ftkit.data.problems import Problems
from ftkit.engine.batching import BatchLimits
from ftkit.engine.predicting import predict_windows
from ftkit.errors import ConfigError, DataError
from ftkit.models.checkpoint import inspect_checkpoint
from ftkit.models.generator_loading import stated_generation
from ftkit.models.spec import ModelSpec
from ftkit.types import Split

pytest.importorskip("soundfile", reason="pip install 'ftkit[audio]'")
Make = Callable[..., SpeechToTextPreprocessor]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    return tiny_speech.maker(tmp_path_factory.mktemp("tiny-speech"))


@pytest.fixture
def make(checkpoint: Callable[[str], Path]) -> Make:
    def preprocessor(name: str = "whisper", **options: Any) -> SpeechToTextPreprocessor:
        return SpeechToTextPreprocessor(inspect_checkpoint(ModelSpec(checkpoint=str(checkpoint(name)))), **options)

    return preprocessor


def tokens(reads: SpeechToTextPreprocessor, ids: Any) -> str:
    return " ".join("_" if id_ == -100 else reads.target_tokenizer.convert_ids_to_tokens(int(id_)) for id_ in ids)


# --- what the decoder is told ---


def test_the_start_is_read_once_and_never_learnt(make: Make) -> None:
    reads = make()
    rows = reads.encode([tiny_speech.speech("sun", 0.5)], targets=True).rows
    batch = reads.collate(rows.__getitems__([0]), training=True)
    assert tokens(reads, batch.inputs["decoder_input_ids"][0]) == "<|startoftranscript|> <|notimestamps|> Ġsun"
    assert tokens(reads, batch.labels[0]) == "_ Ġsun <|endoftext|>"
    assert set(batch.inputs) == {"input_features", "decoder_input_ids"}


def test_a_language_and_a_task_stand_where_generate_puts_them(make: Make) -> None:
    for language in ("de", "German", "<|de|>"):
        reads = make("whisper-languages", language=language, speech_task="translate")
        told = "<|startoftranscript|> <|de|> <|translate|> <|notimestamps|>"
        assert tokens(reads, reads.prompt.ids) == told
    model = TranscriptGeneration(reads, "AutoModelForSpeechSeq2Seq").build().model
    assert (model.generation_config.language, model.generation_config.task) == ("de", "translate")
    assert getattr(model.config, "forced_decoder_ids", None) is None
    given: list[list[int]] = []
    forward = model.model.decoder.forward

    def watched(input_ids: Any = None, **inputs: Any) -> Any:
        given.append(input_ids[0].tolist())
        return forward(input_ids=input_ids, **inputs)

    model.model.decoder.forward = watched
    model.generate(torch.zeros(1, 16, 200), max_new_tokens=1)
    assert given[0] == list(reads.prompt.ids), "what training reads first is what generate reads first"


def test_a_language_that_is_missing_unknown_or_of_no_use(make: Make) -> None:
    with pytest.raises(ConfigError, match=r"data.language: .* is told one of 2 languages; say which: 'de', 'en'\."):
        make("whisper-languages")
    with pytest.raises(ConfigError, match=r"knows no language 'germn'. Did you mean 'german'\?"):
        make("whisper-languages", language="germn")
    with pytest.raises(ConfigError, match=r"data.language: .* hears English alone, got 'de'. Leave the key out."):
        make(language="de")
    with pytest.raises(ConfigError, match=r"data.speech_task: .* hears English alone, got 'translate'."):
        make(speech_task="translate")


def test_a_speech2text_of_several_languages_is_told_one_by_a_token_of_its_tokenizer(make: Make) -> None:
    reads = make("speech2text")
    told: dict[str, Any] = {"task": None, "codes": {"de": 7, "fr": 8}}
    prompt = decoder_prompt(reads.spec, stated_generation(reads.spec), language="german", **told)
    assert prompt.ids == (2, 7)
    assert prompt.generation == {"decoder_start_token_id": 2, "forced_bos_token_id": 7}
    with pytest.raises(ConfigError, match=r"is told one of 2 languages; say which: 'de', 'fr'"):
        decoder_prompt(reads.spec, stated_generation(reads.spec), language=None, **told)
    with pytest.raises(ConfigError, match="data.language: .* is told no language, got 'de'"):
        make("speech2text", language="de")


# --- recordings of any length, for models that write ---


@pytest.mark.parametrize("name", ["moonshine", "speech2text"])
def test_costs_are_what_the_encoder_makes(make: Make, name: str) -> None:
    reads = make(name)
    encoder = TranscriptGeneration(reads, "AutoModelForSpeechSeq2Seq").build().model.eval().get_encoder()
    examples = [tiny_speech.speech("sun", samples / 16_000) for samples in (300, 895, 1_278, 1_279, 8_000, 8_001)]
    encoded = reads.encode(examples, targets=True)
    for row, cost in zip(encoded.rows.__getitems__(list(range(len(examples)))), encoded.costs, strict=True):
        batch = reads.collate([row], training=False)
        values = batch.inputs[encoder.main_input_name]
        assert encoder(values).last_hidden_state.shape[1] == cost == batch.num_positions


@pytest.mark.parametrize("name", ["moonshine", "speech2text"])
def test_a_batch_holds_what_the_checkpoint_s_own_processor_makes_of_it(make: Make, name: str) -> None:
    reads = make(name)
    examples = [tiny_speech.speech("sun", seconds) for seconds in (0.5, 0.3)]
    rows = reads.encode(examples, targets=True).rows.__getitems__([0, 1])
    inputs = reads.collate(rows, training=True).inputs
    waves = [tiny_audio.tone("low", seconds) for seconds in (0.5, 0.3)]
    own = reads.extractor(waves, sampling_rate=16_000, padding=True, return_tensors="pt")
    assert set(inputs) == {*own, "decoder_input_ids"}
    torch.testing.assert_close(inputs["attention_mask"], own["attention_mask"].long())
    torch.testing.assert_close(inputs[reads._name], own[reads._name], atol=2e-3, rtol=1e-3)  # 16 bits of the file


@pytest.mark.parametrize("name", ["moonshine", "speech2text"])
def test_a_transcript_does_not_depend_on_what_fills_up_the_batch(make: Make, name: str) -> None:
    reads = make(name)
    objective = TranscriptGeneration(
        reads, "AutoModelForSpeechSeq2Seq", generation={"num_beams": 1, "max_new_tokens": 3}
    )
    given: list[torch.Tensor] = []
    model = objective.build().model.eval()
    model.get_encoder().register_forward_hook(lambda module, args, out: given.append(out.last_hidden_state))
    rows = reads.encode([tiny_speech.speech(None, seconds) for seconds in (0.5, 0.3, 0.5)], targets=False).rows
    objective.predict(model, reads.collate(rows.__getitems__([0, 1, 2]), training=False))
    together = given[:]
    given.clear()
    for position in (1, 0):
        objective.predict(model, reads.collate(rows.__getitems__([position]), training=False))
    assert [len(states) for states in together] == [1, 2]
    for states, alone in zip(together, given, strict=True):
        torch.testing.assert_close(states[:1], alone)


def test_what_would_change_nothing_is_refused_and_masks_lie_on_spectrograms(make: Make) -> None:
    masks = {"spec_augment": {"mask_time_prob": 0.5, "mask_time_length": 2}}
    with pytest.raises(ConfigError, match=r"spec_augment: .* has no code that masks"):
        make("moonshine", augment=masks)
    with pytest.raises(ConfigError, match=r"augment.gain: .* at one loudness"):
        make("speech2text", augment={"gain": {}})
    reads = make("speech2text", augment=masks)
    assert reads.model_masks == {}
    rows = reads.encode([tiny_speech.speech("sun", 0.5)], targets=True).rows.__getitems__([0])
    masked = reads.collate(rows, training=True, rngs=[np.random.default_rng(0)]).inputs["input_features"]
    assert 0.2 < float((masked == 0).all(dim=2).float().mean()) < 0.6


def test_digital_silence_is_heard_as_nothing_rather_than_as_no_number(make: Make) -> None:
    silence = tiny_speech.speech("sun", 0.5, content=wav_bytes(np.zeros(8_000, np.float32), 16_000))
    rows = make("speech2text").encode([silence], targets=False).rows.__getitems__([0])
    assert not make("speech2text").collate(rows, training=False).inputs["input_features"].any()


# --- what is learnt, and what is heard ---


@pytest.mark.parametrize(
    ("seconds", "offsets"), [(0.0, [0]), (15.0, [0]), (15.5, [0, 10]), (25.0, [0, 10]), (40.0, [0, 10, 20, 30])]
)
def test_windows_share_what_they_are_told_to(seconds: float, offsets: list[float]) -> None:
    assert chunk_offsets(seconds, 15.0, 5.0) == offsets


def test_what_is_too_long_is_heard_in_windows_and_not_learnt(make: Make) -> None:
    reads = make()
    examples = [tiny_speech.speech("sun", 0.5), tiny_speech.speech("top", 4.5), tiny_speech.speech("x" * 30, 1.0)]
    heard, learnt = reads.encode(examples, targets=False), reads.encode(examples, targets=True)
    assert heard.first_rows is not None
    assert heard.first_rows.tolist() == [0, 1, 4, 5]
    assert heard.rows.offsets.tolist() == [0, 0, 1.5, 3.0, 0]
    assert learnt.first_rows is not None
    assert learnt.first_rows.tolist() == [0, 1, 1, 1]
    assert learnt.cut == {"recording": 1, "target": 1}
    to_score = reads.encode_to_score(examples)
    assert to_score.targets is not None
    assert to_score.targets.num_rows == 1
    assert reads.encode_to_score(examples[1:]).targets is None, "no loss can be computed"
    objective = TranscriptGeneration(reads, "AutoModelForSpeechSeq2Seq")
    assert objective.items(learnt).sum() == 2


def test_the_longest_transcript_fills_the_decoder_s_positions(make: Make) -> None:
    reads = make()
    assert reads.longest_target == 24 - 2
    fits, does_not = tiny_speech.speech("x" * 20, 1.0), tiny_speech.speech("x" * 21, 1.0)
    assert reads.encode([fits, does_not], targets=True).num_rows == 1, "a space and the end are two more"
    batch = reads.collate(reads.encode([fits], targets=True).rows.__getitems__([0]), training=True)
    assert batch.inputs["decoder_input_ids"].shape == (1, 23)


def test_what_is_left_out_is_told_by_file(make: Make) -> None:
    reads, problems = make(), Problems()
    rows = [tiny_speech.speech("sun", 0.5), tiny_speech.speech("top", 4.5, id="b", line=3, name="b.wav")]
    rows.append(tiny_speech.speech("x" * 30, 1.0, id="c", line=4, name="c.wav"))
    reads.check({"train": Split("train", "t.csv", rows), "test": Split("test", "u.csv", rows)}, problems)
    problems.raise_if_any()
    recording, target = problems.warnings
    assert "longer than the 2 s that are heard at once, and is not trained on; at t.csv, line 3 (b.wav): 4.5 s" in (
        recording
    )
    assert "longer than the 22 tokens" in target
    assert "t.csv, line 4 (c.wav): 32 tokens" in target
    reads.check({"train": Split("train", "t.csv", rows[1:])}, problems)
    with pytest.raises(DataError, match="not one recording can be learnt, as all are too long"):
        problems.raise_if_any()


def test_a_target_form_is_what_is_learnt(make: Make) -> None:
    ids = make(target_form="basic").label_ids(["Sun, RAIN!"])
    assert ids == make().label_ids(["sun rain"])
    assert ids != make().label_ids(["Sun, RAIN!"])


def test_special_tokens_in_a_transcript_are_text(make: Make) -> None:
    reads = make()
    (ids,) = reads.label_ids(["a <|endoftext|> b"])
    assert ids.count(reads.end_id) == 1
    assert ids[-1] == reads.end_id


# --- windows joined ---


@pytest.mark.parametrize(
    ("windows", "joined"),
    [
        (["the rain in Spain falls on", "Spain, falls on the plain"], "the rain in Spain falls on the plain"),
        (["one two three", "four five"], "one two three four five"),
        (["one two", ""], "one two"),
        (["", " one"], "one"),
        (["a b c d e f g h", "x f g h i j k l", "j k l m"], "a b c d e f g h i j k l m"),
        (["東京は雨が降る", "雨が降るだろう"], "東京は雨が降るだろう"),
    ],
)
def test_windows_are_joined_where_they_share_words(windows: list[str], joined: str) -> None:
    assert joined_transcript(windows, share=0.5) == joined


def test_a_recording_is_one_prediction_whatever_its_length(make: Make) -> None:
    reads = make(generation={"max_new_tokens": 3})
    objective = TranscriptGeneration(
        reads, "AutoModelForSpeechSeq2Seq", generation={"num_beams": 1, "max_new_tokens": 3}
    )
    model = objective.build().model.eval()
    examples = [tiny_speech.speech(None, 0.5), tiny_speech.speech(None, 4.5), tiny_speech.speech(None, 1.0)]
    adapter = TaskAdapter(reads, objective)
    encoded = reads.encode(examples, targets=False)
    ((start, stop, arrays),) = predict_windows(model, adapter, encoded, BatchLimits(64, 4096))
    assert (start, stop) == (0, 3)
    assert [type(text) for text in arrays["predictions"]] == [str] * 3
    assert arrays["cut_off"].tolist() == [True] * 3, "an untrained model does not end within 3 tokens"
    alone = [
        next(predict_windows(model, adapter, reads.encode([one], targets=False), BatchLimits(64, 4096)))[2]
        for one in examples
    ]
    assert np.concatenate([found["predictions"] for found in alone]).tolist() == arrays["predictions"].tolist()
