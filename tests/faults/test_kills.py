"""A run that is killed at random moments ends as one that was left alone; `scripts/soak.py` kills a hundred times."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SOAK = Path(__file__).resolve().parents[2] / "scripts" / "soak.py"


def test_a_few_kills_make_no_difference() -> None:
    command = [sys.executable, str(SOAK), "--kills", "3", "--seed", "7", "--variants", "steps"]
    found = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
    assert found.returncode == 0, found.stdout + found.stderr
    assert found.stdout.startswith("steps: 3 kills (")
    assert found.stdout.endswith("differences: none\n")
