"""Word and character error rates: jiwer's over the corpus, of transcripts in a stated form."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ftkit.errors import ConfigError
from ftkit.metrics.groups import GROUPS
from ftkit.metrics.scorer import make_scorer
from ftkit.metrics.transcripts import Form, character_edits, in_form, signature, word_edits

jiwer = pytest.importorskip("jiwer", reason="pip install 'ftkit[audio]'")
GROUP = GROUPS["automatic-speech-recognition"]


@pytest.mark.parametrize(
    ("text", "form", "expected"),
    [
        ("It's  Twenty-One,\n isn\u2019t it?", "none", "It's Twenty-One, isn\u2019t it?"),
        ("It's  Twenty-One,\n isn\u2019t it?", "basic", "it's twenty one isn't it"),
        ("It's Twenty-One, isn't it?", "english", "it is 21 is not it"),
        ("'tis the dogs' house", "basic", "tis the dogs house"),
        ("Seven.", "english", "7"),
        ("7", "english", "7"),
        ("हिंदी में, कहा।", "basic", "हिंदी में कहा"),
        ("Ｔｏｋｙｏ、東京。", "basic", "tokyo 東京"),
        ("€5 <b>", "basic", "5 b"),
        ("...", "basic", ""),
    ],
)
def test_forms(text: str, form: Form, expected: str) -> None:
    assert in_form(text, form) == expected


def test_edits_by_hand() -> None:
    counts = word_edits(["a x", "", "x y"], ["a b c", "a b", "x"], "none")
    assert counts.lengths.tolist() == [3, 2, 1]
    assert counts.substitutions.tolist() == [1, 0, 0]
    assert counts.deletions.tolist() == [1, 2, 0]
    assert counts.insertions.tolist() == [0, 0, 1]
    assert counts.rate() == 5 / 6
    assert counts.rate(np.array([0, 0])) == 4 / 6


def test_the_rate_is_jiwer_s_over_the_corpus_and_no_mean_of_rows() -> None:
    generator = np.random.default_rng(0)
    rows = [(" ".join(generator.choice(list("abcde"), size)), size) for size in generator.integers(1, 9, 60)]
    said = [text for text, _ in rows]
    heard = [" ".join(word for word in text.split() if generator.random() > 0.2) for text in said]
    assert word_edits(heard, said, "none").rate() == pytest.approx(jiwer.wer(said, heard))
    assert character_edits(heard, said, "none").rate() == pytest.approx(jiwer.cer(said, heard))
    rows_alone = [word_edits([one], [other], "none").rate() for one, other in zip(heard, said, strict=True)]
    assert word_edits(heard, said, "none").rate() != pytest.approx(np.mean(rows_alone), abs=1e-3)


def test_what_was_heard_in_silence_counts_but_has_no_rate_by_itself() -> None:
    counts = word_edits(["thanks for watching", "a"], ["...", "a"], "basic")
    assert (counts.insertions.tolist(), counts.rate()) == ([3, 0], 3.0)
    assert math.isnan(word_edits(["b"], ["!"], "basic").rate())


def test_scores_come_with_their_signature_and_their_edits() -> None:
    scorer = make_scorer(GROUP.defaults, GROUP, options={"normalize": "english"})
    found = scorer.compute(["seven", "Heaven!"], ["7.", "seven"])
    assert (found["wer"], found["cer"]) == (0.5, 0.5 * 6)
    assert found["wer_signature"] == signature("words", "english")
    assert "norm:english|" in found["wer_signature"]
    assert found["wer_edits"] == {"substitutions": 1, "deletions": 0, "insertions": 0, "words": 2}
    assert found["cer_edits"]["characters"] == 2
    assert scorer.keys == ("wer", "cer")


def test_transcripts_without_words_have_no_rate() -> None:
    scorer = make_scorer(GROUP.defaults, GROUP)
    assert scorer.compute(["a"], ["-"])["wer"] is None
    assert scorer.notes["wer"] == "the transcripts hold no words"


def test_jiwer_is_asked_for_before_anything_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"jiwer, which is not installed.\nFix: pip install 'ftkit\[audio\]'"):
        make_scorer(("wer",), GROUP)
