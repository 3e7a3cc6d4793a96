"""`ftkit predict RUN --input FILE --output FILE.jsonl`, or `--text "..."`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ftkit.cli import options
from ftkit.cli.opening import opens_a_run
from ftkit.console import note
from ftkit.errors import UserError

if TYPE_CHECKING:
    from ftkit.inference.write_predictions import Written

Run = Annotated[
    str,
    typer.Argument(
        help="A finished run, what ftkit export made of one, or a fine-tuned checkpoint or PEFT adapter that "
        "ftkit did not make."
    ),
]
Text = Annotated[list[str] | None, typer.Option(help="A text to predict; may be repeated.")]
TextPair = Annotated[list[str] | None, typer.Option(help="The second text of a pair, one for each --text.")]
Input = Annotated[
    str | None,
    typer.Option(
        help="A file: csv, tsv, xlsx, jsonl, json, parquet, txt or conll; an image, a recording or a folder."
    ),
]
Output = Annotated[str | None, typer.Option(help="Where to write; standard output if left out.")]
Format = Annotated[
    str | None, typer.Option(help="jsonl, csv, conll, txt, npy or parquet; by the output's extension if left out.")
]
Precision = Annotated[
    str, typer.Option(help="fp32 repeats the run's predictions; bf16; int8 on a CPU; auto measures fp32 and bf16.")
]
OnBadRow = Annotated[
    Literal["empty", "skip", "error"],
    typer.Option(
        help="Of a row that cannot be predicted, such as an empty text: empty says null and the error in its "
        "place, skip leaves it out, error writes nothing."
    ),
]
SpreadsheetSafe = Annotated[
    bool,
    typer.Option(
        "--spreadsheet-safe/--no-spreadsheet-safe",
        help="In csv, put an apostrophe before texts that a spreadsheet would run, such as =1+1.",
    ),
]
Draw = Annotated[
    str | None,
    typer.Option(
        metavar="FOLDER",
        help="Write every image there, too, with the boxes or the classes that were found drawn into it: boxes of a "
        "score of 0.5 and more, or of --threshold.",
    ),
]
Resume = Annotated[
    bool,
    typer.Option(
        "--resume", help="Keep rows where a call is interrupted, and go on behind the last whole one next time."
    ),
]


@opens_a_run(
    *("num_beams", "max_new_tokens", "task", "columns", "delimiter", "encoding", "header"),
    *("source_lang", "target_lang", "prompt_template", "chat_template", "language", "no_answer"),
    *("labels", "prompts", "threshold", "base", "trust_remote_code"),
)
def command(
    run: Run,
    text: Text = None,
    text_pair: TextPair = None,
    input: Input = None,
    output: Output = None,
    format: Format = None,
    precision: Precision = "fp32",
    on_bad_row: OnBadRow = "empty",
    spreadsheet_safe: SpreadsheetSafe = True,
    resume: Resume = False,
    draw: Draw = None,
    *,
    opening: Mapping[str, Any],
) -> None:
    """Predict texts or the rows of a file: one JSON object a row, in input order."""
    _check_given(text or [], text_pair, input)
    if resume and draw is not None:
        raise UserError("--resume goes on with rows alone: leave --draw out, or predict all rows anew.")
    from ftkit.data.prediction_file import PredictionFile
    from ftkit.speedups.startup import collector_at_rest

    source = None if input is None else options.data_source(input)
    file = PredictionFile(
        path=output, format=format, on_bad_row=on_bad_row, spreadsheet_safe=spreadsheet_safe, resumes=resume
    )
    file.check(source, run)
    with collector_at_rest():
        from ftkit.inference.load import load
        from ftkit.inference.write_predictions import TypedTexts, write_predictions

        predictor = load(run, precision=precision, **opening)
    drawings = None if draw is None else predictor.draw_into(draw)
    given = TypedTexts(text or [], text_pair or []) if source is None else source
    changing = [opening[name] for name in ("num_beams", "max_new_tokens", "columns")]
    changing += [on_bad_row, opening["labels"], opening["prompts"]]
    _tell(write_predictions(predictor, given, file, options=(precision, *changing)), output)
    if drawings is not None:
        note(f"{drawings.num_drawn:,} images drawn into {draw}")


def _check_given(texts: list[str], pairs: list[str] | None, input: str | None) -> None:
    """Refuses a call that names nothing to predict, or two kinds of it.

    Raises:
        UserError: texts and a file, neither, or not as many second texts as first ones.
    """
    from ftkit.errors import UserError

    if bool(texts) == (input is not None):
        raise UserError("predict needs either --text or --input, and not both.")
    if pairs and len(pairs) != len(texts):
        raise UserError(f"--text was given {len(texts)} times, --text-pair {len(pairs)} times; pairs need both.")


def _tell(written: Written, output: str | None) -> None:
    """Tells what was written, and what was changed for the sake of spreadsheets."""
    if written.num_made_safe:
        note(
            f"An apostrophe was put before {written.num_made_safe:,} texts that a spreadsheet would run; "
            "--no-spreadsheet-safe writes them as they are."
        )
    if output is not None:
        note(f"{written.num_rows:,} predictions written to {output}")
