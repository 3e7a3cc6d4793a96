"""Words as rows of tokens, as literals: windows, positions, labels, and words that are too long."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import tiny
from ftkit.errors import ConfigError
from tagged import TAGS, make_sentences, make_tagger


@pytest.mark.parametrize("piece", ["first", "last"])
def test_a_word_longer_than_the_model_keeps_its_place_and_is_counted(
    piece: str, checkpoint: Callable[[str], Path]
) -> None:
    tagger = make_tagger(checkpoint("bert"), max_length=8, label_piece=piece)
    word = "abcdefghijkl"
    encoded = tagger.preprocessor.encode(make_sentences([f"rain {word} sun"], ["O B-x O"]), targets=True)
    assert encoded.cut == {"input": 1}
    assert tagger.count_items(encoded) == 3
    whole = list(tagger.preprocessor.words.pieces(word))
    kept = whole[:6] if piece == "first" else whole[-6:]
    middle = next(row for row in encoded.rows.to_list() if TAGS.index("B-x") in row["labels"])
    assert middle["input_ids"][1:-1] == kept
    assert middle["word_positions"] == [1 if piece == "first" else 6]


DOCUMENT = "rain sun cup card soup salt rice"


def test_literal_rows_of_a_document_in_windows(checkpoint: Callable[[str], Path]) -> None:
    """Capacity 4, overlap 1: words 0-3, 3-6, and the last window reaches back as far as fits."""
    tagger = make_tagger(checkpoint("bert"), max_length=6, window_overlap=1)
    encoded = tagger.preprocessor.encode(make_sentences([DOCUMENT], ["B-x O O O O O O"]), targets=True)
    tokens = [tagger.preprocessor.processor.convert_ids_to_tokens(row) for row in encoded.rows["input_ids"]]
    assert tokens == [
        ["[CLS]", "rain", "sun", "cup", "card", "[SEP]"],
        ["[CLS]", "card", "soup", "salt", "rice", "[SEP]"],
    ]
    assert list(encoded.rows["word_positions"]) == [[1, 2, 3, 4], [2, 3, 4]]
    assert list(encoded.rows["labels"]) == [[-100, 1, 0, 0, 0, -100], [-100, -100, 0, 0, 0, -100]]
    assert encoded.first_rows is not None
    assert encoded.first_rows.tolist() == [0, 2]


@pytest.mark.parametrize("targets", [True, False])
def test_encoding_changes_nothing(checkpoint: Callable[[str], Path], targets: bool) -> None:
    """What was learnt of words before, and what stands beside a text, makes no difference to its rows."""
    reads = make_tagger(checkpoint("bert"), max_length=6).preprocessor
    examples = make_sentences([DOCUMENT, "card zqx"], ["B-x O O O O O O", "O B-x"])
    whole = reads.encode(examples, targets=targets)
    again = reads.encode(examples[::-1], targets=targets)
    fresh = make_tagger(checkpoint("bert"), max_length=6).preprocessor.encode(examples, targets=targets)
    assert whole.rows.to_list() == fresh.rows.to_list()
    rows_of = [whole.rows.select(whole.rows_of(i, i + 1)).to_list() for i in range(2)]
    assert rows_of == [again.rows.select(again.rows_of(i, i + 1)).to_list() for i in (1, 0)]
    assert ("labels" in whole.rows.column_names) is targets


def test_a_batch_holds_the_positions_of_words_apart_from_what_the_model_takes(
    checkpoint: Callable[[str], Path],
) -> None:
    tagger = make_tagger(checkpoint("bert"))
    examples = make_sentences(["rain sun", "card"], ["B-x I-x", "O"])
    batch = tiny.batch_of(tagger, tagger.preprocessor.encode(examples, targets=True))
    assert batch.inputs.keys() == {"input_ids", "attention_mask"}
    assert {name: tensor.tolist() for name, tensor in batch.extras.items()} == {"word_positions": [[1, 2], [1, 0]]}
    assert batch.labels.tolist() == [[-100, 1, 2, -100], [-100, 0, -100, -100]]
    assert (batch.lengths, batch.num_positions) == ([4, 3], 8)
    prompt = tiny.batch_of(tagger, tagger.preprocessor.encode(examples, targets=False))
    assert prompt.labels is None
    assert prompt.extras["word_positions"].tolist() == [[1, 2], [1, 0]]


def test_the_piece_that_bears_the_tag_is_saved_with_the_run(checkpoint: Callable[[str], Path]) -> None:
    assert make_tagger(checkpoint("bert")).preprocessor.resolved_options == {"label_piece": "first"}
    assert make_tagger(checkpoint("gpt2")).preprocessor.resolved_options == {"label_piece": "last"}
    assert make_tagger(checkpoint("gpt2"), label_piece="first").preprocessor.resolved_options == {
        "label_piece": "first"
    }


def test_rows_need_room_for_a_word(checkpoint: Callable[[str], Path]) -> None:
    with pytest.raises(ConfigError, match=r"data\.max_length: 2 tokens leave no room beside the 2 special tokens"):
        make_tagger(checkpoint("bert"), max_length=2)
