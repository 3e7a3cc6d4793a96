"""Code that a config names by file or module: imported, or told what is wrong with it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ftkit.errors import ConfigError
from ftkit.named_code import load_code


def test_a_file_and_a_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "own.py"
    path.write_text("from dataclasses import dataclass\n\n@dataclass\nclass Pair:\n    one: int = 1\n")
    found = load_code(str(path), key="metrics")
    monkeypatch.delitem(sys.modules, found.__name__)
    assert found.Pair() == found.Pair(one=1)
    assert load_code("ftkit.named_code", key="task").load_code is load_code


def test_what_is_not_there() -> None:
    with pytest.raises(ConfigError, match=r"task: no file 'absent.py' \(looked at /"):
        load_code("absent.py", key="task")
    with pytest.raises(ConfigError, match=r"metrics: the module 'absent.module' .* No module named 'absent'.*file.py"):
        load_code("absent.module", key="metrics")


def test_what_fails_while_it_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_code.py").write_text("1 / 0")
    monkeypatch.syspath_prepend(tmp_path)
    for place in (str(tmp_path / "broken_code.py"), "broken_code"):
        with pytest.raises(ConfigError, match=r"metrics: .*broken_code.* failed while .*ZeroDivisionError: division"):
            load_code(place, key="metrics")
    sys.modules.pop("ftkit_metrics_broken_code", None)
