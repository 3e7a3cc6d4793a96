"""How sure a score is: 95% intervals over rows drawn anew."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

Interval = tuple[float, float]

_Z = 1.959964  # the 97.5% quantile of the normal distribution
_NUM_DRAWS = 1000


def wilson(share: float, num_rows: int) -> Interval:
    """Returns Wilson's interval of a share of rows (1927, JASA 22(158)); unlike the normal one it holds near 0 and 1.

    Example: 9 of 10 rows right: (0.596, 0.982).
    """
    spread = _Z**2 / num_rows
    center = (share + spread / 2) / (1 + spread)
    half = _Z / (1 + spread) * math.sqrt(share * (1 - share) / num_rows + spread / (4 * num_rows))
    return max(0.0, center - half), min(1.0, center + half)


def bootstrap(
    score: Callable[[np.ndarray], float], num_rows: int, *, reported: float, num_draws: int = _NUM_DRAWS
) -> Interval | None:
    """Returns the percentile bootstrap interval of a score (Efron, 1979, Annals of Statistics 7(1)), seeded.

    Example: rows of which 9 of 10 are right, scored by their mean and reported as 0.9, give (0.7, 1.0).

    Args:
        score: row numbers (N,), some of them several times -> the score of these rows.
        num_rows: N.
        reported: the score of the run. Where `score` gives another one for all rows there is no interval: it would
            be that of another statistic.
        num_draws: fewer where one draw takes long; the bounds move by little.

    Returns:
        The bounds; None also where a draw has no score.
    """
    if not math.isclose(score(np.arange(num_rows)), reported, rel_tol=1e-4, abs_tol=1e-6):
        return None
    generator = np.random.default_rng(0)
    draws = np.array([score(generator.integers(num_rows, size=num_rows)) for _ in range(num_draws)])
    if not np.isfinite(draws).all():
        return None
    low, high = np.quantile(draws, (0.025, 0.975))
    return float(low), float(high)
