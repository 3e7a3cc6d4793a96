"""Several processes carry out one run, of whatever kind; what keeps them from it is told once, by one rank."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from every_kind import EVERY_KIND
from ftkit.config import yaml
from ftkit.kinds.table import KINDS
from rank_jobs import found_by, launch, scored
from runs import TEXTS, write_csv


def test_every_kind_is_covered() -> None:
    assert EVERY_KIND.keys() == KINDS.keys()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where two ranks have carried out `rank_jobs.every_kind`."""
    folder = tmp_path_factory.mktemp("ranks")
    for name, make in EVERY_KIND.items():
        (folder / f"{name}.yaml").write_text(yaml.dump(make(folder / name)))
    write_csv(folder / "shorter.csv", TEXTS[:23])
    done = launch("every_kind", folder)
    assert done.returncode == 0, done.stderr[-5000:]
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_runs_on_two_ranks(kind: str, folder: Path) -> None:
    for rank in range(2):
        code, proof, *_ = found_by(folder, rank)[kind]
        assert code == 0, proof
        assert (code, proof["num_processes"], proof["reloaded_from_disk"]) == (0, 2, True)
    run = folder / kind / "run"
    published = [path.read_text().splitlines() for path in (run / "predictions").glob("*.jsonl")]
    is_compared = kind not in (
        "text-generation",
        "preference-tuning",
    )  # their answers are samples beside a score that is a sum of losses
    assert proof["published_rows"] == is_compared * sum(map(len, published))
    assert all((run / name).is_file() for name in ("README.md", "report.html", "all_results.json"))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_scored_by_two_ranks_as_by_one(kind: str, folder: Path) -> None:
    one, other = (found_by(folder, rank)["scores"][kind] for rank in range(2))
    assert one == other
    alone = dict(_flat(json.loads(json.dumps(scored(folder / f"{kind}.yaml")))))
    found = dict(_flat(one))
    assert found["samples"] > 0
    assert found.keys() == alone.keys()
    for key, value in alone.items():
        assert found[key] == (pytest.approx(value, rel=1e-4, abs=1e-6) if isinstance(value, float) else value), key


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yields what scores hold, at any depth: `per_label.sport.f1`."""
    if not isinstance(value, dict):
        yield name, value
        return
    for key, inner in value.items():
        yield from _flat(inner, f"{name}.{key}" if name else key)


@pytest.mark.parametrize(
    ("case", "says"),
    [
        ("folders", "output_dir: run is not the same folder on all ranks: rank 1 (process"),
        ("seeds", "the config's train.seed is 0 on rank 0 and 1 on rank 1"),
        ("rows", "the data of train is '24 rows of"),
    ],
)
def test_ranks_that_differ_are_told_before_anything_is_written(case: str, says: str, folder: Path) -> None:
    one, other = (found_by(folder, rank)[case] for rank in range(2))
    assert one[:2] == [2, other[1]]
    assert says in one[1]
    assert (one[2], other[2]) == (False, True), "one tells"
    assert one[3] < 60
    assert not [*(folder / "host0").iterdir(), *(folder / "host1").iterdir(), *folder.glob("new")]


def test_a_mistake_of_one_rank_is_told_by_it(folder: Path) -> None:
    one, other = (found_by(folder, rank)["missing"] for rank in range(2))
    assert other[1].startswith("rank 1 (process ")
    assert "missing.csv: no such file" in other[1]
    assert (one[0], other[0]) == (2, 2)
    assert (one[2], other[2]) == (True, False)


def test_a_mistake_of_all_ranks_is_told_once(folder: Path) -> None:
    one, other = (found_by(folder, rank)["mistake"] for rank in range(2))
    assert one[1].startswith(str(folder / "missing.csv")) or one[1].startswith("missing.csv")
    assert (one[0], other[0]) == (2, 2)
    assert (one[2], other[2]) == (False, True)


def test_a_finished_run_is_left_alone(folder: Path) -> None:
    assert found_by(folder, 1)["again"][0] == 0


def test_a_rank_that_hangs_is_named_and_a_restart_goes_on(checkpoint, tmp_path) -> None:
    config = EVERY_KIND["text-classification"](tmp_path / "data")
    config["train"] |= {"ddp_timeout": 12, "num_train_epochs": 8}
    (tmp_path / "run.yaml").write_text(yaml.dump(config))
    done = launch("hang", tmp_path, tmp_path / "run.yaml", restarts=1)
    assert done.returncode == 0, done.stderr[-5000:]
    code, message, is_told_elsewhere, _, at = json.loads((tmp_path / "failed-0.json").read_text())
    assert (code, is_told_elsewhere) == (1, False)
    assert message.startswith("Rank 1 (process ")
    assert "checkpoint-4 is whole: the same command goes on from there" in message
    assert at - float((tmp_path / "stopped").read_text()) < 12 + 10
    assert found_by(tmp_path, 1)["run"][0] == 0, "the second attempt went on"
    assert "going on from" in done.stderr
