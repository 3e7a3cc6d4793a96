"""What a run hands over: scores and predictions, the saved model with its proof, results, report and card."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftkit.config import CONFIG_FILE, RunConfig
from ftkit.console import is_main_process
from ftkit.data.readers import DEMO_PREFIX
from ftkit.data.spec import HubSource
from ftkit.preflight import Plan
from ftkit.run_directory import PREDICTIONS
from ftkit.trained_adapter import base_facts

if TYPE_CHECKING:
    from ftkit.adapters.adapter import Adapter, Encoded
    from ftkit.engine.evaluation import Evaluation
    from ftkit.engine.training import Trained


def evaluate(plan: Plan, trained: Trained, adapter: Adapter, rows: Encoded, name: str) -> Evaluation:
    """Scores one split and writes `predictions/<split>.jsonl`, a row for each input row, in input order.

    Where texts are written they also go to `predictions/<split>.txt`, one a line, as other scorers read them.
    """
    from ftkit.data.writers import open_writer
    from ftkit.engine import evaluation

    split = plan.splits[name]
    scored = functools.partial(
        evaluation.evaluate, trained.model, adapter, split, rows, trained.scorer, trained.eval_limits
    )
    if not is_main_process():
        return scored()
    formats = ("jsonl", "txt") if adapter.writes_text else ("jsonl",)
    folder = plan.directory.staging / PREDICTIONS
    with contextlib.ExitStack() as stack:
        writers = [stack.enter_context(open_writer(folder / f"{name}.{format}")) for format in formats]

        def write(examples: Sequence[Any], arrays: Mapping[str, Any]) -> None:
            for example, prediction in zip(examples, adapter.decode(dict(arrays), examples), strict=True):
                for writer in writers:
                    writer.write({"id": example.id, **prediction})

        return scored(on_window=write)


def collect_results(
    plan: Plan, trained: Trained, adapter: Adapter, encoded: Mapping[str, Encoded], evaluated: Mapping[str, Evaluation]
) -> dict[str, Any]:
    """Puts `all_results.json` together."""
    from ftkit.report.results import data_facts, environment, prefixed

    results: dict[str, Any] = dict(trained.metrics)
    for name, rows in encoded.items():
        prefix = "eval" if name == "validation" else name
        results |= prefixed(evaluated[name].metrics, prefix) if name in evaluated else {}
        results |= {f"{prefix}_samples": len(rows), f"{prefix}_truncated_samples": rows.num_truncated}
        if adapter.writes_text:
            results |= _shares_cut(prefix, rows)
    return results | {"data": data_facts(plan.splits), "environment": environment()}


def _shares_cut(prefix: str, rows: Encoded) -> dict[str, float]:
    """Returns the shares of sources and, in training, of targets that were cut off."""
    shares = {f"{prefix}_truncated_sources_share": rows.num_truncated / len(rows)}
    if prefix == "train":
        shares["train_truncated_targets_share"] = rows.num_truncated_targets / len(rows)
    return shares


def save(plan: Plan, trained: Trained, adapter: Adapter) -> None:
    """Writes what plain transformers loads, and the resolved config."""
    from ftkit.data.files import atomic_write_text

    folder = plan.directory.staging
    if plan.config.tuner.is_full:
        trained.model.save_pretrained(folder)
    else:
        from ftkit.tuners.saving import save_adapter

        save_adapter(trained.model, folder, revision=plan.spec.commit or plan.spec.revision)
    adapter.save_tokenizer(folder)
    atomic_write_text(folder / CONFIG_FILE, _resolved_config(plan, trained, adapter).to_yaml())


def saved_megabytes(plan: Plan) -> float:
    """Returns the size of the saved weights, in millions of bytes."""
    return sum(file.stat().st_size for file in plan.directory.staging.glob("*.safetensors")) / 1e6


def _resolved_config(plan: Plan, trained: Trained, adapter: Adapter) -> RunConfig:
    """Returns the config with what inference needs to know, the base of a trained adapter among it."""
    base = None if plan.config.tuner.is_full else base_facts(plan.spec, plan.directory.staging)
    return plan.resolved_config(adapter, base)


def prove(plan: Plan, trained: Trained, adapter: Adapter) -> dict[str, Any]:
    """Loads what was saved and compares it with what was trained."""
    from ftkit.inference import proof

    split = plan.splits.get("validation") or plan.splits["train"]
    return proof.prove(
        plan.directory.staging,
        _resolved_config(plan, trained, adapter),
        model=trained.model,
        adapter=adapter,
        split=split,
        limits=trained.eval_limits,
    )


def report(
    plan: Plan,
    trained: Trained,
    adapter: Adapter,
    evaluated: Mapping[str, Evaluation],
    results: Mapping[str, Any],
    warnings: Sequence[str],
) -> dict[str, str] | None:
    """Writes `report.html`, the model card, and `report.json`, from which both can be made again.

    Returns:
        One evaluated row with its prediction, for the end of a run on the screen.
    """
    from ftkit.inference.recipe import plain_recipe
    from ftkit.report.content import EvaluatedSplit, ReportContent
    from ftkit.report.files import write_report
    from ftkit.report.summary import shown_example

    datasets_on_hub, decoder = _datasets_on_hub(plan), plan.spec.decoder
    problem_type = plan.kind.scored_as(plan.task, plan.config.data)
    content = ReportContent(
        title=plan.directory.path.absolute().name,
        task_name=plan.task.name,
        kind=plan.task.kind,
        problem_type=problem_type,
        label_names=() if plan.labels is None else plan.labels.names,
        reading=plan.kind.reading(problem_type),
        blocks=plan.kind.blocks(problem_type),
        recipe=plain_recipe(adapter, trained.model, plan.config.tuner),
        checkpoint=plan.spec.name,
        family=plan.spec.family,
        config_yaml=plan.config.to_yaml(),
        results=results,
        log_history=trained.log_history,
        evaluated=[
            EvaluatedSplit(name, plan.splits[name], found.predictions, found.references, found.confidences)
            for name, found in evaluated.items()
        ],
        warnings=warnings,
        primary_metric=plan.primary_metric,
        base_on_hub=_hub_id(plan.spec.path),
        decoder=None if decoder is None else decoder.name,
        decoder_on_hub=None if decoder is None else _hub_id(decoder.path),
        datasets_on_hub=datasets_on_hub,
        texts_are_public=all(name in datasets_on_hub or _is_demo(plan, name) for name in plan.splits),
    )
    return shown_example(write_report(plan.directory.staging, content).card)


def _hub_id(path: str) -> str | None:
    """Returns a checkpoint's or dataset's Hub id; None where it was a folder when the run was trained."""
    return None if Path(path).expanduser().exists() else path


def _source(plan: Plan, name: str) -> Any:
    """Returns where a split came from: of rows that were held out, where train did."""
    source = getattr(plan.config.data, name)
    return plan.config.data.train if isinstance(source, float) else source


def _is_demo(plan: Plan, name: str) -> bool:
    source = _source(plan, name)
    return isinstance(source, str) and source.startswith(DEMO_PREFIX)


def _datasets_on_hub(plan: Plan) -> dict[str, dict[str, str]]:
    """Returns the splits that came from the Hub, with what `load_dataset` was told."""
    found = {}
    for name in plan.splits:
        source = _source(plan, name)
        if isinstance(source, HubSource) and _hub_id(source.hub) is not None:
            found[name] = source.model_dump(exclude_none=True)
            if isinstance(getattr(plan.config.data, name), float):
                found[name]["split"] = f"held out of {source.split}"
    return found


def example(plan: Plan, evaluated: Mapping[str, Evaluation]) -> dict[str, Any] | None:
    """Returns the first row of the last evaluated split with what was expected and predicted."""
    from ftkit.report.escape import shell_word
    from ftkit.report.summary import MAX_TYPED
    from ftkit.report.texts import shorten

    if not evaluated:
        return None
    name = list(evaluated)[-1]
    first, predicted = plan.splits[name].examples[0], evaluated[name].predictions[0]
    shown = plan.kind.shown_example(first, predicted, plan.labels)
    return {**shown, "arguments": f"--text {shell_word(shorten(shown['text'], MAX_TYPED).rstrip('…'))}"}


_CUT = "longer than the model reads and was cut"
# A document is read in windows; what can still be too long is one word, which then loses pieces but not its tag.
_WORD_CUT = "a text with a word longer than the model reads; the word is tagged by the pieces that fit"


def truncation_warnings(encoded: Mapping[str, Encoded]) -> list[str]:
    """Returns one sentence for each split of which something was cut."""
    cut = [
        (f"{name} ({count:,} rows)", count / len(rows), what)
        for name, rows in encoded.items()
        for count, what in (
            (rows.num_truncated, _CUT if rows.first_rows is None else _WORD_CUT),
            (rows.num_truncated_targets, "longer in its target than the model writes; the target was cut"),
        )
        if count
    ]
    return [f"{share:.1%} of {rows} is {what}." for rows, share, what in cut]


def cut_off_warnings(evaluated: Mapping[str, Evaluation]) -> list[str]:
    """Returns one sentence for each split of which written texts had not ended at their longest."""
    shares = {name: found.metrics.get("cut_off_share") for name, found in evaluated.items()}
    return [
        f"{share:.1%} of the texts written for {name} did not end within generation.max_new_tokens and were cut off."
        for name, share in shares.items()
        if share
    ]
