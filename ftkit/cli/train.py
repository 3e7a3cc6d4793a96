"""`ftkit train CONFIG [key=value ...]`."""

from __future__ import annotations

from typing import Annotated

import typer


def command(
    config: Annotated[str, typer.Argument(help="A YAML file, such as task_configs/quickstart.yaml.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Such as train.learning_rate=1e-4.")
    ] = None,
) -> None:
    """Check, train, evaluate, save and prove one run.

    `accelerate launch [...] -m ftkit train CONFIG` is the same run on several processes.
    """
    from ftkit.startup import quick_start

    with quick_start():
        _train(config, overrides or [])


def _train(config: str, overrides: list[str]) -> None:
    from ftkit.config import load_config, parse_overrides

    loaded = load_config(config, parse_overrides(overrides))

    from ftkit.console import console
    from ftkit.report.summary import summary
    from ftkit.run import execute

    result = execute(loaded)
    console(stderr=False).print(
        summary(result.output_dir, result.metrics, result.primary_metric, result.example), markup=False
    )
