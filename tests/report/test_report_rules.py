"""The report asks no kind's name: what differs is what a kind names, in tables."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest

import ftkit.report
from ftkit.kinds.table import KINDS
from ftkit.types import FAMILIES, PROBLEM_TYPES

FOLDER = Path(ftkit.report.__file__).parent
FILES = [path.relative_to(FOLDER).as_posix() for path in sorted(FOLDER.rglob("*.py"))]
NAMES = {*KINDS, *FAMILIES, *PROBLEM_TYPES}
# A key of the config, a word that a reader sees, and transformers' own `problem_type`, by which the code of a card
# takes the logits.
PRINTED = {
    "config_text.py": {"decoder"},
    "readings/number.py": {"regression"},
    "usage/classify.py": {"multi_label_classification"},
    "usage/labels.py": {"multi_label_classification", "regression"},
}


def _names(tree: ast.AST) -> Iterator[str]:
    """Yields constants that are a kind's, a family's or a problem type's name; keys of a dict are fields."""
    fields = {id(key) for node in ast.walk(tree) if isinstance(node, ast.Dict) for key in node.keys}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and node.value in NAMES and id(node) not in fields:
            yield node.value


@pytest.mark.parametrize("file", FILES)
def test_no_name_of_a_kind(file: str) -> None:
    tree = ast.parse((FOLDER / file).read_text(encoding="utf-8"))
    assert set(_names(tree)) <= PRINTED.get(file, set())
    compared = [node for node in ast.walk(tree) if isinstance(node, ast.Compare)]
    asked = {child.attr for node in compared for child in ast.walk(node) if isinstance(child, ast.Attribute)}
    assert not asked & {"auto_class", "family"}
    imported = {name.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for name in node.names}
    assert not imported & {"KINDS", "FAMILIES", "PROBLEM_TYPES"}


def test_no_cycle() -> None:
    """No file of the report, and no folder of it, needs one that needs it."""
    graph = grimp.build_graph("ftkit")
    edges: dict[str, set[str]] = defaultdict(set)
    for module in graph.modules:
        for other in graph.find_modules_directly_imported_by(module):
            if module.startswith("ftkit.report.") and other.startswith("ftkit.report."):
                parts = [name.split(".")[2] for name in (module, other)]
                edges[parts[0]] |= {parts[1]} - {parts[0]}
    left = set(edges)
    while lowest := {part for part in left if not edges[part] & left}:
        left -= lowest
    assert not left
