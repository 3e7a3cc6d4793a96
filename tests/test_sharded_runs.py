"""A model that FSDP2 shares out among CPU ranks: trained, scored, saved whole, proven, and gone on with."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import ftkit
from every_kind import EVERY_KIND
from ftkit.config import yaml
from rank_jobs import found_by, interrupt, launch

SHARDED: dict[str, Any] = {"fsdp_config": {"state_dict_type": "SHARDED_STATE_DICT"}}
ALONE = {"train.fsdp": False, "train.gradient_accumulation_steps": 2}
"""What makes of two ranks' steps those of one process."""
RUNS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "full": ("text-classification", {}, {}),
    "full-sharded": ("text-classification", SHARDED, {}),
    "lora": ("text-classification", {}, {"method": "lora", "rank": 4}),
    "shared-table": ("translation", SHARDED, {}),  # of encoder, decoder and output: T5
    "lora-sharded": ("text-classification", SHARDED, {"method": "lora", "rank": 4}),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where two ranks have carried out `rank_jobs.sharded`."""
    folder = tmp_path_factory.mktemp("sharded")
    for name, (kind, train, tuner) in RUNS.items():
        config = EVERY_KIND[kind](folder / name)
        config["train"] |= {"fsdp": True, **train}
        config["tuner"] = tuner or {"method": "full"}
        (folder / f"{name}.yaml").write_text(yaml.dump(config))
    for name in ("shared-table", "lora"):  # which one process began
        began = folder / f"began-alone-{name}"
        overrides = ALONE | {"output_dir": str(began / "run")}
        ftkit.train(folder / f"{name}.yaml", overrides)
        interrupt(began / "run")
        config = yaml.load((folder / f"{name}.yaml").read_text(), name)[0] | {"output_dir": str(began / "run")}
        (folder / f"{began.name}.yaml").write_text(yaml.dump(config))
    done = launch("sharded", folder, timeout=500)
    assert done.returncode == 0, done.stderr[-6000:]
    return folder


@pytest.mark.parametrize("name", RUNS)
def test_a_sharded_run_is_saved_whole_and_proven(name: str, folder: Path) -> None:
    for rank in range(2):
        code, proof, _ = found_by(folder, rank)[name]
        assert (code, proof["num_processes"], proof["same_predictions"]) == (0, 2, True)
    assert proof["published_rows"] == 16


@pytest.mark.parametrize("name", ["full", "full-sharded", "shared-table"])
def test_a_rank_holds_its_share(name: str, folder: Path) -> None:
    """One process holds 16 bytes a weight: weights, gradients and the two moments of AdamW."""
    for rank in range(2):
        *_, bytes_a_weight = found_by(folder, rank)[name]
        assert 16 / 2 * 0.9 < bytes_a_weight < 16 * 0.65


@pytest.mark.parametrize("name", RUNS)
def test_it_goes_on_exactly(name: str, folder: Path) -> None:
    assert found_by(folder, 0)[f"{name}-again"][0] == 0
    whole, again = (
        {key: tensor for path in sorted((folder / name / run).glob("*.safetensors"))
         for key, tensor in load_file(path).items()}
        for run in ("whole", "run")
    )  # fmt: skip
    assert whole.keys() == again.keys()
    assert all(torch.equal(whole[key], again[key]) for key in whole)


@pytest.mark.parametrize("name", ["full", "shared-table"])
def test_it_learns_what_one_process_learns(name: str, folder: Path, tmp_path: Path) -> None:
    expected = ftkit.train(folder / f"{name}.yaml", ALONE | {"output_dir": str(tmp_path / "run")}).metrics
    assert_learnt_alike(results(folder / name), expected)


@pytest.mark.parametrize("name", ["full", "lora-sharded", "shared-table"])
def test_one_process_goes_on_with_it(name: str, folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / name / "whole", tmp_path / "run")
    interrupt(tmp_path / "run")
    expected = ftkit.train(folder / f"{name}.yaml", ALONE | {"output_dir": str(tmp_path / "run")}).metrics
    assert_learnt_alike(results(folder / name), expected)


@pytest.mark.parametrize("name", ["shared-table", "lora"])
def test_it_goes_on_with_what_one_process_began(name: str, folder: Path) -> None:
    assert found_by(folder, 0)[f"began-alone-{name}"][0] == 0
    assert_learnt_alike(results(folder / f"began-alone-{name}"), results(folder / name))


def results(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "run" / "all_results.json").read_text())


def assert_learnt_alike(found: dict[str, Any], expected: Mapping[str, Any]) -> None:
    assert found["num_steps"] == expected["num_steps"]
    for key in ("train_loss", "test_loss"):
        assert found[key] == pytest.approx(expected[key], rel=1e-5)
