"""What a machine refuses in the middle of a run: one message, and the same command goes on to the exact result."""

from __future__ import annotations

import errno
import json
import os
import re
import resource
import shutil
import subprocess
import sys
from collections import namedtuple
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

import ftkit
import tiny_audio
import tiny_images
from ftkit.config.run_config import load_config
from ftkit.data.files import atomic_folder
from ftkit.engine import checkpoints
from ftkit.errors import CheckpointError, ConfigError, MachineError, RunError
from ftkit.machine_faults import told
from ftkit.runs import proof
from ftkit.runs.directory import RunDirectory
from runs import SETTINGS, run_config

STEPS = {
    "train.max_steps": 2,
    "train.save_strategy": "steps",
    "train.save_steps": 1,
    "train.eval_strategy": "steps",
    "train.eval_steps": 1,
}
_RANDOM = re.compile(r"(?<=[.-])[0-9a-f]{8}(?=\.tmp$|/|$)")  # a part of names
_LIKE_OTHERS = re.compile(  # written by the same function as its neighbours
    r"owner|base\.json|config\.yaml|tokenizer_config|test\.jsonl|report\.html|README|predictions$|\.begun|rename"
)


class FullDisk:
    """Refuses the first write of each file inside a folder, while there is one."""

    def __init__(self) -> None:
        self.folder: Path | None = None
        self.leaves_out: re.Pattern[str] = _LIKE_OTHERS
        self.refused: list[str] = []
        self.number = errno.ENOSPC

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.folder is None or event not in ("open", "os.rename", "os.mkdir"):
            return
        path = arguments[0]
        if not isinstance(path, (str, Path)) or not Path(path).is_relative_to(self.folder):
            return
        reads = event == "open" and not arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if reads or (event == "os.mkdir" and Path(path).is_dir()):
            return
        name = f"{event} {_RANDOM.sub('x', str(Path(path).relative_to(self.folder)))}"
        name = re.sub(r"checkpoint-\d+", "checkpoint-N", name)
        if name not in self.refused and not self.leaves_out.search(name):
            self.refused.append(name)
            raise OSError(self.number, os.strerror(self.number), path)

    @contextmanager
    def of(
        self, folder: Path, leaves_out: re.Pattern[str] = _LIKE_OTHERS, number: int = errno.ENOSPC
    ) -> Iterator[FullDisk]:
        self.folder, self.leaves_out, self.refused, self.number = folder, leaves_out, [], number
        try:
            yield self
        finally:
            self.folder = None


@pytest.fixture(scope="module")
def disk() -> FullDisk:
    found = FullDisk()
    sys.addaudithook(found)  # cannot be taken back; it does nothing without a folder
    return found


@pytest.fixture(scope="module")
def trained(checkpoint, tmp_path_factory):
    config = run_config(tmp_path_factory.mktemp("whole"), checkpoint("bert"), **STEPS)
    return config, ftkit.train(config)


@contextmanager
def file_sizes_limited(num_bytes: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def assert_same_weights(one: Path, other: Path) -> None:
    weights = [load_file(folder / "model.safetensors") for folder in (one, other)]
    assert weights[0].keys() == weights[1].keys()
    assert all(tensor.equal(weights[1][name]) for name, tensor in weights[0].items())


def temporary_files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.name.endswith(".tmp")]


# --- writes that fail -----------------------------------------------------------------------------------------


def test_every_write_of_a_run_fails_once(trained, disk, tmp_path):
    config, whole = trained
    folder, messages, result = tmp_path / "run", [], None
    with disk.of(folder):
        while result is None:
            number = len(disk.refused)
            try:
                result = ftkit.train(config, {"output_dir": str(folder)})
            except MachineError as error:
                messages.append(str(error))
                assert len(disk.refused) == number + 1
                assert not temporary_files(folder)
    assert len(messages) == len(disk.refused) > 15
    assert all(re.match(r"The disk of .* is full \(.* MB free\)\. Free some space\. ", text) for text in messages)
    assert "No checkpoint had been saved: the same command starts the run again." in messages[0]
    assert messages[-1].endswith("checkpoints/checkpoint-2 is whole: the same command goes on from there.")
    assert_same_weights(result.output_dir, whole.output_dir)
    assert {path.name for path in folder.iterdir()} == {path.name for path in whole.output_dir.iterdir()}


def test_every_write_that_publishes_a_run_fails_once(disk, tmp_path):
    folder, staged = tmp_path / "run", ("config.json", "model.safetensors", "predictions/a.jsonl")
    model, data = {"checkpoint": "x"}, {"train": "x"}
    directory = RunDirectory(load_config({**SETTINGS, "model": model, "data": data, "output_dir": str(folder)}))
    directory.checkpoints.mkdir(parents=True)
    refused: list[str] = []
    while not (folder / "all_results.json").exists():
        directory.new_staging()
        for name in staged:
            (directory.staging / name).parent.mkdir(exist_ok=True)
            (directory.staging / name).write_text("new")
        with disk.of(folder, leaves_out=re.compile("|".join(map(re.escape, refused)) or "$^")):
            try:
                directory.publish({"run": "new"})
            except (OSError, MachineError):
                assert disk.refused
            refused += disk.refused
    assert len(refused) >= 8
    assert all((folder / name).read_text() == "new" for name in staged)
    assert not directory.staging.exists()


@pytest.mark.parametrize(
    ("number", "words"), [(errno.EROFS, "that is read-only by now"), (errno.EACCES, "permission")]
)
def test_a_folder_that_cannot_be_written_any_more(trained, disk, tmp_path, number, words):
    config, _ = trained
    only_manifests = re.compile(r"^(?!.*/manifest|.*\.manifest)")
    with disk.of(tmp_path / "run", only_manifests, number), pytest.raises(MachineError) as raised:
        ftkit.train(config, {"output_dir": str(tmp_path / "run")})
    assert re.match(rf".*checkpoint-1/\S*manifest.*{words}|.*{words}.*manifest", str(raised.value))
    assert "the same command starts the run again" in str(raised.value)
    assert raised.value.exit_code == 1


def test_files_that_grow_too_large_for_the_process(trained, tmp_path):
    """Weights and optimizer are written by other languages, whose errors are their own."""
    config, whole = trained
    newest = whole.output_dir / "checkpoints" / "checkpoint-2"
    weights, optimizer = ((newest / name).stat().st_size for name in ("model.safetensors", "optimizer.pt"))
    for limit, words in ((weights - 1, "grew larger than.*ulimit"), ((weights + optimizer) // 2, "written whole")):
        with file_sizes_limited(limit), pytest.raises(MachineError, match=f"{words}.*No checkpoint had been saved"):
            ftkit.train(config, {"output_dir": str(tmp_path / "run")})
        assert not (tmp_path / "run" / "ftkit.yaml").exists()
    assert_same_weights(ftkit.train(config, {"output_dir": str(tmp_path / "run")}).output_dir, whole.output_dir)


@pytest.mark.parametrize("content", ["", "old"])
def test_predictions_on_a_full_disk_leave_the_old_file(trained, command, tmp_path, content):
    _, whole = trained
    output, texts = tmp_path / "out.jsonl", tmp_path / "in.csv"
    texts.write_text("text\n" + "our team won\n" * 200)
    if content:
        output.write_text(content)
    with file_sizes_limited(4096):
        code, out, err = command("predict", whole.output_dir, "--input", texts, "--output", output)
    assert (code, out) == (1, "")
    assert f"error: {output}: a file grew larger than this process may write. Raise the limit (ulimit -f)." in err
    assert ("The old file is as it was." if content else "Nothing was written.") in err
    assert (output.read_text() if output.exists() else "") == content
    assert not temporary_files(tmp_path)


def test_a_folder_on_a_full_disk_is_not_begun(trained, tmp_path):
    """`merge`, `export` and `new` write such folders; what a library raises in the middle is one message."""
    weights = load_file(trained[1].output_dir / "model.safetensors")
    with file_sizes_limited(4096), pytest.raises(MachineError, match=r"grew larger.*Nothing was written\."):  # noqa: SIM117
        with atomic_folder(tmp_path / "merged") as staging:
            save_file(weights, staging / "model.safetensors")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_standard_output_on_a_full_disk(tmp_path):
    with open("/dev/full", "w") as full:
        found = subprocess.run(
            [sys.executable, "-m", "ftkit", "schema"], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert found.returncode == 1
    assert re.fullmatch(
        r"error: The disk of the output is full\. Free some space\. What was to be written is not whole\.\n",
        found.stderr,
    )


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "the disk of x is full"),
        (errno.EDQUOT, "your quota of disk space"),
        (errno.EROFS, "x lies on a file system that is read-only by now"),
        (errno.EACCES, "there is no permission for x"),
        (errno.EIO, "the disk of x failed"),
        (errno.ENOENT, "x is gone"),
    ],
)
def test_what_the_system_says_is_told_whoever_passes_it_on(number, words):
    text = os.strerror(number)
    for error in (
        OSError(number, text, "x"),
        RuntimeError(f"[enforce fail at inline_container.cc:747] . open file failed with strerror: {text}"),
        SafetensorError(f"Error while serializing: I/O error: {text} (os error {number})"),
        RuntimeError(f"Caught OSError in DataLoader worker process 0.\nOSError: [Errno {number}] {text}: 'x'"),
    ):
        assert told(error, Path("x")).startswith(words)
    assert told(ValueError("x"), Path("x")) is None
    assert told(BrokenPipeError(errno.EPIPE, "x"), Path("x")) is None
    assert told(RuntimeError("PytorchStreamReader failed reading zip archive (inline_container.cc)"), None) is None


# --- room for checkpoints ---------------------------------------------------------------------------------------


@pytest.fixture
def free_space(monkeypatch):
    """`free_space(10)` leaves so many bytes on the disk."""
    usage = namedtuple("usage", "total used free")

    def set_free(num_bytes: int) -> None:
        monkeypatch.setattr("ftkit.machine_faults.shutil.disk_usage", lambda path: usage(0, 0, num_bytes))

    return set_free


def write_checkpoints(folder: Path, *steps: int) -> None:
    for step in steps:
        checkpoint = folder / f"checkpoint-{step}"
        checkpoint.mkdir(parents=True)
        for name in ("trainer_state.json", "model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth"):
            (checkpoint / name).write_text("0" * 100)
        checkpoints.write_manifest(checkpoint)


@pytest.mark.parametrize(
    ("keep", "best", "stay"),
    [
        (1, None, [3]),
        (2, None, [3]),
        (3, None, [3, 2]),
        (2, 1, [3, 1]),
        (2, 3, [3]),
        (3, 1, [3, 1]),
        (9, 1, [3, 2, 1]),
    ],
)
def test_old_checkpoints_go_first_where_the_disk_is_full(tmp_path, free_space, keep, best, stay):
    write_checkpoints(tmp_path, 1, 2, 3)
    (tmp_path / "checkpoint-4").mkdir()  # never finished
    best = None if best is None else str(tmp_path / f"checkpoint-{best}")
    checkpoints.make_room(tmp_path, 0, keep=keep, best=best)
    assert len(checkpoints.steps_of(tmp_path)) == 4
    free_space(400)
    with pytest.raises(MachineError, match="too full for a checkpoint, which takes about 0.0 MB"):
        checkpoints.make_room(tmp_path, 0, keep=keep, best=best)
    assert [path.name for path in checkpoints.steps_of(tmp_path)] == [f"checkpoint-{step}" for step in stay]


def test_the_room_of_a_first_checkpoint_is_known(trained, free_space, tmp_path):
    config, whole = trained
    newest = whole.output_dir / "checkpoints" / "checkpoint-2"
    free_space((newest / "model.safetensors").stat().st_size * 2)
    with pytest.raises(MachineError, match="too full for a checkpoint.*the same command starts the run again"):
        ftkit.train(config, {"output_dir": str(tmp_path / "run")})
    assert not (tmp_path / "run").exists()


# --- files that go ----------------------------------------------------------------------------------------------


def test_a_run_whose_folder_is_removed_ends_and_leaves_none(trained, tmp_path, monkeypatch):
    config, _ = trained
    monkeypatch.setattr(checkpoints, "rotate", lambda folder, **_: shutil.rmtree(folder.parent))
    with pytest.raises(MachineError, match=r"run.* is gone: something removed it.*starts the run again"):
        ftkit.train(config, {"output_dir": str(tmp_path / "run")})
    assert not (tmp_path / "run").exists()


def test_a_run_whose_folder_another_process_has_taken_ends(trained, tmp_path, monkeypatch):
    config, _ = trained

    def replace(folder: Path, **_: Any) -> None:
        (folder / ".lock").unlink()
        (folder / ".lock").touch()

    monkeypatch.setattr(checkpoints, "rotate", replace)
    with pytest.raises(MachineError, match=r"\.lock is gone.*checkpoint-1 is whole"):
        ftkit.train(config, {"output_dir": str(tmp_path / "run")})


def test_results_that_are_removed_before_they_are_published(trained, tmp_path, monkeypatch):
    config, whole = trained
    own = proof.prove

    def prove(folder: Path, *arguments: Any, **options: Any) -> Any:
        found = own(folder, *arguments, **options)
        shutil.rmtree(folder)
        return found

    with monkeypatch.context() as patch, pytest.raises(MachineError, match="is gone.*checkpoint-2 is whole"):
        patch.setattr(proof, "prove", prove)
        ftkit.train(config, {"output_dir": str(tmp_path / "run")})
    assert not (tmp_path / "run" / "all_results.json").exists()
    assert_same_weights(ftkit.train(config, {"output_dir": str(tmp_path / "run")}).output_dir, whole.output_dir)


@pytest.mark.parametrize(("task", "workers"), [("image", 0), ("image", 1), ("audio", 0)])
def test_an_image_or_a_recording_that_is_removed(tmp_path, monkeypatch, task, workers):
    if task == "audio":
        pytest.importorskip("soundfile", reason="the extra audio is not installed")
    files, lost = tmp_path / "files", []
    if task == "image":
        tiny_images.make_photos(files, per_class=4)
        base = tiny_images.make_checkpoint("vit", tmp_path / "base")
    else:
        tiny_audio.write_tones(files, 4)
        base = tiny_audio.make_checkpoint("wav2vec2", tmp_path / "base")
    config = {
        "task": f"{task}-classification",
        "model": {"checkpoint": str(base)},
        "data": {"train": str(files)},
        "train": {"max_steps": 3, "save_steps": 1, "save_strategy": "steps", "per_device_train_batch_size": 4},
        "output_dir": str(tmp_path / "run"),
    }
    config["train"] |= {"use_cpu": True, "dataloader_num_workers": workers}

    def remove(folder: Path, **_: Any) -> None:
        for path in sorted([*files.rglob("*.png"), *files.rglob("*.wav")]):
            lost.append((path, path.rename(path.with_suffix(".moved"))))

    with monkeypatch.context() as patch, pytest.raises(RunError) as raised:
        patch.setattr(checkpoints, "rotate", remove)
        ftkit.train(config)
    assert raised.value.exit_code == 1
    words = r".*(no such|is missing).*looked at.*bring it back as it was\. \S+checkpoint-\d is whole: the"
    assert re.match(words, str(raised.value))
    assert str(lost[0][0].parent.parent) in str(raised.value)
    for path, moved in lost:
        moved.rename(path)
    assert ftkit.train(config).metrics["num_steps"] == 3


# --- files that change ------------------------------------------------------------------------------------------


def test_a_base_that_changes_while_a_run_is_interrupted(trained, checkpoint, tmp_path, monkeypatch, capsys):
    config, whole = trained
    base, run = shutil.copytree(checkpoint("bert"), tmp_path / "base"), tmp_path / "run"
    changes = {"model.checkpoint": str(base), "output_dir": str(run)}

    def interrupt(folder: Path, **_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(checkpoints, "rotate", interrupt)
        ftkit.train(config, changes)
    kept = (base / "model.safetensors").read_bytes()
    flip(base / "model.safetensors")
    with pytest.raises(ConfigError, match=r"started from other weights: model\.checkpoint has changed"):
        ftkit.train(config, changes)
    (base / "model.safetensors").write_bytes(kept)
    (run / "checkpoints" / "precision.json").write_text('{"precision": "int3", "reason": 5}')
    result = ftkit.train(config, changes)
    assert "precision.json is missing or damaged" in " ".join(capsys.readouterr().err.split())
    assert_same_weights(result.output_dir, whole.output_dir)


def flip(path: Path) -> None:
    """Changes one number in a file of weights."""
    weights = load_file(path)
    name = max(weights, key=lambda name: weights[name].numel())
    weights[name].view(-1)[0] += 1
    save_file(weights, path, metadata={"format": "pt"})


def test_weights_of_a_finished_run_that_change(trained, tmp_path, command):
    run = shutil.copytree(trained[1].output_dir, tmp_path / "run")
    assert ftkit.load(run).predict(["our team won"])
    flip(run / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"not those that the run saved.*run\.weights in ftkit\.yaml.*Copy"):
        ftkit.load(run)
    data = trained[0]["data"]["test"]
    for words in (
        ["predict", run, "--text", "cold"],
        ["evaluate", run, "--data", data],
        ["export", run, tmp_path / "o"],
    ):
        code, output, errors = command(*words)
        assert (code, output) == (2, ""), words
        assert "are not those that the run saved and proved" in " ".join(errors.split())
    assert not (tmp_path / "o").exists()
    lines = (run / "ftkit.yaml").read_text().splitlines()
    (run / "ftkit.yaml").write_text("\n".join(line for line in lines if not line.startswith("  weights:")))
    assert ftkit.load(run).predict(["our team won"])


class Evil:
    def __init__(self, canary: Path) -> None:
        self.canary = str(canary)

    def __reduce__(self) -> Any:
        return os.mkdir, (self.canary,)


@pytest.mark.parametrize(
    "name", ["optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json", "totals.json"]
)
def test_a_sealed_checkpoint_that_holds_something_else_is_passed_over(trained, tmp_path, name):
    folder = shutil.copytree(trained[1].output_dir / "checkpoints", tmp_path / "checkpoints")
    newest = folder / "checkpoint-2"
    if name.endswith(".json"):
        (newest / name).write_text(json.dumps({"x": 1}))
    else:
        torch.save({"state": Evil(tmp_path / "canary")}, newest / name)
    (newest / "manifest.json").unlink()
    checkpoints.write_manifest(newest)
    found, warnings = checkpoints.newest_sound(folder)
    assert found == folder / "checkpoint-1"
    assert f"Passed over {newest}: {name} does not hold what training goes on from" in warnings[0]
    assert not (tmp_path / "canary").exists()
