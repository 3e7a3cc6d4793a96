"""docs/reliability.md names the tests of what it promises, and they exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| ([^|]+) \| (`[^|]*::[^|]*) \|$", TEXT, re.MULTILINE)


@pytest.mark.parametrize(("promise", "tests"), ROWS, ids=[promise for promise, _ in ROWS])
def test_a_promise_has_its_tests(promise: str, tests: str) -> None:
    for test in tests.split("; "):
        file, _, name = test.strip("`").partition("::")
        tree = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8"))
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, promise


def test_the_table_is_read() -> None:
    assert len(ROWS) == TEXT.partition("## The tests")[2].count("\n| ") - 1 > 40
