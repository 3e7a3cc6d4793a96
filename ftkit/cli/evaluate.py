"""`ftkit evaluate RUN --data FILE [--output FILE.json]`."""

from __future__ import annotations

from typing import Annotated

import typer

from ftkit.cli import options


def command(
    run: Annotated[
        str, typer.Argument(help="A finished run, or a fine-tuned checkpoint or PEFT adapter that ftkit did not make.")
    ],
    data: Annotated[str, typer.Option(help="A labelled file with the columns that the run was trained on.")],
    target: Annotated[
        str | None, typer.Option(help="Where --data is a file of texts to translate: their translations, one a line.")
    ] = None,
    output: Annotated[str | None, typer.Option(help="Write the metrics there as JSON too.")] = None,
    metrics: options.Metrics = None,
    num_beams: options.NumBeams = None,
    max_new_tokens: options.MaxNewTokens = None,
    task: options.Task = None,
    columns: options.Columns = None,
    delimiter: options.Delimiter = None,
    encoding: options.Encoding = None,
    positive_label: options.PositiveLabel = None,
    header: options.Header = None,
    source_lang: options.SourceLang = None,
    target_lang: options.TargetLang = None,
    prompt_template: options.PromptTemplate = None,
    chat_template: options.ChatTemplate = None,
    documents: options.Documents = None,
    no_answer: options.NoAnswer = False,
    answer_language: options.AnswerLanguage = None,
    language: options.Language = None,
    max_length: options.MaxLength = None,
    normalize: options.Normalize = None,
    labels: options.Labels = None,
    prompts: options.Prompts = None,
    base: options.Base = None,
    trust_remote_code: options.TrustRemoteCode = False,
) -> None:
    """Score a run, or a checkpoint that ftkit did not make, on a labelled file."""
    from ftkit.console import say_json
    from ftkit.data.files import atomic_write_json, json_safe
    from ftkit.data.outputs import check_output
    from ftkit.data.spec import ParallelSource
    from ftkit.speedups.startup import collector_at_rest

    source = options.data_source(data) if target is None else ParallelSource(source=data, target=target)
    roles, names = options.role_columns(columns), options.metric_names(metrics)
    check_output(output, sources=[source], run=run)
    with collector_at_rest():
        from ftkit.inference.load import load

        predictor = load(
            run,
            task=task,
            metrics=names,
            num_beams=num_beams,
            max_new_tokens=max_new_tokens,
            columns=roles,
            delimiter=options.delimiter_character(delimiter),
            encoding=encoding,
            positive_label=positive_label,
            header=options.truth(header),
            source_lang=source_lang,
            target_lang=target_lang,
            prompt_template=options.prompt_text(prompt_template),
            chat_template=chat_template,
            documents=documents,
            no_answer=no_answer or None,
            answer_language=answer_language,
            language=language,
            max_length=max_length,
            normalize=normalize,
            labels=options.label_names(labels),
            prompts=prompts,
            base=base,
            trust_remote_code=trust_remote_code,
        )
    scores = predictor.evaluate(source)
    if output is not None:
        atomic_write_json(output, scores)
    say_json(json_safe(scores))
