"""What a run hands over to its report, gathered from where it lies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftkit.adapters.task_adapter import TaskAdapter
from ftkit.data.readers import DEMO_PREFIX
from ftkit.data.spec import HubSource
from ftkit.report.content import EvaluatedSplit, ReportContent
from ftkit.report.recipe import plain_recipe
from ftkit.runs.checked_run import CheckedRun

if TYPE_CHECKING:
    from ftkit.engine.evaluation import Evaluation
    from ftkit.engine.training import Trained


def report_content(
    run: CheckedRun,
    trained: Trained,
    adapter: TaskAdapter,
    evaluated: Mapping[str, Evaluation],
    results: Mapping[str, Any],
    warnings: Sequence[str],
) -> ReportContent:
    """Returns what `report.html`, the model card and `report.json` are made from."""
    datasets_on_hub, decoder = _datasets_on_hub(run), run.spec.decoder
    return ReportContent(
        title=run.directory.path.absolute().name,
        task_name=run.task.name,
        kind=run.kind.name,
        problem_type=run.metric_group.name,
        label_names=() if run.labels is None else run.labels.names,
        checkpoint=run.spec.name,
        family=run.spec.family,
        config_yaml=run.config.to_yaml(),
        results=results,
        log_history=trained.log_history,
        evaluated=[
            EvaluatedSplit(name, run.splits[name], found.predictions, found.references, found.confidences)
            for name, found in evaluated.items()
        ],
        warnings=warnings,
        primary_metric=run.primary_metric,
        base_on_hub=_hub_id(run.spec.path),
        decoder=None if decoder is None else decoder.name,
        decoder_on_hub=None if decoder is None else _hub_id(decoder.path),
        datasets_on_hub=datasets_on_hub,
        texts_are_public=all(name in datasets_on_hub or _is_demo(run, name) for name in run.splits),
        recipe=plain_recipe(adapter, trained.model, run.config.tuner),
    )


def _hub_id(path: str) -> str | None:
    """Returns a checkpoint's or dataset's Hub id; None where it was a folder when the run was trained."""
    return None if Path(path).expanduser().exists() else path


def _source(run: CheckedRun, name: str) -> Any:
    """Returns where a split came from: of rows that were held out, where train did."""
    source = getattr(run.config.data, name)
    return run.config.data.train if isinstance(source, float) else source


def _is_demo(run: CheckedRun, name: str) -> bool:
    source = _source(run, name)
    return isinstance(source, str) and source.startswith(DEMO_PREFIX)


def _datasets_on_hub(run: CheckedRun) -> dict[str, dict[str, str]]:
    """Returns the splits that came from the Hub, with what `load_dataset` was told."""
    found = {}
    for name in run.splits:
        source = _source(run, name)
        if isinstance(source, HubSource) and _hub_id(source.hub) is not None:
            found[name] = source.model_dump(exclude_none=True)
            if isinstance(getattr(run.config.data, name), float):
                found[name]["split"] = f"held out of {source.split}"
    return found
