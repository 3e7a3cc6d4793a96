"""Runs as ONNX graphs: the same predictions for every family, any batch and length, and clean refusals."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cells
import ftkit
import tiny
from ftkit.errors import CheckpointError, RunError, UserError
from ftkit.inference import export as module
from ftkit.inference.export import export_run, max_abs, write_graph
from ftkit.inference.onnx_model import MODEL_FILE, OUTPUT, OnnxModel, missing_packages
from ftkit.inference.onnx_predictor import OnnxPredictor
from ftkit.types import LabelSpace, Split, TokenExample
from runs import TEXTS, run_config, tagging_config, translation_config

pytestmark = pytest.mark.skipif(
    bool(missing_packages(module.PACKAGES)), reason="the extra is not installed: pip install 'ftkit[onnx]'"
)

LABELS = LabelSpace(("a", "b", "c"))
TEXT_MODELS = ("deberta-v2", "modernbert", "gpt2", "llama", "t5", "bart")
WORD_MODELS = ("llama", "t5")
# What is traced takes time by the layer. ModernBERT's layers differ; T5's share the first one's biases, in its encoder
# when it reads words, and in its decoder when it reads texts.
SHALLOW = {
    "bert": {"num_hidden_layers": 1},
    "distilbert": {"n_layers": 1},
    "deberta-v2": {"num_hidden_layers": 1},
    "gpt2": {"n_layer": 1},
    "llama": {"num_hidden_layers": 1},
    "t5": {"num_layers": 1, "num_decoder_layers": tiny.LAYERS},
    "bart": {"encoder_layers": 1, "decoder_layers": 1},
}


@pytest.fixture(scope="module")
def shallow(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """`shallow("bert")` is the folder of a tiny checkpoint of as few layers as there can be: never write to it."""
    made: dict[str, Path] = {}

    def make(model_type: str) -> Path:
        if model_type not in made:
            folder = tmp_path_factory.mktemp(f"shallow-{model_type}")
            made[model_type] = tiny.make_checkpoint(model_type, folder, sizes=SHALLOW.get(model_type))
        return made[model_type]

    return make


@pytest.fixture(scope="module")
def run(shallow: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    learnt = {"train.num_train_epochs": 8}  # so that few scores lie as near to one another as int8 moves them
    return ftkit.train(run_config(tmp_path_factory.mktemp("export"), shallow("bert"), **learnt)).output_dir


@pytest.fixture(scope="module")
def traced(run: Path) -> Any:
    """The graph that torch makes of the run, which is exported beside it."""
    import torch

    found = []
    with pytest.MonkeyPatch.context() as patch:
        export = torch.onnx.export
        patch.setattr(torch.onnx, "export", lambda *args, **options: found.append(export(*args, **options)))
        export_run(run, run.parent / "exported")
    (program,) = found
    return program


@pytest.fixture(scope="module")
def exported(run: Path, traced: Any) -> Path:
    return run.parent / "exported"


@pytest.fixture
def is_traced(traced: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Spares exports of the run the seconds in which torch makes the same graph again: it is only written."""
    import torch

    def written(model: Any, args: Any, path: Path, *, external_data: bool, **_: Any) -> None:
        traced.save(path, external_data=external_data)

    monkeypatch.setattr(torch.onnx, "export", written)


# --- graphs ---


@pytest.mark.parametrize("model_type", TEXT_MODELS)
def test_a_graph_of_every_family_takes_any_shape(model_type: str, shallow: Any, tmp_path: Path) -> None:
    adapter = tiny.make_adapter(shallow(model_type), LABELS)
    texts = [text for text, _ in tiny.EXAMPLES]
    _compare_shapes(adapter, tiny.make_split([*texts[:3], texts[0] * 2]), tmp_path, [texts[:1], texts, [texts[5] * 4]])


@pytest.mark.parametrize("model_type", WORD_MODELS)
def test_a_graph_that_reads_words(model_type: str, checkpoint: Any, shallow: Any, tmp_path: Path) -> None:
    # T5 keeps its two layers, of which the second has the first one's biases.
    adapter = cells.make_adapter("token-classification", model_type, checkpoint if model_type == "t5" else shallow)
    texts = [text for text, _ in tiny.EXAMPLES]
    _compare_shapes(adapter, _words([*texts[:3], texts[0] * 2]), tmp_path, [texts[:1], texts, [texts[5] * 4]], _words)


def _words(texts: list[str]) -> Split:
    return Split("input", "x", [TokenExample(id=index, words=tuple(text.split())) for index, text in enumerate(texts)])


def _compare_shapes(
    adapter: Any, traced: Split, folder: Path, batches: list[list[str]], split: Callable[..., Split] = tiny.make_split
) -> None:
    """Compares logits where there are tokens; what stands where there are none is nobody's."""
    model = adapter.objective.build().model.eval()
    write_graph(model, adapter, traced, folder / MODEL_FILE)
    in_onnx = OnnxModel(folder / MODEL_FILE)
    shapes = set()
    for texts in batches:
        encoded = adapter.preprocessor.encode(split(texts).examples, targets=False)
        inputs = adapter.preprocessor.collate(list(encoded.rows), training=False, rngs=None).inputs
        expected, found = model(**inputs).logits.detach().numpy(), in_onnx(**inputs).logits.numpy()
        assert found.shape == expected.shape
        real = np.ones(len(texts), bool) if expected.ndim == 2 else inputs["attention_mask"].numpy().astype(bool)
        assert float(np.abs(found[real] - expected[real]).max()) < 1e-4
        shapes.add(tuple(inputs["input_ids"].shape))
    assert len(shapes) == 3


# --- a whole export ---


def test_what_is_written(run: Path, exported: Path) -> None:
    assert {file.name for file in exported.iterdir()} == {
        MODEL_FILE, "config.json", "tokenizer.json", "tokenizer_config.json", "ftkit.yaml", "export.json",
    }  # fmt: skip
    report = json.loads((exported / "export.json").read_text())
    assert report["precision"] == "fp32"
    assert report["rows"] == 9, "eight texts of test, and a long one"
    assert report["compared_on"].endswith("test.csv")
    assert report["max_score_difference"] < 1e-5
    assert report["equal_predictions"] == 1.0
    assert report["bytes"] == (exported / MODEL_FILE).stat().st_size
    assert not list(run.parent.glob(".exported*")), "nothing is left beside it"


def test_it_predicts_and_is_scored_like_the_run(run: Path, exported: Path, tmp_path: Path) -> None:
    texts = [text for text, _ in TEXTS]
    of_run, of_export = ftkit.load(run), ftkit.load(exported)
    assert isinstance(of_export, OnnxPredictor)
    assert of_export.precision == "fp32"
    one, other = of_run.predict(texts), of_export.predict(texts)
    assert [row["label"] for row in one] == [row["label"] for row in other]
    for row, again in zip(one, other, strict=True):
        assert row["scores"] == pytest.approx(again["scores"], abs=1e-5)
    source = of_run.config.data.test
    assert [row["id"] for row in of_export.predict_source(source)] == [f"t{index}" for index in range(8)]
    scored, again = of_run.evaluate(source), of_export.evaluate(source)
    assert scored["accuracy"] == again["accuracy"]
    assert scored["loss"] == pytest.approx(again["loss"], abs=1e-4)


@pytest.mark.usefixtures("is_traced")
def test_int8_is_smaller_and_tells_its_difference(run: Path, exported: Path, tmp_path: Path) -> None:
    report = export_run(run, tmp_path / "int8", quantize="int8")
    assert report["precision"] == "int8"
    assert 1e-5 < report["max_score_difference"] < 0.2
    assert report["equal_predictions"] > 0.8
    assert report["bytes"] < 0.8 * (exported / MODEL_FILE).stat().st_size
    predictor = ftkit.load(tmp_path / "int8", precision="int8")
    assert predictor.precision == "int8"
    assert {row["label"] for row in predictor.predict([text for text, _ in TEXTS])} <= set(predictor.labels.names)


@pytest.mark.usefixtures("is_traced")
@pytest.mark.parametrize("quantize", [None, "int8"])
def test_weights_too_large_for_one_file_lie_beside_it(
    quantize: str | None, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_INSIDE", 1_000)
    report = export_run(run, tmp_path / "out", quantize=quantize)
    files = {file.name for file in (tmp_path / "out").iterdir()}
    assert f"{MODEL_FILE}.data" in files
    assert report["bytes"] > (tmp_path / "out" / f"{MODEL_FILE}.data").stat().st_size > 10_000
    assert len(ftkit.load(tmp_path / "out").predict(["rain today"])) == 1


def test_regression_and_several_labels(shallow: Any, tmp_path: Path) -> None:
    for name, cell, problem in (
        ("a", lambda i: i / 4, "regression"),
        ("b", lambda i: "x,y", "multi_label_classification"),
    ):
        file = tmp_path / f"{name}.csv"
        rows = [f'{text.replace(",", "")},"{cell(index)}"' for index, (text, _) in enumerate(tiny.EXAMPLES)]
        file.write_text("\n".join(["text,label", *rows]) + "\n")
        config = run_config(tmp_path / name, shallow("distilbert"), **{"train.num_train_epochs": 1})
        config["data"] = {"train": str(file), "problem_type": problem}
        report = export_run(ftkit.train(config).output_dir, tmp_path / f"{name}_out")
        assert report["max_score_difference"] < 1e-4
        assert report["equal_predictions"] == (None if problem == "regression" else 1.0)
        assert report["compared_on"] == str(file)


def test_a_trained_adapter_is_exported_with_its_base(shallow: Any, tmp_path: Path) -> None:
    config = run_config(tmp_path, shallow("bert"), tuner={"method": "lora", "rank": 4})
    folder = ftkit.train(config).output_dir
    assert export_run(folder, tmp_path / "out")["equal_predictions"] == 1.0
    texts = [text for text, _ in TEXTS]
    one, other = ftkit.load(folder).predict(texts), ftkit.load(tmp_path / "out").predict(texts)
    assert [row["score"] for row in one] == pytest.approx([row["score"] for row in other], abs=1e-4)


def test_words_are_tagged_in_documents_of_any_length(shallow: Any, tmp_path: Path) -> None:
    config = tagging_config(tmp_path, shallow("bert"))
    folder = ftkit.train(config).output_dir
    report = export_run(folder, tmp_path / "out")
    assert report["equal_predictions"] == 1.0
    long = "who stolen my card today will the rain stop " * 40
    (one,), (other,) = ftkit.load(folder).predict([long]), ftkit.load(tmp_path / "out").predict([long])
    assert one["tags"] == other["tags"]
    assert len(one["words"]) == 360


# --- refusals ---


def test_kinds_that_write_are_refused(shallow: Any, tmp_path: Path) -> None:
    config = translation_config(tmp_path, shallow("marian"), **{"train.num_train_epochs": 1})
    folder = ftkit.train(config).output_dir
    with pytest.raises(UserError, match="this run is of kind translation; ONNX holds one pass through a model"):
        export_run(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("is_traced")
def test_without_data_to_compare_on_a_file_is_asked_for(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in run.iterdir():
        if file.is_file():
            (copy / file.name).write_bytes(file.read_bytes())
    config = copy / "ftkit.yaml"
    config.write_text(config.read_text().replace(str(run.parent), str(tmp_path / "gone")))
    with pytest.raises(UserError, match=r"Name a file with --data FILE"):
        export_run(copy, tmp_path / "out")
    (tmp_path / "texts.txt").write_text("rain today\n")
    report = export_run(copy, tmp_path / "out", data=str(tmp_path / "texts.txt"))
    assert report["rows"] == 2


def test_a_difference_stops_an_export(run: Path, traced: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    def wrong(model: Any, args: Any, path: Path, **_: Any) -> None:
        changed = copy.deepcopy(traced.model_proto)
        weight = next(weight for weight in changed.graph.initializer if weight.name.endswith("classifier.weight"))
        weight.raw_data = (-np.frombuffer(weight.raw_data, np.float32)).tobytes()
        path.write_bytes(changed.SerializeToString())

    monkeypatch.setattr(torch.onnx, "export", wrong)
    with pytest.raises(RunError, match="differ from the run's by"):
        export_run(run, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_cannot_be_converted_is_told_in_a_sentence(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    def fails(*_: Any, **__: Any) -> None:
        try:
            raise ValueError("a mask that depends on data\nand more")
        except ValueError as error:
            raise RuntimeError("conversion failed") from error

    monkeypatch.setattr(torch.onnx, "export", fails)
    with pytest.raises(CheckpointError, match="a 'bert' model cannot be turned into ONNX.*: a mask that depends"):
        export_run(run, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_export_is_told(exported: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in exported.iterdir():
        (copy / file.name).write_bytes(file.read_bytes()[: 500 if file.name == MODEL_FILE else None])
    with pytest.raises(CheckpointError, match=r"weights in model.onnx are not those that the export wrote and proved"):
        ftkit.load(copy)
    lines = (copy / "ftkit.yaml").read_text().splitlines()
    (copy / "ftkit.yaml").write_text("\n".join(line for line in lines if not line.startswith("  weights:")))
    with pytest.raises(CheckpointError, match=r"model.onnx cannot be loaded by ONNX Runtime"):
        ftkit.load(copy)


def test_what_an_export_cannot_do_is_told(exported: Path) -> None:
    with pytest.raises(UserError, match="was exported in fp32, got 'int8'. Leave it out, or export the run with"):
        ftkit.load(exported, precision="int8")
    with pytest.raises(UserError, match="computes on the CPU, not on cuda"):
        ftkit.load(exported, device="cuda")
    with pytest.raises(UserError, match="num_beams: nothing is written"):
        ftkit.load(exported, num_beams=2)


def test_one_nan_is_a_difference() -> None:
    assert max_abs([np.array([1.0, -3.0]), np.float32(2.0), np.zeros(0)]) == 3.0
    assert math.isnan(max_abs([np.array([1.0]), np.array([np.nan])]))
    assert OUTPUT == "logits"
