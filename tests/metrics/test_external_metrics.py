"""Metrics from elsewhere: local evaluate modules, and what is said when a Hub metric cannot be loaded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import evaluate
import numpy as np
import pytest

from ftkit.errors import ConfigError
from ftkit.metrics.external import plain
from ftkit.metrics.groups import GROUPS
from ftkit.metrics.scorer import Scorer, make_scorer
from ftkit.types import LabelSpace

pytestmark = pytest.mark.usefixtures("code_is_copied_elsewhere")

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
            description="", citation="", features={features}
        )

    def _compute(self, {arguments}):
        {body}
"""
INDICES = "{'predictions': datasets.Value('int64'), 'references': datasets.Value('int64')}"
NUMBERS = INDICES.replace("int64", "float32")
INDICATORS = INDICES.replace("datasets.Value('int64')", "datasets.List(datasets.Value('int64'))")
SCORES = "{'references': datasets.Value('int64'), 'prediction_scores': datasets.List(datasets.Value('float32'))}"

WriteModule = Callable[..., str]


def scorer_of(names: Sequence[str], labels: LabelSpace) -> Scorer:
    return make_scorer(names, GROUPS[labels.problem_type], labels=labels)


@pytest.fixture
def write_module(tmp_path: Path) -> WriteModule:
    def write(name: str, body: str, *, features: str = INDICES, arguments: str = "predictions, references") -> str:
        path = tmp_path / f"{name}.py"
        listed = features if features.startswith("[") else f"datasets.Features({features})"
        path.write_text(MODULE.format(features=listed, arguments=arguments, body=body))
        return str(path)

    return write


def test_local_module_is_merged_under_its_own_keys(write_module: WriteModule) -> None:
    path = write_module("distance", "return {'distance': np.mean(np.abs(np.subtract(predictions, references)))}")
    scorer = scorer_of(["accuracy", path], LABELS)
    assert scorer.keys == ("accuracy", "distance")
    result = scorer.compute(np.array([0, 2, 1]), np.array([0, 0, 1]))
    assert result["accuracy"] == result["distance"] == pytest.approx(2 / 3)
    assert type(result["distance"]) is float


def test_colliding_key_gets_the_name_of_its_metric(write_module: WriteModule) -> None:
    path = write_module("strict", "return {'accuracy': 0.25, 'other': 1}")
    scorer = scorer_of(["accuracy", path], LABELS)
    assert scorer.keys == ("accuracy", "strict_accuracy", "other")
    result = scorer.compute([0, 1], [0, 1])
    assert (result["accuracy"], result["strict_accuracy"]) == (1.0, 0.25)


def test_two_modules_of_one_name_keep_both_values(write_module: WriteModule, tmp_path: Path) -> None:
    first = write_module("same", "return {'accuracy': 0.25}")
    (tmp_path / "other").mkdir()
    second = tmp_path / "other" / "same.py"
    second.write_text(Path(first).read_text().replace("0.25", "0.5"))
    result = scorer_of(["accuracy", first, str(second)], LABELS).compute([0, 1], [0, 1])
    del result["per_label"]
    assert sorted(result.values()) == [0.25, 0.5, 1.0]


def test_folder_named_as_its_script(write_module: WriteModule, tmp_path: Path) -> None:
    script = Path(write_module("boxed", "return {'boxed': len(references)}"))
    (tmp_path / "boxed").mkdir()
    script.rename(tmp_path / "boxed" / "boxed.py")
    assert scorer_of([str(tmp_path / "boxed")], LABELS).compute([0, 1], [0, 1])["boxed"] == 2.0


def test_indicators_and_numbers(write_module: WriteModule) -> None:
    path = write_module("ones", "return {'ones': np.sum(predictions)}", features=INDICATORS)
    assert scorer_of([path], MULTI).compute([[1, 1, 0]], [[1, 1, 0]])["ones"] == 2.0

    path = write_module("bias", "return {'bias': np.mean(predictions) - np.mean(references)}", features=NUMBERS)
    assert scorer_of([path], REGRESSION).compute([1.0, 2.0], [0.5, 1.5]) == {"bias": 0.5}


def test_multi_label_config_is_asked_for(write_module: WriteModule) -> None:
    path = write_module("configured", "return {'n': float(self.config_name == 'multilabel')}", features=INDICATORS)
    assert scorer_of([path], MULTI).compute([[1, 1, 0]], [[1, 1, 0]])["n"] == 1.0


def test_module_holds_rows_in_memory(write_module: WriteModule) -> None:
    """Not in evaluate's cache file, which concurrent runs would wait for."""
    path = write_module("where", "return {'in_memory': float(self.keep_in_memory)}")
    assert scorer_of([path], LABELS).compute([0], [0])["in_memory"] == 1.0


def test_module_that_reads_scores(write_module: WriteModule) -> None:
    body = "return {'mean_score': np.mean(prediction_scores)}"
    path = write_module("confidence", body, features=SCORES, arguments="references, prediction_scores")
    scorer = scorer_of([path], LABELS)
    assert scorer.needs_scores
    result = scorer.compute([0, 1], [0, 1], [[0.5, 0.5, 0.5], [0.5, 0.5, 0.5]])
    assert result["mean_score"] == 0.5

    one_score = SCORES.replace("datasets.List(datasets.Value('float32'))", "datasets.Value('float32')")
    path = write_module("second", body, features=one_score, arguments="references, prediction_scores")
    result = scorer_of([path], LabelSpace(("no", "yes"))).compute([0, 1], [0, 1], [[0.75, 0.25], [0.25, 0.75]])
    assert result["mean_score"] == 0.5


def test_nan_becomes_none(write_module: WriteModule) -> None:
    path = write_module("undefined", "return {'undefined': float('nan')}")
    assert scorer_of([path], LABELS).compute([0], [0])["undefined"] is None


def test_module_that_wants_an_argument_fails_before_training(write_module: WriteModule) -> None:
    path = write_module("wants", "return {}", arguments="predictions, references, average")
    with pytest.raises(ConfigError, match=r"wants.py' fails on single_label_classification with 3 labels: .*average"):
        scorer_of([path], LABELS)


def test_module_that_wants_other_inputs_is_refused(write_module: WriteModule) -> None:
    features = "{'sources': datasets.Value('string'), 'references': datasets.Value('int64')}"
    path = write_module("sourced", "return {}", features=features, arguments="sources, references")
    with pytest.raises(ConfigError, match="wants the inputs 'sources', 'references'"):
        scorer_of([path], LABELS)


def test_module_that_fails_later_does_not_lose_the_other_values(write_module: WriteModule) -> None:
    path = write_module("fragile", "return {'fragile': 1 / (4 - len(references))}")
    scorer = scorer_of(["accuracy", path], LABELS)
    with pytest.warns(UserWarning, match="ZeroDivisionError"):
        result = scorer.compute([0, 1, 2, 0], [0, 1, 2, 0])
    assert result["accuracy"] == 1.0
    assert result["fragile"] is None
    assert "ZeroDivisionError" in scorer.notes["fragile"]


def test_missing_path_and_broken_script(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no file or folder 'owner/name'.*written 'hub:owner/name'"):
        scorer_of(["owner/name"], LABELS)
    broken = tmp_path / "broken.py"
    broken.write_text("def (")
    with pytest.raises(ConfigError, match=r"does not load: SyntaxError"):
        scorer_of([str(broken)], LABELS)


@pytest.mark.parametrize("name", ["hub:accuracy", "hub:owner/name"])
def test_hub_metric_without_network(name: str) -> None:
    with pytest.raises(ConfigError, match=r"the Hub cannot be reached.*copy the module's script"):
        scorer_of([name], LABELS)


@pytest.mark.parametrize("name", ["hub:", "hub:a/b/c", "hub:../up"])
def test_malformed_hub_name(name: str) -> None:
    with pytest.raises(ConfigError, match="expected 'hub:name' or 'hub:owner/name'"):
        scorer_of([name], LABELS)


def test_hub_metric_is_loaded_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    from ftkit.metrics.classification import Accuracy

    asked: list[str] = []

    def load(path: str, config_name: str | None = None, **options: object) -> Accuracy:
        asked.append(path)
        return Accuracy(config_name)

    monkeypatch.setattr(evaluate, "load", load)
    scorer = scorer_of(["accuracy", "hub:accuracy", "hub:owner/name"], LABELS)
    assert asked == ["accuracy", "owner/name"]
    assert scorer.keys == ("accuracy", "accuracy_accuracy", "name_accuracy")


def test_plain_values() -> None:
    value = {1: np.float32(0.5), "list": np.array([1.0, np.nan]), "text": "x", "zero": np.array(2)}
    assert plain(value) == {"1": 0.5, "list": [1.0, None], "text": "x", "zero": 2.0}


# --- what each group gives --------------------------------------------------------------------------------------

TAGS = LabelSpace(("O", "B-A", "I-A"))
# As evaluate's own seqeval, sacrebleu and rouge write them.
TAG_FEATURES = "{{'predictions': {0}, 'references': {0}}}".format(
    "datasets.Sequence(datasets.Value('string', id='label'), id='sequence')"
)
TEXT_FEATURES = "{'predictions': datasets.Value('string', id='sequence'), 'references': datasets.Value('string')}"
LIST_FEATURES = TEXT_FEATURES.replace("datasets.Value('string')}", "datasets.Sequence(datasets.Value('string'))}")
EITHER_FEATURES = f"[datasets.Features({LIST_FEATURES}), datasets.Features({TEXT_FEATURES})]"


def tag_scorer(*names: str) -> Scorer:
    return make_scorer(names, GROUPS["token-classification"], labels=TAGS)


def text_scorer(*names: str) -> Scorer:
    return make_scorer(names, GROUPS["translation"], options={"target_lang": "de"})


def test_a_tagger_gives_lists_of_names(write_module: WriteModule) -> None:
    body = "return {'seen': repr(predictions), 'mode': 1.0, 'f1': 0.25}"
    path = write_module("seen", body, features=TAG_FEATURES)
    scorer = tag_scorer("seqeval", path)
    assert scorer.keys[-3:] == ("seen", "seen_mode", "seen_f1")
    result = scorer.compute([[1, 2], [0]], [[1, 0], [0]])
    assert result["seen"] == repr([["B-A", "I-A"], ["O"]])
    assert (result["mode"], result["seen_mode"], result["f1"], result["seen_f1"]) == ("strict", 1.0, 0.0, 0.25)
    assert list(result)[-3:] == ["seen", "seen_mode", "seen_f1"]


def test_a_tagger_computes_an_external_metric_alone(write_module: WriteModule) -> None:
    path = write_module("alone", "return {'alone': len(references[0])}", features=TAG_FEATURES)
    assert tag_scorer(path).compute([[1, 2]], [[1, 0]]) == {"alone": 2.0}


@pytest.mark.parametrize(
    ("features", "references"),
    [
        (TEXT_FEATURES, ["Ja.", "Nein."]),
        (LIST_FEATURES, [["Ja."], ["Nein."]]),
        (EITHER_FEATURES, ["Ja.", "Nein."]),
    ],
    ids=["texts", "lists", "either"],
)
def test_texts_are_given_in_the_form_that_the_features_want(
    features: str, references: object, write_module: WriteModule
) -> None:
    path = write_module("seen", "return {'seen': repr(references), 'first': predictions[0]}", features=features)
    scorer = text_scorer("bleu", path)
    assert scorer.keys == ("bleu", "seen", "first")
    result = scorer.compute(np.array(["Ja!", "Nein."], object), np.array(["Ja.", "Nein."], object))
    assert (result["seen"], result["first"]) == (repr(references), "Ja!")
    assert list(result) == ["bleu", "bleu_signature", "bleu_tokenizer", "seen", "first"]


@pytest.mark.parametrize("scorer", [tag_scorer, text_scorer])
@pytest.mark.parametrize("features", [INDICES, INDICATORS])
def test_a_module_of_numbers_is_refused_by_name(
    scorer: Callable[[str], Scorer], features: str, write_module: WriteModule
) -> None:
    path = write_module("numbers", "return {'mean': np.mean(predictions)}", features=features)
    with pytest.raises(ConfigError) as caught:
        scorer(path)
    message = str(caught.value)
    assert "numbers.py' fails on" in message
    kind = "token-classification" if scorer is tag_scorer else "translation"
    assert f"For {kind} ftkit gives predictions (t" in message
    assert "Use a built-in metric ('" in message


def test_a_module_of_single_tags_or_split_texts_is_refused(write_module: WriteModule) -> None:
    path = write_module("flat", "return {'n': 1}", features=TEXT_FEATURES)
    with pytest.raises(
        ConfigError, match=r"(?s)flat.py' fails on token-classification with 3 tags: .*a list of names"
    ):
        tag_scorer(path)
    path = write_module("split", "return {'n': 1}", features=TAG_FEATURES)
    with pytest.raises(ConfigError, match=r"split.py' fails on translation: .*a string but expected a list"):
        text_scorer(path)


@pytest.mark.parametrize("scorer", [tag_scorer, text_scorer])
def test_a_module_that_wants_sources_or_scores_is_refused(
    scorer: Callable[[str], Scorer], write_module: WriteModule
) -> None:
    for name in ("sources", "prediction_scores"):
        features = TEXT_FEATURES.replace("predictions", name)
        path = write_module(f"wants_{name}", "return {}", features=features, arguments=f"references, {name}")
        with pytest.raises(ConfigError, match=rf"wants the inputs '{name}', 'references'; for t.* ftkit gives pred"):
            scorer(path)


def test_regression_gives_no_scores(write_module: WriteModule) -> None:
    path = write_module("scored", "return {}", features=SCORES, arguments="references, prediction_scores")
    with pytest.raises(ConfigError, match="for regression ftkit gives predictions .numbers"):
        scorer_of([path], REGRESSION)


@pytest.mark.parametrize("scorer", [tag_scorer, text_scorer])
def test_a_hub_metric_of_any_group_is_told_by_name(scorer: Callable[[str], Scorer]) -> None:
    with pytest.raises(
        ConfigError, match="'hub:owner/name' could not be loaded.*use a built-in metric: '(seqeval|bleu)"
    ):
        scorer("hub:owner/name")


# --- Python code by name ----------------------------------------------------------------------------------------

CODE = '''
import evaluate
import datasets

WORDS = 3


def share(predictions, references, weight=2, scores=None):
    """Of any rows, the share that is right."""
    if scores is not None:
        return {"mean_score": scores.mean()}
    hits = [one == other for one, other in zip(predictions, references)]
    return {"share": sum(hits) / len(hits), "weight": weight}


def sorting(predictions, references):
    predictions.sort()
    return {"least": predictions[0]}


def pair(predictions, references):
    return sum(predictions), sum(references)


def sourced(sources, references):
    return {}


class Length(evaluate.Metric):
    def _info(self):
        text = datasets.Value("string")
        features = datasets.Features({"predictions": text, "references": datasets.List(text)})
        return evaluate.MetricInfo(description="", citation="", features=features)

    def _compute(self, predictions, references):
        return {"length": len(references[0]), "in_memory": self.keep_in_memory}
'''


@pytest.fixture
def code(tmp_path: Path) -> str:
    path = tmp_path / "own_metrics.py"
    path.write_text(CODE)
    return str(path)


def test_a_function_gets_what_its_parameters_name(code: str) -> None:
    scorer = text_scorer("chrf++", f"{code}:share")
    assert (scorer.keys, scorer.needs_scores) == (("chrf++", "share", "weight"), False)
    result = scorer.compute(["Ja.", "Nein."], ["Ja.", "Nie."])
    assert (result["share"], result["weight"]) == (0.5, 2.0)

    assert tag_scorer(f"{code}:share").compute([[0, 1], [0]], [[0, 2], [0]]) == {"share": 0.5, "weight": 2.0}
    assert scorer_of([f"{code}:share"], REGRESSION).compute([1.0, 2.0], [1.0, 3.0])["share"] == 0.5
    reader = scorer_of([f"{code}:share"], LABELS)
    assert (reader.keys, reader.needs_scores) == (("mean_score",), True)


def test_a_function_cannot_change_what_is_scored(code: str) -> None:
    predictions = np.array([2, 0, 1])
    assert scorer_of([f"{code}:sorting"], LABELS).compute(predictions, predictions)["least"] == 0
    assert predictions.tolist() == [2, 0, 1]


def test_a_class_of_evaluate_s_metrics_is_made(code: str) -> None:
    assert text_scorer(f"{code}:Length").compute(["Ja."], ["Nein."]) == {"length": 1.0, "in_memory": 1.0}


def test_an_installed_module_is_named_by_its_dots() -> None:
    result = scorer_of(["accuracy", "ftkit.metrics.classification:Accuracy"], LABELS).compute([0, 1], [0, 2])
    assert (result["accuracy"], result["Accuracy_accuracy"]) == (0.5, 0.5)


@pytest.mark.parametrize(
    ("attribute", "message"),
    [
        ("shares", "own_metrics.py has no 'shares'. Did you mean 'share'"),
        ("WORDS", "own_metrics.py:WORDS' is a int; expected a class of evaluate.Metric, or a function of predictions"),
        ("pair", "own_metrics.py:pair' fails on regression: TypeError: it returned tuple; expected a dict"),
        ("sourced", "own_metrics.py:sourced' wants the inputs 'sources', 'references'; for regression ftkit gives"),
        ("Length", "own_metrics.py:Length' fails on regression: "),
    ],
)
def test_code_that_computes_no_metric_is_refused(attribute: str, message: str, code: str) -> None:
    with pytest.raises(ConfigError, match=message):
        scorer_of([f"{code}:{attribute}"], REGRESSION)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no_such_file.py:share", r"metrics: no file 'no_such_file.py' \(looked at /"),
        ("no_such_package.module:share", "metrics: the module 'no_such_package.module' cannot be imported"),
        ("a:b:c", "no file or folder 'a:b:c'"),
    ],
)
def test_code_that_is_not_there(name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        scorer_of([name], LABELS)
