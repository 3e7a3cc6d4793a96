"""`ftkit predict RUN --input FILE --output FILE.jsonl`, or `--text "..."`."""

from __future__ import annotations

import contextlib
from typing import Annotated, Any, Literal

import typer

from ftkit.cli import options


def command(
    run: Annotated[
        str,
        typer.Argument(
            help="A finished run, what ftkit export made of one, or a fine-tuned checkpoint or PEFT adapter that "
            "ftkit did not make."
        ),
    ],
    text: Annotated[list[str] | None, typer.Option(help="A text to predict; may be repeated.")] = None,
    text_pair: Annotated[
        list[str] | None, typer.Option(help="The second text of a pair, one for each --text.")
    ] = None,
    input: Annotated[
        str | None,
        typer.Option(
            help="A file: csv, tsv, xlsx, jsonl, json, parquet, txt or conll; an image, a recording or a folder."
        ),
    ] = None,
    output: Annotated[str | None, typer.Option(help="Where to write; standard output if left out.")] = None,
    format: Annotated[
        str | None, typer.Option(help="jsonl, csv, conll, txt, npy or parquet; by the output's extension if left out.")
    ] = None,
    precision: Annotated[
        str, typer.Option(help="fp32 repeats the run's predictions; bf16; int8 on a CPU; auto measures fp32 and bf16.")
    ] = "fp32",
    on_bad_row: Annotated[
        Literal["empty", "skip", "error"],
        typer.Option(
            help="Of a row that cannot be predicted, such as an empty text: empty says null and the error in its "
            "place, skip leaves it out, error writes nothing."
        ),
    ] = "empty",
    spreadsheet_safe: Annotated[
        bool,
        typer.Option(
            "--spreadsheet-safe/--no-spreadsheet-safe",
            help="In csv, put an apostrophe before texts that a spreadsheet would run, such as =1+1.",
        ),
    ] = True,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Keep rows where a call is interrupted, and go on behind the last whole one next time."
        ),
    ] = False,
    num_beams: options.NumBeams = None,
    max_new_tokens: options.MaxNewTokens = None,
    task: options.Task = None,
    columns: options.Columns = None,
    delimiter: options.Delimiter = None,
    encoding: options.Encoding = None,
    header: options.Header = None,
    source_lang: options.SourceLang = None,
    target_lang: options.TargetLang = None,
    prompt_template: options.PromptTemplate = None,
    chat_template: options.ChatTemplate = None,
    language: options.Language = None,
    no_answer: options.NoAnswer = False,
    labels: options.Labels = None,
    prompts: options.Prompts = None,
    base: options.Base = None,
    trust_remote_code: options.TrustRemoteCode = False,
) -> None:
    """Predict texts or the rows of a file: one JSON object a row, in input order."""
    from ftkit.errors import DataError, UserError

    if bool(text) == (input is not None):
        raise UserError("predict needs either --text or --input, and not both.")
    if text_pair and len(text_pair) != len(text or []):
        raise UserError(
            f"--text was given {len(text or [])} times, --text-pair {len(text_pair)} times; pairs need both."
        )

    roles = options.role_columns(columns)
    from ftkit.console import is_main_process, note
    from ftkit.data.outputs import check_output
    from ftkit.data.resumable import resumable_writer
    from ftkit.data.writers import VECTORS, Unwritten, Writer, format_of, open_writer
    from ftkit.progress import each
    from ftkit.speedups.startup import collector_at_rest

    source = None if input is None else options.data_source(input)
    check_output(output, sources=[source], run=run)
    if resume:
        _check_resumable(source, output, format, on_bad_row)
    with collector_at_rest():
        from ftkit.engine.evaluation import agreed
        from ftkit.inference.load import load

        predictor = load(
            run,
            precision=precision,
            num_beams=num_beams,
            max_new_tokens=max_new_tokens,
            task=task,
            columns=roles,
            delimiter=options.delimiter_character(delimiter),
            encoding=encoding,
            header=options.truth(header),
            source_lang=source_lang,
            target_lang=target_lang,
            prompt_template=options.prompt_text(prompt_template),
            chat_template=chat_template,
            language=language,
            no_answer=no_answer or None,
            labels=options.label_names(labels),
            prompts=prompts,
            base=base,
            trust_remote_code=trust_remote_code,
        )
    if format_of(output, format) == VECTORS:
        predictor.give_vectors()
    columns_at_end = ("error",) if on_bad_row == "empty" else ()
    with contextlib.ExitStack() as stack:
        num_done = 0
        writer: Writer = Unwritten()
        if resume and output is not None and is_main_process():
            facts = _facts(predictor, source, precision, num_beams, max_new_tokens, roles, on_bad_row, labels, prompts)
            writer, num_done = stack.enter_context(resumable_writer(output, facts))
        elif is_main_process():
            writer = stack.enter_context(
                open_writer(output, format, columns=columns_at_end, spreadsheet_safe=spreadsheet_safe)
            )
        if source is not None:
            num_done = agreed(num_done)
            rows = each(
                predictor.predict_source(source, on_bad_row=on_bad_row, num_done=num_done), f"predicting {source}"
            )
        else:
            texts = text or []
            inputs = list(zip(texts, text_pair, strict=True)) if text_pair else list(map(predictor.kind.typed, texts))
            rows = iter(predictor.predict(inputs, on_bad_row=on_bad_row))
        if num_done:
            note(f"going on behind the {num_done:,} rows that are there")
        count = num_bad = 0
        for count, row in enumerate(rows, 1):  # noqa: B007
            writer.write(row)
            num_bad += "error" in row
        if count == num_bad and not num_done:
            fix = " Fix: give what is more than one text as --text and --text-pair, or as rows of a file: --input."
            raise DataError(
                f"No row of {input or 'the texts'} can be predicted; see the warning above."
                + ("" if input or text_pair else fix)
            )
        count += num_done
    if made_safe := writer.num_made_safe:
        note(
            f"An apostrophe was put before {made_safe:,} texts that a spreadsheet would run; --no-spreadsheet-safe "
            "writes them as they are."
        )
    if output is not None:
        note(f"{count:,} predictions written to {output}")


def _check_resumable(source: Any, output: str | None, format: str | None, on_bad_row: str) -> None:
    """Refuses what cannot be gone on with, before a model is loaded.

    Raises:
        UserError: there is no file to read or to add to, or its rows do not say which ones of the input they are.
    """
    from ftkit.data.resumable import check_resumable
    from ftkit.errors import UserError

    if source is None or output is None or output == "-":
        raise UserError("--resume needs --input and --output: the rows that are there are those of a file.")
    if on_bad_row == "skip":
        raise UserError(
            "--resume: with --on-bad-row skip nobody can tell how many rows of the input are done. Use empty: such "
            "rows say what is wrong with them."
        )
    if format not in (None, "jsonl"):
        raise UserError(f"--resume: rows are added to JSON lines only, got --format {format}. Leave --format out.")
    check_resumable(output)


def _facts(predictor: Any, source: Any, *options_: Any) -> dict[str, Any]:
    """Returns what predictions follow from."""
    from ftkit.data.readers import fingerprint
    from ftkit.models.fingerprint import folder_fingerprint, graph_fingerprint
    from ftkit.version import __version__

    return {
        "input": fingerprint(source),
        "run": folder_fingerprint(predictor.folder) + graph_fingerprint(predictor.folder),
        "options": repr(options_),
        "data": predictor.config.data.model_dump(mode="json"),
        "ftkit": __version__,
    }
