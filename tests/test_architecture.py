"""The house: no cycles, kinds asked nowhere but at home, no word of one modality in what serves all."""

from __future__ import annotations

import ast
import graphlib
import re
from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).resolve().parents[1] / "ftkit"

KIND_NAMES = (
    *("text-classification", "token-classification", "translation", "summarization", "text-generation", "fill-mask"),
    *("question-answering", "image-classification", "audio-classification", "automatic-speech-recognition"),
    *("preference-tuning", "object-detection", "image-segmentation", "image-text-to-text"),
)
FAMILY_NAMES = ("encoder", "decoder", "encoder-decoder", "dual-encoder")
OWNERS_OF_NAMES = ("kinds", "models")

ONE_MODALITY = ("input_ids", "attention_mask", "tokenizer", "pixel_values", "input_values", "input_features")
SERVES_ALL = ("engine", "runs", "run.py", "run_phases.py")


def test_no_module_needs_itself() -> None:
    graph = grimp.build_graph("ftkit", include_external_packages=False)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    order = list(graphlib.TopologicalSorter(imports).static_order())  # CycleError names a cycle
    assert len(order) == len(graph.modules)


def test_the_graph_sees_imports_in_functions_and_for_types() -> None:
    graph = grimp.build_graph("ftkit", include_external_packages=False)
    assert "ftkit.hub" in graph.find_modules_directly_imported_by("ftkit.run")  # in a function
    assert "ftkit.inference.bank_member" in graph.find_modules_directly_imported_by("ftkit.inference.mixing")


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_nobody_asks_for_a_kind_or_family_by_name(path: Path) -> None:
    if path.relative_to(ROOT).parts[0] in OWNERS_OF_NAMES:
        return
    asked = [
        f"line {node.lineno}: {value}"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Compare)
        for value in _texts(node)
        if value in (*KIND_NAMES, *FAMILY_NAMES)
    ]
    assert not asked
    assert "writes_text" not in path.read_text(encoding="utf-8")


def _texts(node: ast.AST) -> Iterator[str]:
    for part in ast.walk(node):
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            yield part.value


def _files(place: str) -> list[Path]:
    return [ROOT / place] if place.endswith(".py") else sorted((ROOT / place).rglob("*.py"))


@pytest.mark.parametrize(
    "path", [path for place in SERVES_ALL for path in _files(place)], ids=lambda path: str(path.relative_to(ROOT))
)
def test_what_serves_all_modalities_names_none(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not [word for word in ONE_MODALITY if re.search(rf"\b{word}\b", text)]


def test_floors() -> None:
    """The contract in pyproject.toml has at most nine floors."""
    contract = (ROOT.parent / "pyproject.toml").read_text(encoding="utf-8")
    layers = contract.partition("layers = [")[2].partition("]")[0].strip().splitlines()
    assert 2 < len(layers) <= 9


MOST_LINES = 60


def test_functions_are_short() -> None:
    """A function that takes more lines, its docstring left out, does more than one thing."""
    long = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in sorted(ROOT.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and _num_lines(node) > MOST_LINES
    ]
    assert not long


def _num_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    first, total = function.body[0], (function.end_lineno or function.lineno) - function.lineno + 1
    has_docstring = ast.get_docstring(function) is not None
    return total - ((first.end_lineno or first.lineno) - first.lineno + 1 if has_docstring else 0)


TESTS = Path(__file__).resolve().parent
OF_ALL = ("contracts", "faults", "fresh", "hub", "local_hub")  # what is asked of every kind, run or machine


def test_folders_of_tests_mirror_the_packages() -> None:
    """A test of a module lies where the module does; one of a whole run, or of a module of the top, at the top."""
    folders = {path.parent.relative_to(TESTS) for path in TESTS.rglob("test_*.py")}
    strays = [str(folder) for folder in folders if not (ROOT / folder).is_dir() and folder.parts[0] not in OF_ALL]
    assert not strays
