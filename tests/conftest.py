"""Settings and fixtures for all tests. torch is not imported before a test asks for it."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import sketches

# Libraries read these when they are imported, so they are set before any test module is.
os.environ.update(
    HF_HUB_OFFLINE="1",
    HF_DATASETS_OFFLINE="1",
    TRANSFORMERS_VERBOSITY="error",
    TOKENIZERS_PARALLELISM="false",
    MPLBACKEND="Agg",
    # Tiny tensors gain nothing from threads: on a busy machine, waiting for one another made tests 7x slower.
    OMP_NUM_THREADS="1",
)

ROOT = Path(__file__).resolve().parent.parent

# Files that take longest: begun first, no process works on one while the others have ended.
LONGEST = (
    "test_static_types.py",
    "test_export.py",
    "test_ranks.py",
    "test_docs.py",
    "test_tuner_contract.py",
    "test_audio_classification.py",
    "test_tuned_runs.py",
    "test_kills.py",
    "test_contrast_runs.py",
    "test_docs_of_kinds.py",
    "test_card_code.py",
    "test_look_contract.py",
    "test_sharded_runs.py",
    "test_world_size.py",
    "test_image_runs.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the longest files first; the order within a file stays."""
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


_frozen_modules = 0


@pytest.fixture(autouse=True)
def libraries_are_no_garbage() -> None:
    """Spares Python's collector, which Accelerate calls twice a run, the 760,000 objects of imported libraries."""
    global _frozen_modules
    if len(sys.modules) > _frozen_modules:
        gc.freeze()
        _frozen_modules = len(sys.modules)


def pytest_unconfigure() -> None:
    """Ends the process that new ones are forked from, if a test has started it."""
    if "fresh" in sys.modules:
        sys.modules["fresh"].stop()


@pytest.fixture(autouse=True, scope="module")
def plots_are_sketches(request: pytest.FixtureRequest) -> Iterator[None]:
    """Spares runs what takes half of a tiny one: the drawing of their plots.

    The report's own tests draw, and so do the runs of every kind that ranks carry out in processes of their own. Other
    processes that tests start call `sketches.draw_sketches`.
    """
    if "report" in request.path.parts and request.path.name != "test_card_code.py":
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("matplotlib.figure.Figure", sketches.Sketch)
        yield


@pytest.fixture(autouse=True, scope="module")
def network_stays_forbidden() -> Iterator[None]:
    """Finds the tests that leave the network allowed: others would wait a minute for it."""
    yield
    constants = sys.modules.get("huggingface_hub.constants")
    assert constants is None or constants.is_offline_mode()


@pytest.fixture(autouse=True, scope="module")
def disks_are_not_waited_for() -> Iterator[None]:
    """Spares runs some thirty waits of 10 ms until a disk has what was written: no test cuts its power."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda descriptor: None)
        yield


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """`checkpoint("bert")` is the folder of a tiny checkpoint, made once a session: never write to it."""
    import tiny

    made: dict[str, Path] = {}

    def make(model_type: str) -> Path:
        if model_type not in made:
            made[model_type] = tiny.make_checkpoint(model_type, tmp_path_factory.mktemp(f"tiny-{model_type}"))
        return made[model_type]

    return make


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """`command("train", path)` is the exit code of a command, and what it wrote to standard output and error."""
    from ftkit.cli import main

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["ftkit", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            main()
        captured = capsys.readouterr()
        return int(stopped.value.code or 0), captured.out, captured.err

    return call


@pytest.fixture
def code_is_copied_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keeps the copies that transformers and evaluate make of code, and imported modules, out of other tests."""
    import evaluate
    from transformers import dynamic_module_utils
    from transformers.utils import hub

    modules = tmp_path / "modules"
    monkeypatch.setattr(dynamic_module_utils, "HF_MODULES_CACHE", str(modules))
    monkeypatch.setattr(hub, "HF_MODULES_CACHE", str(modules))
    monkeypatch.setattr(evaluate.config, "HF_MODULES_CACHE", modules)
    monkeypatch.setattr(evaluate.config, "HF_METRICS_CACHE", tmp_path / "metrics")
    monkeypatch.setattr(evaluate.config, "HF_EVALUATE_OFFLINE", True)
    monkeypatch.setattr(sys, "path", list(sys.path))
    copied = ("transformers_modules", "evaluate_modules", "evil", "ftkit_task_evil", "ftkit_metrics_own")
    for name in [name for name in sys.modules if name.split(".")[0] in copied]:
        monkeypatch.delitem(sys.modules, name)
    before = set(sys.modules)
    yield
    for name in [name for name in set(sys.modules) - before if name.split(".")[0] in copied]:
        del sys.modules[name]


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real datasets: FTKIT_TEST_DATA, or shared/data beside the repository."""
    folder = Path(os.environ.get("FTKIT_TEST_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set FTKIT_TEST_DATA to the folder that holds it")
    return folder


@pytest.fixture
def signals_are_not_ignored() -> Iterator[None]:
    """A shell lets what runs in its background ignore SIGINT, and nohup SIGHUP: not the tests that send them."""
    from ftkit.engine.interruption import SIGNALS

    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number in SIGNALS:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
