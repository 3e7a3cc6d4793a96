"""The whole story of a run, top to bottom: check everything, train, evaluate, save, prove, report."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftkit.config import CONFIG_FILE, RunConfig
from ftkit.console import is_main_process, note, warn
from ftkit.preflight import Plan, prepare
from ftkit.run_directory import PREDICTIONS

if TYPE_CHECKING:
    from ftkit.adapters.adapter import Adapter, Built, Encoded
    from ftkit.engine.evaluation import Evaluation
    from ftkit.engine.training import Trained


@dataclass(frozen=True)
class RunResult:
    """A finished run.

    Attributes:
        output_dir: the run directory.
        metrics: what its `all_results.json` holds, such as `test_accuracy`.
        example: one row of the last evaluated split with its prediction, for the summary.
    """

    output_dir: Path
    metrics: Mapping[str, Any]
    primary_metric: str
    example: Mapping[str, Any] | None = None


def execute(config: RunConfig) -> RunResult:
    """Carries out a run; on several processes, each calls this and the main one writes.

    Raises:
        UserError: config, data or checkpoint are wrong; nothing was written.
        RunError: the run started and could not finish; its checkpoints are sound.
    """
    plan = prepare(config)
    for warning in plan.warnings:
        warn(warning)

    from ftkit.engine import training

    arguments = training.start_engine(plan)
    adapter = plan.make_adapter()
    encoded = {
        name: adapter.encode(split) if name == "train" else adapter.encode_prompt(split)
        for name, split in plan.splits.items()
    }
    built = adapter.build()
    _announce(plan, built, encoded)

    process = arguments.distributed_state
    process.wait_for_everyone()  # all have looked at the directory before one of them writes into it
    if process.is_main_process:
        plan.directory.start(config, plan.fingerprints)
    process.wait_for_everyone()

    trained = training.train(plan, arguments, adapter, built, encoded)
    if process.is_main_process:
        plan.directory.new_staging()
    evaluated = {
        name: _evaluate(plan, trained, adapter, rows, name) for name, rows in encoded.items() if name != "train"
    }
    results = _results(plan, trained, encoded, evaluated)
    if process.is_main_process:
        _save(plan, trained, adapter)
        results["proof"] = _prove(plan, trained, adapter)
        _report(plan, trained, evaluated, results)
        plan.directory.publish(results)
    process.wait_for_everyone()
    return RunResult(plan.directory.path, results, plan.primary_metric, _example(plan, evaluated))


def _announce(plan: Plan, built: Built, encoded: Mapping[str, Encoded]) -> None:
    rows = ", ".join(f"{len(split):,} {name}" for name, split in encoded.items())
    parameters = built.model.num_parameters() / 1e6
    note(f"{plan.task.name} from {plan.spec.name} ({plan.spec.family}, {parameters:.1f} M parameters); rows: {rows}")
    for name, rows_of_split in encoded.items():
        if rows_of_split.num_truncated:
            share = rows_of_split.num_truncated / len(rows_of_split)
            warn(
                f"{share:.1%} of {name} ({rows_of_split.num_truncated} rows) is longer than the model reads, and cut."
            )


def _evaluate(plan: Plan, trained: Trained, adapter: Adapter, rows: Encoded, name: str) -> Evaluation:
    """Scores one split and writes `predictions/<split>.jsonl`, a row for each input row, in input order."""
    from ftkit.data.writers import open_writer
    from ftkit.engine.evaluation import evaluate

    split = plan.splits[name]
    scored = functools.partial(evaluate, trained.model, adapter, split, rows, trained.scorer, trained.eval_limits)
    if not is_main_process():
        return scored()
    with open_writer(plan.directory.staging / PREDICTIONS / f"{name}.jsonl") as writer:

        def write(examples: Sequence[Any], arrays: Mapping[str, Any]) -> None:
            for example, prediction in zip(examples, adapter.decode(dict(arrays), examples), strict=True):
                writer.write({"id": example.id, **prediction})

        return scored(on_window=write)


def _results(
    plan: Plan, trained: Trained, encoded: Mapping[str, Encoded], evaluated: Mapping[str, Evaluation]
) -> dict[str, Any]:
    """Puts `all_results.json` together."""
    from ftkit.report.results import data_facts, environment, prefixed

    results: dict[str, Any] = dict(trained.metrics)
    for name, rows in encoded.items():
        prefix = "eval" if name == "validation" else name
        results |= prefixed(evaluated[name].metrics, prefix) if name in evaluated else {}
        results |= {f"{prefix}_samples": len(rows), f"{prefix}_truncated_samples": rows.num_truncated}
    return results | {"data": data_facts(plan.splits), "environment": environment()}


def _save(plan: Plan, trained: Trained, adapter: Adapter) -> None:
    """Writes what plain transformers loads, and the resolved config."""
    from ftkit.data.files import atomic_write_text

    trained.model.save_pretrained(plan.directory.staging)
    adapter.tokenizer.save_pretrained(plan.directory.staging)
    atomic_write_text(plan.directory.staging / CONFIG_FILE, plan.resolved_config(adapter).to_yaml())


def _prove(plan: Plan, trained: Trained, adapter: Adapter) -> dict[str, Any]:
    """Loads what was saved and compares it with what was trained."""
    from ftkit.inference.proof import prove

    split = plan.splits.get("validation") or plan.splits["train"]
    return prove(
        plan.directory.staging,
        plan.resolved_config(adapter),
        model=trained.model,
        adapter=adapter,
        split=split,
        limits=trained.eval_limits,
    )


def _report(plan: Plan, trained: Trained, evaluated: Mapping[str, Evaluation], results: Mapping[str, Any]) -> None:
    """Writes `report.html` and the model card."""
    from ftkit.report.card import write_card
    from ftkit.report.content import EvaluatedSplit, ReportContent
    from ftkit.report.page import write_page

    content = ReportContent(
        title=plan.directory.path.absolute().name,
        task_name=plan.task.name,
        kind=plan.task.kind,
        problem_type=plan.labels.problem_type,
        label_names=plan.labels.names,
        checkpoint=plan.spec.name,
        family=plan.spec.family,
        config_yaml=plan.config.to_yaml(),
        results=results,
        log_history=trained.log_history,
        evaluated=[
            EvaluatedSplit(name, plan.splits[name], found.predictions, found.references, found.confidences)
            for name, found in evaluated.items()
        ],
        warnings=plan.warnings,
        primary_metric=plan.primary_metric,
    )
    write_page(plan.directory.staging / "report.html", content)
    write_card(plan.directory.staging / "README.md", content)


def _example(plan: Plan, evaluated: Mapping[str, Evaluation]) -> dict[str, Any] | None:
    """Returns the first row of the last evaluated split with what was expected and predicted."""
    if not evaluated:
        return None
    name = list(evaluated)[-1]
    example, predicted = plan.splits[name].examples[0], evaluated[name].predictions[0]
    return {"text": example.text, "expected": example.label, "predicted": plan.kind.readable(predicted, plan.labels)}
