"""Reports of choices and rankings: what stands beside the score, the worst rows, and nothing of the users' texts."""

from __future__ import annotations

import report_contents as contents

from ftkit.report.blocks.block import block_values
from ftkit.report.blocks.rankings import first_ranks
from ftkit.report.card import card_text, card_values
from ftkit.report.content import ReportContent
from ftkit.report.page import page_values
from ftkit.report.readings.ranking import ranking_answers


def _notes(content: ReportContent) -> tuple[str, ...]:
    headline = page_values(content).headline
    assert headline is not None
    return headline.notes


def test_choices_stand_beside_guessing_and_what_the_choices_give_away() -> None:
    content = contents.choice_content()
    notes = _notes(content)
    assert "15 of 30 rows are right" in notes
    assert "guessing gives 41.7%" in notes
    assert "choices alone gives 45.0%" in notes


def test_the_surest_errors_name_choices_and_keep_texts_apart() -> None:
    content = contents.choice_content()
    (block,) = block_values(content, content.evaluated[0])
    worst = block["rows"][0]
    assert (worst.expected, worst.predicted, worst.weight) == ("no (29)", "yes", "0.9000")
    assert len(block["rows"]) == 15
    alone = worst.without_texts()
    assert (alone.texts, alone.expected, alone.predicted) == ((), None, None)


def test_a_ranking_is_told_by_ranks() -> None:
    content = contents.ranking_content()
    split = content.evaluated[0]
    assert first_ranks(split).tolist() == [0, 1, *[2, 1] * 9]
    assert ranking_answers(content, split, 2) == ("1 of 3 relevant", "at rank 2")
    assert ranking_answers(content, split, 0) == ("0 of 3 relevant", "none to find")
    histogram, errors = block_values(content, split)
    assert "at rank 1 in 53%" in histogram["svg"]
    assert errors["caption"].startswith("9 of 9 queries without a relevant document at rank 1")
    assert "bm25 alone gives 0.9000" in _notes(content)


def test_the_card_claims_no_score_of_another_method() -> None:
    from huggingface_hub import ModelCard

    content = contents.ranking_content()
    card = ModelCard(card_text("x", card_values(content, _notes(content)), name="x"))
    assert [result.metric_name for result in card.data.eval_results or ()] == ["NDCG@10"]
    assert "bm25" in card.text
