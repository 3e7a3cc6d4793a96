"""`ftkit evaluate RUN --data FILE [--output FILE.json]`."""

from __future__ import annotations

from typing import Annotated

import typer


def command(
    run: Annotated[str, typer.Argument(help="A finished run directory.")],
    data: Annotated[str, typer.Option(help="A labelled file with the columns that the run was trained on.")],
    target: Annotated[
        str | None, typer.Option(help="Where --data is a file of texts to translate: their translations, one a line.")
    ] = None,
    output: Annotated[str | None, typer.Option(help="Write the metrics there as JSON too.")] = None,
) -> None:
    """Score a run on a labelled file."""
    import json

    from ftkit.data.files import atomic_write_json, json_safe
    from ftkit.data.spec import ParallelSource
    from ftkit.startup import quick_start

    source = data if target is None else ParallelSource(source=data, target=target)
    with quick_start():
        from ftkit.api import load

        predictor = load(run)
    metrics = predictor.evaluate(source)
    if output is not None:
        atomic_write_json(output, metrics)
    typer.echo(json.dumps(json_safe(metrics), indent=2, ensure_ascii=False))
