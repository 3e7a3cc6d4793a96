"""Which tokens of a pair are read, and which are compared: literal rows, whatever the template."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tiny
from ftkit.adapters.preprocessors.chat_templates import template_text
from ftkit.adapters.preprocessors.tokens import NO_LOSS
from ftkit.errors import NothingFits
from preferences import make_pair, make_pairs, make_preferrer

Checkpoint = Callable[[str], Path]

# Like most templates this does not mark what the assistant says; and it drops a part of earlier answers, as those of
# models that reason do.
UNMARKED = (
    "{{ bos_token }}{% for m in messages %}{{ m.role + ': ' }}{% if loop.last or m.role == 'user' %}{{ m.content }}"
    "{% else %}{{ m.content.split(' ')[-1] }}{% endif %}{% if m.role == 'assistant' %}{{ eos_token }}{% endif %}"
    "{{ '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ 'assistant:' }}{% endif %}"
)


def texts(reads: Any, row: Any, name: str) -> list[str]:
    """Returns the tokens of both sides, those that bear loss where `name` is labels."""
    return [
        " ".join(reads.processor.convert_ids_to_tokens([id_ for id_ in side if id_ != NO_LOSS])) for side in row[name]
    ]


@pytest.mark.parametrize("template", ["plain", UNMARKED], ids=["marked", "unmarked"])
def test_only_the_answers_that_differ_are_compared(checkpoint: Checkpoint, template: str) -> None:
    adapter = make_preferrer(checkpoint("llama"), form="prompt")
    spec, options = adapter.preprocessor.spec, {"chat_template": template_text(template)}
    reads = type(adapter.preprocessor)(spec, None, **options)
    pair = make_pair("is it cold", "no no", "will it rain", chosen="will not", rejected="no")
    row = reads.encode([pair], targets=True).rows[0]
    assert texts(reads, row, "labels") == ["▁will ▁not </s>", "▁no </s>"]
    chosen, rejected = (text.lower() for text in texts(reads, row, "input_ids"))
    assert chosen.removesuffix("▁will ▁not </s>") == rejected.removesuffix("▁no </s>")
    assert chosen.startswith("<s> u s e r : ▁is ▁it ▁cold <0x0a> a s s i s t a n t : ▁no")
    assert [labels[0] for labels in row["labels"]] == [NO_LOSS, NO_LOSS]


def test_a_pair_is_one_row_of_two_sides(checkpoint: Checkpoint) -> None:
    adapter = make_preferrer(checkpoint("gpt2"))
    encoded = adapter.preprocessor.encode(make_pairs(), targets=True)
    assert (encoded.num_rows, len(encoded)) == (6, 6)
    lengths = [[len(side) for side in row["input_ids"]] for row in encoded.rows]
    assert encoded.costs.tolist() == [2 * max(sides) for sides in lengths]
    batch = tiny.batch_of(adapter, encoded)
    assert batch.inputs["input_ids"].shape == batch.inputs["attention_mask"].shape
    assert (len(batch), batch.row_counts, batch.labels.shape[:2]) == (6, [2] * 6, (6, 2))
    assert batch.lengths == [length for sides in lengths for length in sides]
    assert batch.inputs["attention_mask"].sum(dim=1).tolist() == batch.lengths
    padding = batch.inputs["attention_mask"] == 0
    assert (batch.labels.flatten(0, 1)[padding] == NO_LOSS).all()


def test_prompts_are_the_questions_alone(checkpoint: Checkpoint) -> None:
    reads = make_preferrer(checkpoint("llama")).preprocessor
    scored = reads.encode_to_score(make_pairs(), all_predicted=False)
    assert (len(scored), scored.inputs.num_rows, scored.targets.num_rows) == (6, 6, 6)
    for prompt, row in zip(scored.inputs.rows, scored.targets.rows, strict=True):
        given = prompt["input_ids"]
        assert [side[: len(given)] for side in row["input_ids"]] == [given, given]
        assert [side[: len(given)] for side in row["labels"]] == [[NO_LOSS] * len(given)] * 2


def test_pieces_show_both_answers(checkpoint: Checkpoint) -> None:
    reads = make_preferrer(checkpoint("llama")).preprocessor
    row = reads.encode([make_pair("is it cold", chosen="no", rejected="will rain")], targets=True).rows[0]
    pieces = reads.pieces(row)
    assert [piece.text for piece in pieces if piece.bears_loss] == [" no", "</s>", " will", " rain", "</s>"]
    assert any("rejected" in piece.text for piece in pieces)


def test_old_turns_are_dropped_before_pairs_are(checkpoint: Checkpoint) -> None:
    short = make_pair("will it rain", chosen="no", rejected="will not")
    talk = make_pair("is it cold", "no", "will it rain", chosen="no", rejected="will not", line=2)
    long = make_pair("will it rain", chosen="no", rejected=" ".join(["the rain will not stop"] * 9), line=3)
    length = max(
        map(len, make_preferrer(checkpoint("llama")).preprocessor.encode([short], targets=True).rows[0]["labels"])
    )
    reads = make_preferrer(checkpoint("llama"), max_length=length).preprocessor
    encoded = reads.encode([short, talk, long], targets=True)
    assert encoded.first_rows is not None
    assert encoded.first_rows.tolist() == [0, 1, 2, 2]
    assert encoded.rows[0] == encoded.rows[1], "the same question, without what was said before"
    assert encoded.cut == {"pair": 1, "turn": 1}
    with pytest.raises(NothingFits, match="of each of 1 pairs the question with one of its answers is longer"):
        reads.encode([long], targets=True)
