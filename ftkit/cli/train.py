"""`ftkit train CONFIG [key=value ...]`."""

from __future__ import annotations

from typing import Annotated

import typer

from ftkit.cli import options


def command(
    config: Annotated[str, typer.Argument(help="A YAML file, such as task_configs/quickstart.yaml.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Such as train.learning_rate=1e-4.")
    ] = None,
    trust_remote_code: options.TrustRemoteCode = False,
) -> None:
    """Check, train, evaluate, save and prove one run.

    `accelerate launch [...] -m ftkit train CONFIG` is the same run on several processes.
    """
    from ftkit.engine.ranks import ending_together
    from ftkit.speedups.startup import collector_at_rest

    with collector_at_rest(), ending_together():
        _train(config, overrides or [], trust_remote_code)


def _train(config: str, overrides: list[str], trust_remote_code: bool) -> None:
    from ftkit.config.run_config import load_config, parse_overrides
    from ftkit.runs.trust import check_code_is_trusted

    given = parse_overrides(overrides)
    loaded = load_config(config, given)
    check_code_is_trusted(config, loaded, given, trust_remote_code=trust_remote_code)

    from ftkit.console import say
    from ftkit.report.summary import summary
    from ftkit.run import execute, push_finished

    result = execute(loaded)
    say(summary(result.output_dir, result.metrics, result.primary_metric, result.example))
    pushed = push_finished(loaded, result)
    if pushed is not None:
        say(f"  {'pushed':<11}{pushed.url} ({len(pushed.uploaded)} files)\n")
