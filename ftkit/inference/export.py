"""`ftkit export`: a run's model as an ONNX graph, and how far its predictions differ from the run's own."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import logging
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ftkit.adapters.rows import Arrays
from ftkit.adapters.task_adapter import TaskAdapter
from ftkit.config.files import CONFIG_FILE
from ftkit.config.run_config import RunConfig
from ftkit.data.files import atomic_folder, atomic_write_json, atomic_write_text, free_folder
from ftkit.data.problems import Problems
from ftkit.data.row_cells import check_cells
from ftkit.data.spec import Source
from ftkit.engine.batching import BatchLimits
from ftkit.engine.predicting import predict_all
from ftkit.errors import CheckpointError, DataError, RunError, UserError, did_you_mean, name_list
from ftkit.inference.onnx_model import MODEL_FILE, OUTPUT, OnnxModel, require_packages
from ftkit.inference.opening_options import OpeningOptions
from ftkit.inference.precision import merged
from ftkit.inference.predictor import Predictor
from ftkit.kinds.table import known_kind
from ftkit.machine_faults import check_room
from ftkit.models.fingerprint import graph_fingerprint
from ftkit.models.outputs import logits_of
from ftkit.runs.files import EXPORT_FILE
from ftkit.runs.open_run import open_run
from ftkit.tuners.merge import check_can_be_merged
from ftkit.tuners.spec import TunerSpec
from ftkit.types import Split
from ftkit.version import __version__

FORMATS = ("onnx",)
QUANTIZATIONS = ("int8",)
PACKAGES = ("onnx", "onnxruntime", "onnxscript")

SAMPLE_ROWS, SAMPLE_POOL = 512, 20_000  # rows to compare on, spread over the first so many of the file
LONGEST = 512  # tokens of a made-up long text, which is compared too
ALLOWED = 1e-3  # of scores in float32: sums in another order differ by some 1e-6
MOST_INSIDE = 1_800_000_000  # bytes of weights in model.onnx itself: protobuf ends at 2 GiB
INT8_SHARE = 0.3  # of a float32 graph's bytes: a quarter, and what is not rounded


def export_run(
    run: str | Path,
    out: str | Path,
    *,
    format: str = "onnx",
    quantize: str | None = None,
    data: Source | None = None,
    base: str | Path | None = None,
    trust_remote_code: bool = False,
) -> dict[str, Any]:
    """Exports a run, and compares its predictions with those of ONNX Runtime.

    Args:
        run: the run directory; a trained adapter is added to its base's weights.
        out: a folder that does not exist yet, or is empty. It is written whole or not at all.
        format: onnx.
        quantize: int8 for weights in 8 bits.
        data: rows to compare on; by default the run's own test, validation or training data.
        base: of a trained adapter, the folder or Hub id of its base, where that has moved.
        trust_remote_code: whether code may run that the run asks for.

    Returns:
        What `export.json` holds: among others `rows`, `max_score_difference` and `equal_predictions` (a share).

    Raises:
        UserError: it cannot be exported, or there is nothing to compare on.
        RunError: the exported model predicts something else; nothing was written.
    """
    _check_choice("format", format, FORMATS)
    if quantize is not None:
        _check_choice("quantize", quantize, QUANTIZATIONS)
    target = free_folder(out)
    require_packages(*PACKAGES)
    _check_run(open_run(run, trust_remote_code=trust_remote_code)[1])
    opening = OpeningOptions(base=base, trust_remote_code=trust_remote_code)
    predictor = Predictor(run, device="cpu", full_precision=True, opening=opening)
    _check_is_one_pass(predictor.kind.name, predictor.adapter.objective.one_pass)
    sample = _sample(predictor, data)
    expected = _predictions(predictor.model, predictor.adapter, sample)
    check_room(target.parent, sum(weight.nbytes for weight in predictor.model.parameters()), "the exported model")
    with atomic_folder(target) as folder:
        _write_inputs_and_outputs(predictor, folder)
        model = merged(predictor.model, predictor.config)
        if quantize is None:
            write_graph(model, predictor.adapter, sample, folder / MODEL_FILE)
        else:
            _write_rounded_graph(model, predictor.adapter, sample, folder / MODEL_FILE)
        _write_config(predictor, folder, target)
        found = _run(folder, predictor.adapter, sample, model.config.model_type)
        report = {
            "format": format,
            "precision": quantize or "fp32",
            "exported_from": str(predictor.folder),
            "compared_on": sample.source,
            **_compare(expected, found, exact=quantize is None),
            "bytes": sum(file.stat().st_size for file in folder.glob(f"{MODEL_FILE}*")),
            "versions": _versions(),
        }
        atomic_write_json(folder / EXPORT_FILE, report)
    return report


def _check_run(config: RunConfig) -> None:
    """Refuses a run that cannot be exported, before its weights are read.

    Raises:
        UserError: its tuner cannot be merged, or its kind is not computed in one pass.
    """
    assert config.run is not None
    if config.run.base is not None:
        check_can_be_merged(config.tuner)
    kind = known_kind(config.run.kind)
    if kind is not None:
        task_adapter = kind.task_adapters[config.run.family]
        _check_is_one_pass(kind.name, task_adapter.one_pass)
        _check_is_exported(kind.name, task_adapter.no_export)


def _check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise UserError(f"{name}: there is no {value!r}.{did_you_mean(value, choices)} There is {name_list(choices)}.")


def _check_is_one_pass(kind: str, one_pass: bool) -> None:
    if not one_pass:
        raise UserError(
            f"export: this run is of kind {kind}; ONNX holds one pass through a model, and a text is "
            "written in a loop of passes. Use the run itself, with ftkit predict."
        )


def _check_is_exported(kind: str, no_export: str | None) -> None:
    if no_export is not None:
        raise UserError(
            f"export: this run is of kind {kind}, which is not exported: {no_export}. Use the run itself, with ftkit "
            "predict, or export its checkpoint by another program: it is one of plain transformers."
        )


# --- what is compared ---


def _sample(predictor: Predictor, data: Source | None) -> Split:
    """Returns rows to compare on, spread over a file, and a text as long as the model reads.

    Raises:
        UserError: there is no data to take them from.
    """
    spec = predictor.config.data
    own = [source for source in (spec.test, spec.validation, spec.train) if not isinstance(source, (float, tuple))]
    failed: list[str] = []
    for source in [data] if data is not None else own:
        if source is None:
            continue
        try:
            name, examples = predictor.read(source)
            pool = list(itertools.islice(examples, SAMPLE_POOL))
        except DataError as error:
            if data is not None:
                raise
            failed.append(str(error))
            continue
        places = np.unique(np.linspace(0, len(pool) - 1, min(SAMPLE_ROWS, len(pool)), dtype=np.int64))
        return _checked([pool[place] for place in places], name, predictor)
    raise UserError(
        f"The run's own data cannot be read, so there is nothing to compare the exported model on. Name a file with "
        f"--data FILE. ({failed[0]})"
    )


def _checked(examples: list[Any], source: str, predictor: Predictor) -> Split:
    problems = Problems()
    split = Split("input", source, examples)
    predictor.kind.check_inputs(check_cells(split, problems), problems)
    problems.raise_if_any()
    longest = max(examples, key=lambda example: example.size)
    # As many positions as the model reads: long inputs are where a graph may go wrong.
    length = min(filter(None, (predictor.adapter.preprocessor.max_length, LONGEST)))
    return dataclasses.replace(split, examples=[*examples, predictor.kind.lengthened(longest, length)])


def _predictions(model: Any, adapter: TaskAdapter, sample: Split) -> Arrays:
    # Small batches: many shapes, one row alone among them.
    limits = BatchLimits(8, LONGEST)
    encoded = adapter.preprocessor.encode(sample.examples, targets=False)
    return predict_all(model, adapter, encoded, limits)


def _run(folder: Path, adapter: TaskAdapter, sample: Split, model_type: str) -> Arrays:
    try:
        return _predictions(OnnxModel(folder / MODEL_FILE), adapter, sample)
    except Exception as error:  # ONNX Runtime's errors have no base class of their own
        raise _cannot_export(model_type, error) from error


def _compare(expected: Arrays, found: Arrays, *, exact: bool) -> dict[str, Any]:
    """Returns how far predictions differ.

    Args:
        exact: they must be the same but for rounding.

    Raises:
        RunError: they must and are not.
    """
    numbers = expected["predictions"].dtype.kind == "f"
    name = next(name for name in ("scores", "confidences", "predictions") if name in expected)
    pairs = zip(expected[name], found[name], strict=True)
    difference = max_abs(one - other for one, other in pairs)
    equal = [
        bool(np.array_equal(one, other))
        for one, other in zip(expected["predictions"], found["predictions"], strict=True)
    ]
    # A number may be of any size; a score is a probability.
    largest = max(1.0, max_abs(expected[name])) if numbers else 1.0
    if exact and not difference <= ALLOWED * largest:
        raise RunError(
            f"The exported model's scores differ from the run's by {difference:.3g}, more than {ALLOWED * largest:g}. "
            "Nothing was written; use the run as it is."
        )
    return {
        "rows": len(equal),
        "max_score_difference": difference,
        "equal_predictions": None if numbers else float(np.mean(equal)),
    }


def max_abs(arrays: Iterable[Any]) -> float:
    """Returns the largest absolute value of all, NaN if there is one."""
    return float(np.max([np.max(np.abs(array), initial=0.0) for array in arrays]))


# --- what is written ---


def _write_inputs_and_outputs(predictor: Predictor, folder: Path) -> None:
    """Writes what reads and names the model's inputs and outputs, beside where the model will be."""
    predictor.model.config.save_pretrained(folder)
    predictor.adapter.preprocessor.save(folder)


def _write_config(predictor: Predictor, folder: Path, target: Path) -> None:
    """Writes ftkit.yaml, which knows the graph that has been written."""
    assert predictor.config.run is not None
    facts = predictor.config.run.model_copy(update={"base": None, "weights": graph_fingerprint(folder)})
    config = predictor.config.model_copy(update={"tuner": TunerSpec(), "run": facts, "output_dir": str(target)})
    atomic_write_text(folder / CONFIG_FILE, config.to_yaml())


class _Logits(torch.nn.Module):
    """A model with tensors in their order as inputs, and one as output."""

    def __init__(self, model: torch.nn.Module, names: Sequence[str]) -> None:
        super().__init__()
        self.model, self.names = model, names

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        return logits_of(self.model(**dict(zip(self.names, inputs, strict=True)), return_dict=True))


def write_graph(model: Any, adapter: TaskAdapter, sample: Split, path: Path) -> None:
    """Traces a model with a few rows; batch and sequence may have any size afterwards."""
    encoded = adapter.preprocessor.encode(sample.examples, targets=False)
    rows = np.argsort(encoded.costs, kind="stable")[-3:]  # of different lengths, so that there is padding
    chosen = encoded.rows.__getitems__(rows.tolist())
    batch = adapter.preprocessor.collate(chosen, training=False, rngs=None)
    names = list(batch.inputs)
    # Tokens and samples may be of any number; images and spectrograms have one size.
    shape = {0: "batch", 1: "sequence"} if adapter.preprocessor.padding else {0: "batch"}
    # Every type of model has this one; scaled dot product attention cannot be converted for T5.
    model.set_attn_implementation("eager")
    inside = sum(parameter.nbytes for parameter in model.parameters()) <= MOST_INSIDE
    try:
        with _silence(), torch.inference_mode():
            torch.onnx.export(
                _Logits(model, names).eval(),
                tuple(batch.inputs[name] for name in names),
                path,
                dynamo=True,
                dynamic_shapes=(tuple(dict(shape) for _ in names),),
                input_names=names,
                output_names=[OUTPUT],
                external_data=not inside,
                verbose=False,
            )
    except Exception as error:  # many kinds are raised beneath, by torch.export, the converter and the models
        raise _cannot_export(model.config.model_type, error) from error


def _cannot_export(model_type: str, error: BaseException) -> CheckpointError:
    while error.__cause__ is not None:
        error = error.__cause__
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    return CheckpointError(
        f"export: a {model_type!r} model cannot be turned into ONNX by the installed torch: {reason}\n"
        "Nothing was written. Use the run as it is; --precision makes it faster."
    )


def _write_rounded_graph(model: Any, adapter: TaskAdapter, sample: Split, path: Path) -> None:
    """Writes a graph with weights in 8 bits; each output of a layer has a scale of its own."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        whole = Path(folder) / MODEL_FILE
        write_graph(model, adapter, sample, whole)
        inside = INT8_SHARE * sum(file.stat().st_size for file in Path(folder).iterdir()) <= MOST_INSIDE
        with _silence():
            quantize_dynamic(
                whole, path, per_channel=True, weight_type=QuantType.QInt8, use_external_data_format=not inside
            )


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Keeps exporters from telling users about their own insides."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _versions() -> dict[str, str]:
    import onnx
    import onnxruntime

    return {
        "ftkit": __version__,
        "torch": torch.__version__,
        "onnx": onnx.__version__,
        "onnxruntime": onnxruntime.__version__,
    }
