"""`ftkit merge RUN OUT [--data FILE]`."""

from __future__ import annotations

from typing import Annotated

import typer

from ftkit.cli import options


def command(
    run: Annotated[str, typer.Argument(help="The run directory of a trained adapter.")],
    out: Annotated[str, typer.Argument(help="A folder that does not exist yet, or is empty.")],
    data: Annotated[
        str | None, typer.Option(help="Labelled rows to compare both on; by default the run's own validation data.")
    ] = None,
    base: options.Base = None,
    trust_remote_code: options.TrustRemoteCode = False,
) -> None:
    """Add a trained adapter into its base: a plain checkpoint, and how far it differs from the adapter."""
    from ftkit.console import note
    from ftkit.inference.merging import merge_run

    rows = None if data is None else options.data_source(data)
    report = merge_run(run, out, data=rows, base=base, trust_remote_code=trust_remote_code)
    if report["base_was_quantized"]:
        note(f"The base was trained on in {report['base_was_quantized']}; it was merged at full precision.")
    note(f"{out}: {run} merged into {report['base']}")
    note(f"  logits differ by at most {report['max_logit_difference']:.2g} over {report['rows']:,} rows")
    for name in dict.fromkeys((report["primary_metric"], "loss")):
        if f"adapter_{name}" in report:
            note(f"  {name}: {report[f'adapter_{name}']:.4f} with the adapter, {report[f'merged_{name}']:.4f} merged")
