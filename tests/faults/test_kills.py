"""A run that is troubled at random moments ends as one that was left alone; see `scripts/soak.py`."""

from __future__ import annotations

from pathlib import Path

import pytest

import fresh

TESTS, SCRIPTS = (Path(__file__).resolve().parents[2] / name for name in ("tests", "scripts"))
# As `python scripts/soak.py ...`, but for the drawing of plots.
SOAK = f"""
import sys
sys.path[:0] = [{str(SCRIPTS)!r}, {str(TESTS)!r}]
import sketches, soak
sketches.draw_sketches()
soak.main()
"""

SAMPLES = {
    "one process": ({"kills": 2, "starts": 1, "space": 1, "launchers": 1}, 1),
    "two processes": ({"signals": 2, "kills": 1}, 2),
}
"""What is done to a run, how often, and on how many processes."""


@pytest.mark.parametrize("name", SAMPLES)
def test_a_few_troubles_make_no_difference(name: str) -> None:
    counts, ranks = SAMPLES[name]
    troubles = [word for trouble, count in counts.items() for word in (f"--{trouble}", str(count))]
    found = fresh.python("-c", SOAK, *troubles, "--ranks", ranks, "--seed", 7, "--variants", "short", timeout=400)
    assert found.returncode == 0, found.stdout + found.stderr
    for trouble in counts:
        assert f"short, {trouble}: " in found.stdout
    assert found.stdout.count("problems: none\n") == len(counts)
