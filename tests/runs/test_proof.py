"""What the proof takes for a difference."""

import numpy as np
import pytest

from ftkit.runs.proof import TOLERANCE, largest_difference


@pytest.mark.parametrize(
    ("one", "other", "difference"),
    [
        ([0.5, 0.25], [0.5, 0.251], 1e-3),
        ([-0.5], [0.5], 1.0),
        ([5e4, 0.5], [5e4 + 0.02, 0.5], 4e-7),  # a sum over the pixels of a mask, rounded otherwise
        ([2e5], [2e5 + 20], 1e-4),
        ([], [], 0.0),
    ],
)
def test_numbers_above_1_differ_by_a_share(one, other, difference):
    found = largest_difference(np.array(one, np.float64), np.array(other, np.float64))
    assert found == pytest.approx(difference, abs=1e-12)
    assert (found > TOLERANCE) == (difference > 1e-5)


def test_texts_are_compared_as_a_whole():
    assert largest_difference(np.array(["a", "b"], object), np.array(["a", "c"], object)) == 0
