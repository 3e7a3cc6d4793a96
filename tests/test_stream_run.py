"""Runs on streams: the steps of a run on the same rows in memory, gone on with bit for bit, on any number of ranks."""

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import ftkit
import tiny_boxes
import tiny_masks
from every_kind import EVERY_KIND
from ftkit.config.run_config import load_config
from ftkit.errors import ConfigError, DataError, RunError
from ftkit.runs.files import GIVEN_FILE
from ranks import run_on_ranks
from runs import TEXTS
from test_world_size import history, interrupted_copy

Config = dict[str, Any]
NUM_SHARDS, NUM_ROWS = 3, 96
NUM_STEPS = 18  # of 8 rows: an epoch is 12 or 13 of them
INTERRUPTED = (4, 8, 14)  # within a block, at the end of one, in the second epoch


def rows() -> list[dict[str, str]]:
    return [{"text": f"{text}, {number}", "label": label} for number in range(3) for text, label in TEXTS]


def write(path: Path, rows: list[dict[str, str]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def config_of(folder: Path, checkpoint: Path, train: Any, name: str = "run", **data: Any) -> Config:
    folder.mkdir(exist_ok=True)
    return {
        "task": "text-classification",
        "model": {"checkpoint": str(checkpoint)},
        "data": {"train": train, **data},
        "train": {"max_steps": NUM_STEPS, "learning_rate": 5e-3, "per_device_train_batch_size": 8, "use_cpu": True},
        "output_dir": str(folder / name),
    }


def streamed(folder: Path, checkpoint: Path, name: str = "run", **data: Any) -> Config:
    """Returns a config for a run on three shards, of which 40 rows are shuffled together."""
    folder.mkdir(exist_ok=True)
    for number in range(NUM_SHARDS):
        write(folder / f"part-{number}.jsonl", rows()[number::NUM_SHARDS])
    data = {"streaming": True, "shuffle_buffer": 40, **data}
    return config_of(folder, checkpoint, data.pop("train", str(folder / "part-*.jsonl")), name, **data)


def with_checkpoints(config: Config) -> Config:
    return {**config, "train": {**config["train"], "save_steps": 2, "save_total_limit": 99, "logging_steps": 1}}


def boxes(folder: Path) -> Config:
    """Returns a config for a run on two shards of images with boxes, of which 5 are shuffled together."""
    for shard, numbers in enumerate((range(7), range(7, 12))):
        tiny_boxes.make_table(folder / f"boxes-{shard}.jsonl", numbers)
    model = tiny_boxes.make_checkpoint("yolos", folder / "yolos")
    return {"task": "object-detection", **pictures_of(folder, model, train=str(folder / "boxes-*.jsonl"))}


def masks(folder: Path) -> Config:
    """Returns a config for a run on two compressed archives of images with masks, of which 5 are shuffled together."""
    for shard in range(2):
        cells = tiny_masks.make_cells(folder / f"cells-{shard}", count=6, seed=shard)
        tiny_masks.make_tar(folder / f"masks-{shard}.tar.gz", cells)
    model = tiny_masks.make_segformer(folder / "segformer")
    return {"task": "image-segmentation", **pictures_of(folder, model, train=str(folder / "masks-*.tar.gz"))}


def pictures_of(folder: Path, model: Path, **data: Any) -> Config:
    """Returns the rest: an image a micro-batch, on any number of ranks, as batch normalization sees all of one."""
    steps = {"max_steps": 7, "per_device_train_batch_size": 1, "gradient_accumulation_steps": 2}
    return {
        "model": {"checkpoint": str(model)},
        "data": {"streaming": True, "shuffle_buffer": 5, **data},
        "train": {**steps, "learning_rate": 1e-3, "use_cpu": True},
        "output_dir": str(folder / "run"),
    }


PICTURES = {"boxes": boxes, "masks": masks}


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / "model.safetensors")


def assert_same_weights(run: Path, other: Path) -> None:
    for name, tensor in weights(run).items():
        torch.testing.assert_close(weights(other)[name], tensor, rtol=0.0, atol=0.0)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, checkpoint: Callable[[str], Path]) -> Path:
    """The folder of an uninterrupted run on a stream, with a checkpoint every other step."""
    folder = tmp_path_factory.mktemp("stream")
    ftkit.train(with_checkpoints(streamed(folder, checkpoint("bert"))))
    return folder


def test_a_stream_that_is_one_block_takes_the_steps_of_the_rows_in_memory(
    tmp_path: Path, checkpoint: Callable[[str], Path]
) -> None:
    train = write(tmp_path / "train.jsonl", rows())
    ftkit.train(config_of(tmp_path, checkpoint("bert"), train, "in-memory"))
    ftkit.train(config_of(tmp_path, checkpoint("bert"), train, "streamed", streaming=True))
    assert_same_weights(tmp_path / "in-memory", tmp_path / "streamed")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Config]:
    """Configs of uninterrupted runs on streams of images, with a checkpoint every other step."""
    configs = {name: with_checkpoints(make(tmp_path_factory.mktemp(name))) for name, make in PICTURES.items()}
    for config in configs.values():
        ftkit.train(config)
    return configs


def test_results_tell_what_was_trained_on(whole: Path) -> None:
    results = json.loads((whole / "run" / "all_results.json").read_text())
    # Blocks of 40, 40 and 16 rows are 5, 5 and 2 steps of 8; another epoch and a half a block follow.
    assert results["train_samples"] == results["num_rows_streamed"] == 18 * 8
    assert results["num_rows_left_out"] == 0
    assert results["data"]["train"]["checked_rows"] == NUM_ROWS
    assert results["proof"]["same_predictions"]


@pytest.mark.parametrize("step", INTERRUPTED)
def test_a_run_that_was_interrupted_ends_with_the_same_weights(
    whole: Path, checkpoint: Callable[[str], Path], step: int
) -> None:
    name = f"resumed-{step}"
    interrupted_copy(whole / "run", whole / name, after_step=step)
    ftkit.train(with_checkpoints(streamed(whole, checkpoint("bert"), name)))
    assert_same_weights(whole / "run", whole / name)


@pytest.mark.parametrize("name", PICTURES)
def test_a_run_on_images_that_was_interrupted_ends_with_the_same_weights(
    pictures: dict[str, Config], name: str
) -> None:
    """Step 4 is in the second block, of the other shard; step 6 in the last one of the epoch."""
    whole = Path(pictures[name]["output_dir"])
    results = json.loads((whole / "all_results.json").read_text())
    # Blocks of 5, 5 and 2 images are 3, 3 and 1 steps of 2.
    assert (results["num_rows_streamed"], results["proof"]["same_predictions"]) == (12, True)
    for step in (4, 6):
        resumed = interrupted_copy(whole, whole.with_name(f"resumed-{step}"), after_step=step)
        ftkit.train({**pictures[name], "output_dir": str(resumed)})
        assert_same_weights(whole, resumed)


def test_ranks_take_the_same_steps_and_go_on_with_those_of_one(
    whole: Path, pictures: dict[str, Config], checkpoint: Callable[[str], Path]
) -> None:
    configs = [with_checkpoints(streamed(whole, checkpoint("bert"), name)) for name in ("two-ranks", "then-two")]
    for config in configs:
        config["train"]["per_device_train_batch_size"] = 4
    assert len(history(whole / "run")) == NUM_STEPS
    interrupted_copy(whole / "run", whole / "then-two", after_step=6)
    runs = {whole / name: whole / "run" for name in ("two-ranks", "then-two")}
    for config in pictures.values():
        one_rank = Path(config["output_dir"])
        runs[one_rank.with_name("two-ranks")] = one_rank
        of_two = {**config["train"], "gradient_accumulation_steps": 1}
        configs.append({**config, "train": of_two, "output_dir": str(one_rank.with_name("two-ranks"))})
    run_on_ranks(whole, [(2, configs)])
    for run, of_one_rank in runs.items():
        for key in ("loss", "grad_norm"):
            found, wanted = ([entry[key] for entry in history(path) if key in entry] for path in (run, of_one_rank))
            assert found == pytest.approx(wanted, rel=1e-4), (run, key)
        results = json.loads((run / "all_results.json").read_text())
        assert results["num_processes"] == 2
    assert json.loads((whole / "two-ranks" / "all_results.json").read_text())["num_rows_streamed"] == 18 * 8


def test_a_bad_row_ends_the_run_with_its_work_saved_and_may_be_left_out(
    tmp_path: Path, checkpoint: Callable[[str], Path]
) -> None:
    config = streamed(tmp_path, checkpoint("bert"), check_rows=20, shuffle_buffer=16)
    for number in range(NUM_SHARDS):
        spoilt = rows()[number::NUM_SHARDS]
        spoilt[25]["label"] = "unheard of"
        write(tmp_path / f"part-{number}.jsonl", spoilt)
    with pytest.raises(RunError, match="after step 1 of 18, which is saved") as raised:
        ftkit.train(config)
    message = str(raised.value)
    assert "the label 'unheard of' is none that the run knows" in message
    assert any(f"part-{number}.jsonl, line 26" in message for number in range(NUM_SHARDS))
    result = ftkit.train(config, {"data.on_bad_row": "skip"})
    assert result.metrics["num_steps"] == NUM_STEPS
    assert result.metrics["num_rows_left_out"] >= NUM_SHARDS


def test_a_bad_row_in_the_first_block_leaves_nothing_behind(tmp_path: Path, checkpoint: Callable[[str], Path]) -> None:
    config = streamed(tmp_path, checkpoint("bert"), check_rows=10, labels=["sport", "card", "food", "weather", "none"])
    for number in range(NUM_SHARDS):
        write(tmp_path / f"part-{number}.jsonl", [*rows()[:12], {"text": " ", "label": "sport"}])
    with pytest.raises(DataError, match="the text is empty") as raised:
        ftkit.train(config)
    assert "line 13" in str(raised.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", PICTURES)
def test_images_that_are_one_block_are_learnt_as_in_memory(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "cache"))
    config = PICTURES[name](tmp_path)
    config["data"]["train"] = config["data"]["train"].replace("*", "0")
    del config["data"]["shuffle_buffer"]
    ftkit.train(config)
    in_memory = {**config, "output_dir": str(tmp_path / "in-memory")}
    in_memory["data"] = {**config["data"], "streaming": False}
    ftkit.train(in_memory)
    assert_same_weights(tmp_path / "in-memory", Path(config["output_dir"]))


@pytest.mark.parametrize("kind", ["token-classification", "question-answering", "text-generation"])
def test_other_kinds_learn_the_same_from_streams(tmp_path: Path, kind: str) -> None:
    """Tags that are converted, texts in windows, and rows that are packed."""
    config = EVERY_KIND[kind](tmp_path)
    config["train"] = {"max_steps": 4, "per_device_train_batch_size": 2, "use_cpu": True}
    del config["data"]["validation"], config["data"]["test"]
    ftkit.train({**config, "output_dir": str(tmp_path / "in-memory")})
    config["data"]["streaming"] = True
    assert ftkit.train(config).metrics["num_steps"] == 4
    assert_same_weights(tmp_path / "in-memory", tmp_path / "run")


@pytest.mark.parametrize("kind", ["preference-tuning", "sentence-similarity"])
def test_kinds_that_need_all_rows_or_none_of_them_refuse_streams(tmp_path: Path, kind: str) -> None:
    from ftkit.run import check

    config = EVERY_KIND[kind](tmp_path)
    config["train"] = {"max_steps": 4, "use_cpu": True}
    config["data"]["streaming"] = True
    with pytest.raises(ConfigError, match=r"data\.streaming: "):
        check(load_config(config))


REFUSED: dict[str, tuple[Config, str]] = {
    "no end": ({"train.max_steps": None}, "train.max_steps: a stream ends nobody knows when"),
    "held out": ({"data.validation": 0.1}, "data.validation: nothing can be held out of a stream"),
    "epochs": ({"train.num_train_epochs": 3}, "train.num_train_epochs: a run on a stream"),
    "each epoch": ({"train.save_strategy": "epoch"}, "train.save_strategy: epoch: an epoch of a stream"),
    "workers": ({"train.dataloader_num_workers": 2}, "train.dataloader_num_workers: a stream is read ahead"),
    "scored and trained on": (
        {"data.validation": "{folder}/part-1.jsonl"},
        "part-1.jsonl is also one of the files of data.train",
    ),
    "no stream": ({"data.streaming": False}, "data.shuffle_buffer: it is for streams"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_means_nothing_on_a_stream_is_refused(
    tmp_path: Path, checkpoint: Callable[[str], Path], name: str
) -> None:
    from ftkit.runs.checked_run import check_run

    changed, message = REFUSED[name]
    changed = {
        key: value.replace("{folder}", str(tmp_path)) if isinstance(value, str) else value
        for key, value in changed.items()
    }
    with pytest.raises(ConfigError) as raised:
        check_run(load_config(streamed(tmp_path, checkpoint("bert")), changed))
    assert message in str(raised.value)
    assert not (tmp_path / "run").exists()


def test_a_stream_that_changed_is_not_gone_on_with(whole: Path, checkpoint: Callable[[str], Path]) -> None:
    shutil.copytree(whole, moved := whole.with_name("changed"))
    config = with_checkpoints(streamed(moved, checkpoint("bert"), "again"))
    interrupted_copy(moved / "run", moved / "again", after_step=4)
    config["data"]["train"] = str(moved / "part-*.jsonl")
    random.Random(0).shuffle(shuffled := rows()[0::NUM_SHARDS])
    write(moved / "part-0.jsonl", shuffled)
    given = moved / "again" / "checkpoints" / GIVEN_FILE
    for path in (given, moved / "again" / "ftkit.yaml"):
        path.write_text(path.read_text().replace(str(whole), str(moved)))
    with pytest.raises(ConfigError, match="has changed since"):
        ftkit.train(config)
