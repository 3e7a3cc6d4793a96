"""`ftkit check CONFIG [key=value ...]`: everything that is checked before a run, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ftkit.cli import options

if TYPE_CHECKING:
    from ftkit.runs.checked_run import CheckedRun


def command(
    config: Annotated[str, typer.Argument(help="A YAML file, such as task_configs/quickstart.yaml.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Such as data.test=null.")
    ] = None,
    show: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="N",
            help="Print the first N rows of train token by token, and which are learnt; of images with boxes or "
            "masks, and of rows that data.augment changes, write a sheet.",
        ),
    ] = 0,
    trust_remote_code: options.TrustRemoteCode = False,
) -> None:
    """Check config, checkpoint and data without reading weights; nothing is written but the cache of large data."""
    from ftkit.config.run_config import load_config, parse_overrides
    from ftkit.console import say, warn
    from ftkit.runs.trust import check_code_is_trusted
    from ftkit.speedups.startup import collector_at_rest

    given = parse_overrides(overrides or [])
    loaded = load_config(config, given)
    check_code_is_trusted(config, loaded, given, trust_remote_code=trust_remote_code)
    with collector_at_rest():
        from ftkit.run import check

        run = check(loaded)
    for warning in run.warnings:
        warn(warning)
    _tell(run)
    wrote = _show(run, show, config) if show else False
    kept = [str(split.examples.folder) for split in run.splits.values() if hasattr(split.examples, "folder")]
    written = f"nothing was written but rows that the run will use, to the cache: {kept[0]}" if kept else ""
    nothing = "nothing else was written" if wrote else "nothing was written"
    say(f"The run is possible; {written or nothing}.")


def _tell(run: CheckedRun) -> None:
    """Prints what will be trained, on which rows, and how it is judged."""
    from ftkit.console import say

    say(f"task        {run.task.name} ({run.kind.name})")
    say(f"checkpoint  {run.spec.name}, {run.spec.model_type} of family {run.spec.family}")
    for name, split in run.splits.items():
        rows = f"the first {len(split):,} rows" if split.is_sample else f"{len(split):,} rows"
        say(f"{name:<11} {rows} of {split.source}")
        for line in [*run.kind.describe(split), *filter(None, [run.counted.get(name)])]:
            say(f"{'':<11} {line}")
    if run.told_of_stream is not None:
        say(f"            {run.told_of_stream}.")
    if run.labels is not None:
        names = ", ".join(name.replace("\n", "\\n") for name in run.labels.names[:12])
        more = f" (+{len(run.labels) - 12} more)" if len(run.labels) > 12 else ""
        say(f"labels      {len(run.labels)}: {names}{more}")
    for title, lines in run.kind.told(run.splits, run.config.data).items():
        for place, line in enumerate(lines):
            say(f"{'' if place else title:<11} {line}")
    say(f"metrics     {', '.join(run.metrics)}; the best checkpoint by {run.primary_metric}")


def _show(run: CheckedRun, count: int, config: str) -> bool:
    """Shows rows of train: printed, or drawn into files beside the user. Returns whether there are some."""
    from ftkit.console import say

    if run.kind.sheet is not None:
        path = Path(f"{Path(config).stem}.sheet.png")
        run.kind.sheet(run.splits["train"].examples[:count], run.config.data).save(path)
        say(f"sheet       {path.absolute()}: the first {min(count, len(run.splits['train'])):,} rows of train")
    augmented = _show_augmented(run, count, config)
    if run.kind.sheet is None and not augmented:
        from ftkit.cli.pieces import print_rows
        from ftkit.runs.learnt_pieces import learnt_pieces

        print_rows(learnt_pieces(run, count))
    return augmented or run.kind.sheet is not None


def _show_augmented(run: CheckedRun, count: int, config: str) -> bool:
    """Writes rows as they are and as training will change them into a page beside the user, if it will."""
    from ftkit.console import say
    from ftkit.report.blocks.augmentation import sheet_html
    from ftkit.runs.augmented_rows import first_augmented_rows

    rows = first_augmented_rows(run, count)
    if rows:
        path = Path(f"{Path(config).stem}.augmented.html")
        path.write_text(sheet_html(Path(config).stem, rows), encoding="utf-8")
        say(f"sheet       {path.absolute()}: {len(rows):,} rows of train and what data.augment makes of them")
    return bool(rows)
