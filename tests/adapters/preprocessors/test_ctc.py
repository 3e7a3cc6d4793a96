"""Transcripts that are read off the frames: vocabularies, frames and labels, the loss, and windows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import tiny_speech
from ftkit.adapters.objectives.ctc import CtcObjective, joined_frames
from ftkit.adapters.preprocessors.ctc import CtcPreprocessor, frames_needed
from ftkit.adapters.task_adapter import TaskAdapter
from ftkit.data.problems import Problems
from ftkit.engine.batching import BatchLimits
from ftkit.engine.evaluation import mean_loss
from ftkit.engine.predicting import predict_windows
from ftkit.errors import CheckpointError, ConfigError, DataError
from ftkit.models.checkpoint import inspect_checkpoint
from ftkit.models.ctc_vocabulary import ctc_tokenizer
from ftkit.models.spec import ModelSpec
from ftkit.types import Split

pytest.importorskip("soundfile", reason="pip install 'ftkit[audio]'")
Make = Callable[..., CtcPreprocessor]
LIMITS = BatchLimits(64, 4096)
SAID = [tiny_speech.speech("No, so!", 0.5), tiny_speech.speech("on", 0.8)]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    return tiny_speech.maker(tmp_path_factory.mktemp("tiny-speech"))


@pytest.fixture
def make(checkpoint: Callable[[str], Path]) -> Make:
    def preprocessor(name: str = "wav2vec2", **options: Any) -> CtcPreprocessor:
        return CtcPreprocessor(inspect_checkpoint(ModelSpec(checkpoint=str(checkpoint(name)))), **options)

    return preprocessor


def fitted(reads: CtcPreprocessor) -> CtcPreprocessor:
    reads.fit(SAID)
    return reads


def objective(reads: CtcPreprocessor, **options: Any) -> CtcObjective:
    return CtcObjective(reads, "AutoModelForCTC", **options)


# --- vocabularies ---


def test_a_vocabulary_is_made_of_the_transcripts_as_they_are_learnt(make: Make) -> None:
    reads = fitted(make())
    assert reads.vocabulary == ("n", "o", "s")
    assert reads.target_tokenizer.get_vocab() == {"<pad>": 0, "<unk>": 1, "|": 2, "n": 3, "o": 4, "s": 5}
    assert reads.label_ids(["No, so!", "x"]) == [[3, 4, 2, 5, 4], [1]]
    assert reads.resolved_options["vocabulary"] == ["n", "o", "s"]
    again = make(**reads.resolved_options)
    assert again.target_tokenizer.get_vocab() == reads.target_tokenizer.get_vocab()
    written = fitted(make(target_form="as-written"))
    assert written.vocabulary == ("!", ",", "N", "n", "o", "s")


def test_a_checkpoint_s_own_vocabulary_is_kept_and_its_case_with_it(make: Make) -> None:
    reads = fitted(make("ctc"))
    assert (reads.vocabulary, reads.keeps_vocabulary) == (None, True)
    assert reads.target_tokenizer.decode(reads.label_ids(["The rain!"])[0]) == "THE RAIN"
    assert not objective(reads).build().new_parameters
    other = fitted(make("ctc", ctc_vocabulary="transcripts"))
    assert other.vocabulary == ("n", "o", "s")
    assert objective(other).build().new_parameters == {"lm_head.weight", "lm_head.bias"}


def test_a_head_of_as_many_other_characters_is_new(tmp_path: Path) -> None:
    """Of the same size by chance, its rows would be taken for those of other characters."""
    spec = inspect_checkpoint(ModelSpec(checkpoint=str(tiny_speech.make_ctc(tmp_path, characters="ABC"))))
    reads = fitted(CtcPreprocessor(spec, ctc_vocabulary="transcripts"))
    assert objective(reads).build().new_parameters == {"lm_head.weight", "lm_head.bias"}
    same = CtcPreprocessor(spec, vocabulary=("A", "B", "C"))
    assert not objective(same).build().new_parameters


def test_what_means_nothing_to_ctc(make: Make) -> None:
    with pytest.raises(ConfigError, match=r"data.language: .* is told no language, .* Leave the key out"):
        make(language="de")
    with pytest.raises(ConfigError, match=r"data.ctc_vocabulary: .* was not trained by CTC"):
        make(ctc_vocabulary="checkpoint")
    with pytest.raises(ConfigError, match=r"train.label_smoothing_factor: CTC has no label"):
        objective(fitted(make()), label_smoothing=0.1)
    with pytest.raises(DataError, match=r"transcripts hold '\|'.*\nFix: data.target_form: basic"):
        make(target_form="as-written").fit([tiny_speech.speech("a|b", 0.5)])
    bert = inspect_checkpoint(ModelSpec(checkpoint="ftkit:bert"))
    with pytest.raises(CheckpointError, match="no model that is read by CTC for checkpoints of type 'bert'"):
        CtcObjective.check_checkpoint(bert, "AutoModelForCTC")


def test_twice_the_same_letter_is_not_one() -> None:
    """`skip_special_tokens` would leave out the blank between them."""
    assert ctc_tokenizer(["e", "n", "s"]).decode([5, 3, 0, 3, 3, 4]) == "seen"


# --- frames and labels ---


def test_frames_that_a_transcript_needs() -> None:
    assert [frames_needed(ids) for ids in ([], [3], [3, 4], [3, 3], [3, 3, 3, 4, 4])] == [0, 1, 2, 3, 8]


def test_a_transcript_with_more_characters_than_frames_is_told_by_file(make: Make) -> None:
    reads, problems = make(), Problems()
    rows = [*SAID, tiny_speech.speech("no no no", 0.1, id="b", line=3, name="b.wav")]
    frames = reads.num_frames(0.1)
    reads.check({"train": Split("train", "t.csv", rows)}, problems)
    with pytest.raises(DataError) as error:
        problems.raise_if_any()
    told = f"t.csv, line 3 (b.wav): 8 characters in 0.10 s, which need 8 frames and have {frames}"
    assert frames < 8
    assert told in str(error.value)
    encoded = reads.encode(rows, targets=True)
    assert encoded.cut == {"frame": 1}
    assert encoded.num_rows == 2


def test_characters_that_the_vocabulary_lacks_are_told_by_file(make: Make) -> None:
    reads, problems = make("ctc"), Problems()
    rows = [tiny_speech.speech("the rain 7", 1.0, line=2), tiny_speech.speech("the rain", 1.0, line=3)]
    reads.check({"train": Split("train", "t.csv", rows)}, problems)
    with pytest.raises(DataError, match=r"characters that the vocabulary lacks\n   at t.csv, line 2: '7'\n"):
        problems.raise_if_any()
    reads, problems = make(), Problems()
    reads.check({"train": Split("train", "t.csv", SAID), "test": Split("test", "u.csv", rows)}, problems)
    assert "test: the transcript holds characters that the vocabulary lacks (2 times)" in problems.warnings[0]


# --- the loss ---


@pytest.mark.parametrize("name", ["wav2vec2", "wav2vec2-layer", "hubert", "wavlm"])
def test_the_loss_is_that_of_transformers_whatever_stands_beside_a_recording(name: str, make: Make) -> None:
    reads = fitted(make(name))
    learns = objective(reads)
    model: Any = learns.build().model.eval()
    model.config.ctc_loss_reduction = "sum"
    rows = reads.encode(SAID, targets=True).rows
    theirs = []
    for number in range(2):
        alone = reads.collate(rows.__getitems__([number]), training=False)
        with torch.no_grad():
            outputs = model(**alone.inputs, labels=alone.labels)
            assert learns.loss(outputs, alone).tolist() == pytest.approx([float(outputs.loss)], rel=1e-5)
        theirs.append(float(outputs.loss))
    if reads.input.has_mask:  # others hear what fills up a batch
        both = reads.collate(rows.__getitems__([0, 1]), training=False)
        with torch.no_grad():
            assert learns.loss(model(**both.inputs), both).tolist() == pytest.approx(theirs, rel=1e-4)
    assert learns.items(reads.encode(SAID, targets=True)).sum() == 5 + 2


def test_the_loss_per_character_does_not_depend_on_how_rows_are_batched(make: Make) -> None:
    reads = fitted(make("hubert"))
    adapter = TaskAdapter(reads, objective(reads))
    model = adapter.objective.build().model.eval()
    encoded = reads.encode([*SAID] * 3, targets=True)
    one, many = (mean_loss(model, adapter, encoded, BatchLimits(size, 4096)) for size in (1, 6))
    assert one == pytest.approx(many, rel=1e-5)


def test_the_feature_encoder_is_frozen_unless_it_is_to_be_trained(make: Make) -> None:
    reads = fitted(make())
    for freeze in (True, False):
        model = objective(reads, freeze_feature_encoder=freeze).build().model
        named = list(model.named_parameters())
        assert {weight.requires_grad for name, weight in named if "feature_extractor" in name} == {not freeze}
        assert {weight.requires_grad for name, weight in named if name.startswith("lm_head")} == {True}


def test_masks_are_drawn_in_training_alone_and_by_the_seed(make: Make) -> None:
    masks = {"mask_time_prob": 0.5, "mask_time_length": 2}
    reads = fitted(make("hubert", augment={"spec_augment": masks}))
    model = objective(reads).build().model
    assert model.config.apply_spec_augment is True
    assert (model.config.mask_time_prob, model.config.mask_time_length) == (0.5, 2)
    inputs = reads.collate(reads.encode(SAID, targets=True).rows.__getitems__([0, 1]), training=True).inputs

    def logits(*, training: bool, seed: int) -> torch.Tensor:
        model.train(training)
        np.random.seed(seed)
        torch.manual_seed(0)
        with torch.no_grad():
            return model(**inputs).logits

    assert torch.equal(logits(training=True, seed=0), logits(training=True, seed=0))
    assert not torch.equal(logits(training=True, seed=0), logits(training=True, seed=1))
    assert torch.equal(logits(training=False, seed=0), logits(training=False, seed=1))


# --- predictions ---


def test_of_what_windows_share_each_gives_its_half() -> None:
    windows = [np.array(ids) for ids in ([1, 2, 3, 9, 9], [9, 4, 5, 9], [9, 6, 0, 0])]
    assert joined_frames(windows, [4, 4, 2], 2).tolist() == [1, 2, 3, 4, 5, 6]
    assert joined_frames(windows[:1], [4], 2).tolist() == [1, 2, 3, 9]


@pytest.mark.parametrize("name", ["wav2vec2", "hubert"])
def test_a_prediction_depends_on_nothing_beside_it_and_long_recordings_are_one(name: str, make: Make) -> None:
    reads = fitted(make(name, max_seconds=2.0, overlap_seconds=1.0))
    adapter = TaskAdapter(reads, objective(reads))
    model = adapter.objective.build().model.eval()
    examples = [tiny_speech.speech(None, seconds) for seconds in (0.5, 4.4, 0.8, 2.0)]
    encoded = reads.encode(examples, targets=False)
    assert encoded.first_rows is not None
    assert encoded.first_rows.tolist() == [0, 1, 5, 6, 7]
    ((_, _, together),) = predict_windows(model, adapter, encoded, LIMITS)
    texts = together["predictions"].tolist()
    assert any(texts), "an untrained model writes something"
    for example, text in zip(examples, texts, strict=True):
        ((_, _, alone),) = predict_windows(model, adapter, reads.encode([example], targets=False), LIMITS)
        assert alone["predictions"].tolist() == [text]


def test_a_changed_recording_has_a_frame_for_each_character_and_no_more_than_its_cost_says(make: Make) -> None:
    said = [tiny_speech.speech("no so no so no", 0.4), tiny_speech.speech("on", 0.8)]
    operations = {"speed": {"factor": [0.5, 2.0]}, "shift": {"seconds": 0.1}, "noise": True}
    reads = make(augment=operations, max_seconds=1.0)
    reads.fit(said)
    plain = reads.encode(said, targets=True)
    encoded = reads.to_train(plain, said)
    assert (encoded.costs > plain.costs).all()
    rows, frames = encoded.rows.__getitems__([0, 1]), []
    for seed in range(40):
        batch = reads.collate(rows, training=True, rngs=[np.random.default_rng([seed, row]) for row in (0, 1)])
        frames.append(batch.extras["num_frames"].numpy())
    needed = [frames_needed(row["labels"]) for row in rows]
    assert (np.min(frames, axis=0) >= needed).all()
    assert (np.max(frames, axis=0) <= encoded.costs).all()
    assert np.ptp(frames, axis=0).min() > 5
    assert reads.collate(rows, training=False).extras["num_frames"].tolist() == plain.costs.tolist()


def test_a_louder_recording_is_the_same_to_a_checkpoint_that_hears_all_at_one_loudness(make: Make) -> None:
    with pytest.raises(ConfigError, match=r"data.augment.gain: .* reads all recordings at one loudness"):
        make(augment={"gain": True})
