import math

import numpy as np
import pytest

from ftkit.metrics.simple_methods import bm25, by_choices_alone


def test_bm25_of_a_small_collection() -> None:
    """By hand: four documents of 2, 1, 2 and 3 words; `rain` is in two of them, `cold` in one."""
    first, second = bm25(["rain cold", "soup rain"], [["Rain, rain", "card"], ["cold rain", "the hot soup"]])

    def idf(containing: int) -> float:
        return math.log(1 + (4 - containing + 0.5) / (containing + 0.5))

    def weight(count: int, length: int) -> float:
        return count * 2.2 / (count + 1.2 * (0.25 + 0.75 * length / 2))

    assert first.tolist() == pytest.approx([idf(2) * weight(2, 2), 0])
    assert second.tolist() == pytest.approx([idf(2) * weight(1, 2), idf(1) * weight(1, 3)])


def test_bm25_reads_scripts_without_spaces() -> None:
    (scores,) = bm25(["今日の天気"], [["天気は晴れ", "猫が好き"]])
    assert scores[0] > 0 == scores[1]


def test_choices_that_give_themselves_away() -> None:
    train = [(f"it is {word}", "nobody knows", f"a {word}") for word in ("wet", "red", "cold", "new")] * 3
    choices = by_choices_alone(train, [1] * 12, [("a dog", "a cat", "nobody knows"), ("nobody knows", "a dog")])
    assert choices.tolist() == [2, 0]
    assert choices.dtype == np.int64
