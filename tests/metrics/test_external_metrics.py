"""Metrics from elsewhere: local evaluate modules, and what is said when a Hub metric cannot be loaded."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import evaluate
import numpy as np
import pytest

from ftkit.errors import ConfigError
from ftkit.metrics import Scorer
from ftkit.metrics.external import plain
from ftkit.types import LabelSpace

LABELS = LabelSpace(("a", "b", "c"))
MULTI = LabelSpace(("a", "b", "c"), "multi_label_classification")
REGRESSION = LabelSpace(("score",), "regression")

MODULE = """
import datasets
import evaluate
import numpy as np


class Custom(evaluate.Metric):
    def _info(self):
        return evaluate.MetricInfo(
            description="", citation="", features=datasets.Features({features})
        )

    def _compute(self, {arguments}):
        {body}
"""
INDICES = "{'predictions': datasets.Value('int64'), 'references': datasets.Value('int64')}"
NUMBERS = INDICES.replace("int64", "float32")
INDICATORS = INDICES.replace("datasets.Value('int64')", "datasets.List(datasets.Value('int64'))")
SCORES = "{'references': datasets.Value('int64'), 'prediction_scores': datasets.List(datasets.Value('float32'))}"

WriteModule = Callable[..., str]


@pytest.fixture(scope="module", autouse=True)
def evaluate_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keeps evaluate's copies of modules out of the home folder."""
    folder = tmp_path_factory.mktemp("evaluate")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluate.config, "HF_MODULES_CACHE", folder / "modules")
        patch.setattr(evaluate.config, "HF_METRICS_CACHE", folder / "metrics")
        patch.setattr(evaluate.config, "HF_EVALUATE_OFFLINE", True)
        patch.setattr(sys, "path", list(sys.path))
        yield
    for name in [name for name in sys.modules if name.split(".")[0] == "evaluate_modules"]:
        del sys.modules[name]


@pytest.fixture
def write_module(tmp_path: Path) -> WriteModule:
    def write(name: str, body: str, *, features: str = INDICES, arguments: str = "predictions, references") -> str:
        path = tmp_path / f"{name}.py"
        path.write_text(MODULE.format(features=features, arguments=arguments, body=body))
        return str(path)

    return write


def test_local_module_is_merged_under_its_own_keys(write_module: WriteModule) -> None:
    path = write_module("distance", "return {'distance': np.mean(np.abs(np.subtract(predictions, references)))}")
    scorer = Scorer(["accuracy", path], LABELS)
    assert scorer.keys == ("accuracy", "distance")
    result = scorer.compute(np.array([0, 2, 1]), np.array([0, 0, 1]))
    assert result["accuracy"] == result["distance"] == pytest.approx(2 / 3)
    assert type(result["distance"]) is float


def test_colliding_key_gets_the_name_of_its_metric(write_module: WriteModule) -> None:
    path = write_module("strict", "return {'accuracy': 0.25, 'other': 1}")
    scorer = Scorer(["accuracy", path], LABELS)
    assert scorer.keys == ("accuracy", "strict_accuracy", "other")
    result = scorer.compute([0, 1], [0, 1])
    assert (result["accuracy"], result["strict_accuracy"]) == (1.0, 0.25)


def test_two_modules_of_one_name_keep_both_values(write_module: WriteModule, tmp_path: Path) -> None:
    first = write_module("same", "return {'accuracy': 0.25}")
    (tmp_path / "other").mkdir()
    second = tmp_path / "other" / "same.py"
    second.write_text(Path(first).read_text().replace("0.25", "0.5"))
    result = Scorer(["accuracy", first, str(second)], LABELS).compute([0, 1], [0, 1])
    del result["per_label"]
    assert sorted(result.values()) == [0.25, 0.5, 1.0]


def test_folder_named_as_its_script(write_module: WriteModule, tmp_path: Path) -> None:
    script = Path(write_module("boxed", "return {'boxed': len(references)}"))
    (tmp_path / "boxed").mkdir()
    script.rename(tmp_path / "boxed" / "boxed.py")
    assert Scorer([str(tmp_path / "boxed")], LABELS).compute([0, 1], [0, 1])["boxed"] == 2.0


def test_indicators_and_numbers(write_module: WriteModule) -> None:
    path = write_module("ones", "return {'ones': np.sum(predictions)}", features=INDICATORS)
    assert Scorer([path], MULTI).compute([[1, 1, 0]], [[1, 1, 0]])["ones"] == 2.0

    path = write_module("bias", "return {'bias': np.mean(predictions) - np.mean(references)}", features=NUMBERS)
    assert Scorer([path], REGRESSION).compute([1.0, 2.0], [0.5, 1.5]) == {"bias": 0.5}


def test_multi_label_config_is_asked_for(write_module: WriteModule) -> None:
    path = write_module("configured", "return {'n': float(self.config_name == 'multilabel')}", features=INDICATORS)
    assert Scorer([path], MULTI).compute([[1, 1, 0]], [[1, 1, 0]])["n"] == 1.0


def test_module_holds_rows_in_memory(write_module: WriteModule) -> None:
    """Not in evaluate's cache file, which concurrent runs would wait for."""
    path = write_module("where", "return {'in_memory': float(self.keep_in_memory)}")
    assert Scorer([path], LABELS).compute([0], [0])["in_memory"] == 1.0


def test_module_that_reads_scores(write_module: WriteModule) -> None:
    body = "return {'mean_score': np.mean(prediction_scores)}"
    path = write_module("confidence", body, features=SCORES, arguments="references, prediction_scores")
    scorer = Scorer([path], LABELS)
    assert scorer.needs_scores
    result = scorer.compute([0, 1], [0, 1], [[0.5, 0.5, 0.5], [0.5, 0.5, 0.5]])
    assert result["mean_score"] == 0.5

    one_score = SCORES.replace("datasets.List(datasets.Value('float32'))", "datasets.Value('float32')")
    path = write_module("second", body, features=one_score, arguments="references, prediction_scores")
    result = Scorer([path], LabelSpace(("no", "yes"))).compute([0, 1], [0, 1], [[0.75, 0.25], [0.25, 0.75]])
    assert result["mean_score"] == 0.5


def test_nan_becomes_none(write_module: WriteModule) -> None:
    path = write_module("undefined", "return {'undefined': float('nan')}")
    assert Scorer([path], LABELS).compute([0], [0])["undefined"] is None


def test_module_that_wants_an_argument_fails_before_training(write_module: WriteModule) -> None:
    path = write_module("wants", "return {}", arguments="predictions, references, average")
    with pytest.raises(ConfigError, match=r"wants.py' fails on single_label_classification with 3 labels: .*average"):
        Scorer([path], LABELS)


def test_module_that_wants_other_inputs_is_refused(write_module: WriteModule) -> None:
    features = "{'sources': datasets.Value('string'), 'references': datasets.Value('int64')}"
    path = write_module("sourced", "return {}", features=features, arguments="sources, references")
    with pytest.raises(ConfigError, match="wants the inputs 'sources', 'references'"):
        Scorer([path], LABELS)


def test_module_that_fails_later_does_not_lose_the_other_values(write_module: WriteModule) -> None:
    path = write_module("fragile", "return {'fragile': 1 / (4 - len(references))}")
    scorer = Scorer(["accuracy", path], LABELS)
    with pytest.warns(UserWarning, match="ZeroDivisionError"):
        result = scorer.compute([0, 1, 2, 0], [0, 1, 2, 0])
    assert result["accuracy"] == 1.0
    assert result["fragile"] is None
    assert "ZeroDivisionError" in scorer.notes["fragile"]


def test_missing_path_and_broken_script(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no file or folder 'owner/name'.*written 'hub:owner/name'"):
        Scorer(["owner/name"], LABELS)
    broken = tmp_path / "broken.py"
    broken.write_text("def (")
    with pytest.raises(ConfigError, match=r"does not load: SyntaxError"):
        Scorer([str(broken)], LABELS)


@pytest.mark.parametrize("name", ["hub:accuracy", "hub:owner/name"])
def test_hub_metric_without_network(name: str) -> None:
    with pytest.raises(ConfigError, match=r"the Hub cannot be reached.*copy the module's script"):
        Scorer([name], LABELS)


@pytest.mark.parametrize("name", ["hub:", "hub:a/b/c", "hub:../up"])
def test_malformed_hub_name(name: str) -> None:
    with pytest.raises(ConfigError, match="expected 'hub:name' or 'hub:owner/name'"):
        Scorer([name], LABELS)


def test_hub_metric_is_loaded_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    from ftkit.metrics.classification import Accuracy

    asked: list[str] = []

    def load(path: str, config_name: str | None = None, **options: object) -> Accuracy:
        asked.append(path)
        return Accuracy(config_name)

    monkeypatch.setattr(evaluate, "load", load)
    scorer = Scorer(["accuracy", "hub:accuracy", "hub:owner/name"], LABELS)
    assert asked == ["accuracy", "owner/name"]
    assert scorer.keys == ("accuracy", "accuracy_accuracy", "name_accuracy")


def test_plain_values() -> None:
    value = {1: np.float32(0.5), "list": np.array([1.0, np.nan]), "text": "x", "zero": np.array(2)}
    assert plain(value) == {"1": 0.5, "list": [1.0, None], "text": "x", "zero": 2.0}
