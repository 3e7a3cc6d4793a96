"""`ftkit merge`: a trained adapter and its base become one plain checkpoint, and the difference is measured."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ftkit.config.files import CONFIG_FILE
from ftkit.data.files import atomic_folder, atomic_write_json, atomic_write_text, free_folder
from ftkit.data.spec import Source
from ftkit.errors import DataError, RunError, UserError
from ftkit.inference.opening_options import OpeningOptions
from ftkit.inference.predictor import Predictor
from ftkit.machine_faults import check_room
from ftkit.models.fingerprint import weights_fingerprint
from ftkit.models.outputs import logits_of
from ftkit.report.merged import write_merged_report
from ftkit.runs.files import REPORT_FILE, RESULTS_FILE
from ftkit.runs.trained_adapter import open_trained_adapter
from ftkit.tuners.merge import check_can_be_merged, merge
from ftkit.tuners.spec import TunerSpec
from ftkit.types import Split

SAMPLE_ROWS = 256  # whose logits are compared
ALLOWED = 1e-2  # of logits: sums in another order differ by some 1e-6, a broken merge by whole numbers


def merge_run(
    run: str | Path,
    out: str | Path,
    *,
    data: Source | None = None,
    base: str | Path | None = None,
    trust_remote_code: bool = False,
) -> dict[str, Any]:
    """Merges a trained adapter into its base, and writes the result as a run that every command accepts.

    Args:
        run: the run directory of a trained adapter.
        out: a folder that does not exist yet, or is empty.
        data: labelled rows to compare both on; by default the run's own validation data, else its test data.
        base: the folder or Hub id of the adapter's base, where that has moved.
        trust_remote_code: whether code may run that the run asks for; without, its own metrics are left out.

    Returns:
        What was measured: `rows`, `max_logit_difference`, and each metric as `adapter_<name>` and `merged_<name>`.

    Raises:
        UserError: it is no trained adapter, cannot be merged, or there is nothing to compare on.
        RunError: the merged model computes something else; nothing was written.
    """
    target = free_folder(out)
    trained = open_trained_adapter(run, trust_remote_code=trust_remote_code)
    check_can_be_merged(trained.config.tuner)
    opening = OpeningOptions(base=base, trust_remote_code=trust_remote_code)
    predictor = Predictor(run, full_precision=True, opening=opening)
    metrics = predictor.tasks.safe_metrics
    split = _split(predictor, data)
    before, logits = predictor.score(split, metrics=metrics), _logits(predictor, split)
    predictor.model = merge(predictor.model)
    after, merged_logits = predictor.score(split, metrics=metrics), _logits(predictor, split)
    difference = max(float(np.abs(one - other).max()) for one, other in zip(logits, merged_logits, strict=True))
    if not difference <= ALLOWED:
        raise RunError(
            f"The merged model's logits differ from the adapter's by {difference:.3g}, more than {ALLOWED:g}. "
            "Nothing was written; use the adapter as it is."
        )
    report = {
        "merged_from": str(trained.folder),
        "base": trained.base.path,
        "compared_on": split.source,
        "rows": len(split),
        "max_logit_difference": difference,
        "primary_metric": predictor.primary_metric,
        "base_was_quantized": trained.config.tuner.quantization,
        **{f"adapter_{name}": value for name, value in _numbers(before).items()},
        **{f"merged_{name}": value for name, value in _numbers(after).items()},
    }
    _write(predictor, target, report, trained.folder)
    return report


def _split(predictor: Predictor, data: Source | None) -> Split:
    """Returns labelled rows: those named, or the run's own."""
    if data is not None:
        return predictor.labelled(data)
    spec = predictor.config.data
    try:
        for name, source in (("validation", spec.validation), ("test", spec.test)):
            if isinstance(source, float):
                return predictor.held_out(name)
            if source is not None:
                return predictor.labelled(source)
    except DataError as error:
        raise UserError(f"The run's own data cannot be read ({error}) Name labelled rows with --data FILE.") from None
    raise UserError(
        "The run has no validation or test data to compare adapter and merged model on. Name labelled rows with "
        "--data FILE."
    )


def _logits(predictor: Predictor, split: Split) -> list[np.ndarray]:
    """Returns the logits of the first rows, batch by batch, padding included alike in both models."""
    import torch

    from ftkit.engine.batching import cut

    preprocessor, limits = predictor.adapter.preprocessor, predictor.limits
    encoded = preprocessor.encode_to_score(split.examples[:SAMPLE_ROWS])
    rows = encoded.targets or encoded.inputs
    found = []
    with torch.inference_mode():
        for indices in cut(rows.costs, np.argsort(rows.costs, kind="stable"), limits):
            batch = preprocessor.collate(rows.rows.__getitems__(indices.tolist()), training=False, rngs=None)
            inputs = batch.to(predictor.model.device).inputs
            found.append(logits_of(predictor.model(**inputs)).float().cpu().numpy())
    return found


def _numbers(metrics: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in metrics.items() if isinstance(value, (int, float)) and name != "samples"}


def _write(predictor: Predictor, target: Path, report: Mapping[str, Any], run: Path) -> None:
    """Writes the checkpoint beside its place, and moves it there in one step.

    Args:
        report: what was measured.
        run: the run of the adapter. One that an earlier ftkit finished has no report to go on from.
    """
    facts = predictor.config.run
    assert facts is not None
    check_room(target.parent, sum(weight.nbytes for weight in predictor.model.parameters()), "the merged model")
    with atomic_folder(target) as staging:
        predictor.model.save_pretrained(staging)
        predictor.adapter.preprocessor.save(staging)
        predictor.adapter.objective.save(predictor.model, staging)
        facts = facts.model_copy(update={"base": None, "weights": weights_fingerprint(staging)})
        config = predictor.config.model_copy(update={"tuner": TunerSpec(), "run": facts, "output_dir": str(target)})
        atomic_write_text(staging / CONFIG_FILE, config.to_yaml())
        atomic_write_json(staging / RESULTS_FILE, dict(report))
        if (run / REPORT_FILE).is_file():
            write_merged_report(
                staging,
                run=run,
                title=target.absolute().name,
                method=predictor.config.tuner.method,
                config_yaml=config.to_yaml(),
                measured=report,
            )
