"""`ftkit export RUN OUT [--quantize int8] [--data FILE]`."""

from __future__ import annotations

from typing import Annotated

import typer

from ftkit.cli import options


def command(
    run: Annotated[str, typer.Argument(help="A finished run directory.")],
    out: Annotated[str, typer.Argument(help="A folder that does not exist yet, or is empty.")],
    format: Annotated[str, typer.Option(help="onnx.")] = "onnx",
    quantize: Annotated[str | None, typer.Option(help="int8: weights in 8 bits, a quarter of the size.")] = None,
    data: Annotated[
        str | None, typer.Option(help="Rows to compare both on; by default the run's own test data.")
    ] = None,
    base: options.Base = None,
    trust_remote_code: options.TrustRemoteCode = False,
) -> None:
    """Turn a run into an ONNX model, and measure how far its predictions differ from the run's."""
    from ftkit.console import note
    from ftkit.inference.export import export_run

    rows = None if data is None else options.data_source(data)
    report = export_run(
        run,
        out,
        format=format,
        quantize=quantize,
        data=rows,
        base=base,
        trust_remote_code=trust_remote_code,
    )
    share = report["equal_predictions"]
    equal = "" if share is None else f"{share:.1%} of the predictions are equal, "
    note(f"{out}: {run} in ONNX, {report['precision']}, {report['bytes'] / 1e6:.1f} MB")
    note(
        f"  {equal}scores differ by at most {report['max_score_difference']:.2g} over {report['rows']:,} rows of "
        f"{report['compared_on']}"
    )
