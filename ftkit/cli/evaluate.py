"""`ftkit evaluate RUN --data FILE [--output FILE.json]`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from ftkit.cli import options
from ftkit.cli.opening import OPENING_OPTIONS, opens_a_run


@opens_a_run(*OPENING_OPTIONS)
def command(
    run: Annotated[
        str, typer.Argument(help="A finished run, or a fine-tuned checkpoint or PEFT adapter that ftkit did not make.")
    ],
    data: Annotated[str, typer.Option(help="A labelled file with the columns that the run was trained on.")],
    target: Annotated[
        str | None, typer.Option(help="Where --data is a file of texts to translate: their translations, one a line.")
    ] = None,
    output: Annotated[str | None, typer.Option(help="Write the metrics there as JSON too.")] = None,
    *,
    opening: Mapping[str, Any],
) -> None:
    """Score a run, or a checkpoint that ftkit did not make, on a labelled file."""
    from ftkit.console import say_json
    from ftkit.data.files import atomic_write_json, json_safe
    from ftkit.data.outputs import check_output
    from ftkit.data.spec import ParallelSource
    from ftkit.errors import UserError
    from ftkit.speedups.startup import collector_at_rest

    source = options.data_source(data) if target is None else ParallelSource(source=data, target=target)
    output = None if output == "-" else output  # scores go to standard output anyway
    check_output(output, sources=[source], run=run)
    if output is not None and Path(output).suffix.lower() not in ("", ".json"):
        raise UserError(
            f"--output {output}: scores are written as JSON. Name it {Path(output).with_suffix('.json').name}; "
            "`ftkit predict` writes tables."
        )
    with collector_at_rest():
        from ftkit.inference.load import load

        predictor = load(run, **opening)
    scores = predictor.evaluate(source)
    if output is not None:
        atomic_write_json(output, scores)
    say_json(json_safe(scores))
