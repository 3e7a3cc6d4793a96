"""What a run hands over to its report, gathered from where it lies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftkit.adapters.task_adapter import TaskAdapter
from ftkit.data.readers import DEMO_PREFIX
from ftkit.data.spec import HubSource
from ftkit.report.content import EvaluatedSplit, ReportContent
from ftkit.report.recipe import Recipe
from ftkit.report.usage.usage import find_usage
from ftkit.runs.augmented_rows import AugmentedRow
from ftkit.runs.checked_run import CheckedRun
from ftkit.types import Modality

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
    augmented: Sequence[AugmentedRow] = (),
) -> ReportContent:
    """Returns what `report.html`, the model card and `report.json` are made from."""
    datasets_on_hub, decoder = _datasets_on_hub(run), run.spec.decoder
    return ReportContent(
        title=run.directory.path.absolute().name,
        task_name=run.task.name,
        kind=run.kind.name,
        pipeline_tag=run.kind.pipeline_tag,
        problem_type=run.metric_group.name,
        label_names=() if run.labels is None else run.labels.names,
        reading=run.kind.reading(run.metric_group.name),
        blocks=(*run.kind.blocks(run.metric_group.name), *(("augmentation",) if augmented else ())),
        recipe=_recipe(run, trained, adapter),
        checkpoint=run.spec.name,
        family=run.spec.family,
        config_yaml=run.config.to_yaml(),
        results=results,
        log_history=trained.log_history,
        evaluated=[
            EvaluatedSplit(
                name,
                run.splits[name],
                found.predictions,
                found.references,
                found.confidences,
                found.measures,
                frozenset(found.traits),
                found.chosen,
            )
            for name, found in evaluated.items()
        ],
        warnings=warnings,
        primary_metric=run.primary_metric,
        base_on_hub=_hub_id(run.spec.path),
        decoder=None if decoder is None else decoder.name,
        decoder_on_hub=None if decoder is None else _hub_id(decoder.path),
        datasets_on_hub=datasets_on_hub,
        texts_are_public=all(name in datasets_on_hub or _is_demo(run, name) for name in run.splits),
        input_name=_INPUT_NAMES[run.kind.reads],
        augmented=augmented,
    )


_INPUT_NAMES: dict[Modality, str] = {
    "text": "text",
    "image": "image",
    "audio": "recording",
    "image+text": "image",
}


def _recipe(run: CheckedRun, trained: Trained, adapter: TaskAdapter) -> Recipe:
    """Returns how the model is loaded and used without ftkit: of what the task adapter tells, what that takes."""
    spec, tuner, usage = run.spec, run.config.tuner, run.kind.task_adapter(run.spec).usage
    resizes = not tuner.is_full and bool(spec.add_tokens) and _num_embeddings(trained.model) != spec.vocab_size
    recipe, told = find_usage(usage).recipe, adapter.recipe()
    return recipe(
        usage=usage,
        resizes_embeddings=resizes,
        num_virtual_tokens=tuner.prompt_length,
        quantization=tuner.quantization,
        trust_remote_code=spec.trust_remote_code,
        **{name: value for name, value in told.items() if name in recipe.model_fields},
    )


def _num_embeddings(model: Any) -> int:
    return int(model.config.get_text_config().vocab_size)


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
