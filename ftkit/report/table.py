"""All that a kind can name for its report: a new part is a file and a row here, loaded when it is needed."""

BLOCKS: dict[str, str] = {
    "label-f1": "ftkit.report.blocks.label_f1:BLOCK",
    "reliability": "ftkit.report.blocks.reliability:BLOCK",
    "scatter": "ftkit.report.blocks.scatter:BLOCK",
    "error-histogram": "ftkit.report.blocks.error_histogram:BLOCK",
    "confusion": "ftkit.report.blocks.confusion:BLOCK",
    "label-scores": "ftkit.report.blocks.label_scores:BLOCK",
    "label-errors": "ftkit.report.blocks.label_errors:BLOCK",
    "image-errors": "ftkit.report.blocks.image_errors:BLOCK",
    "label-set-errors": "ftkit.report.blocks.label_set_errors:BLOCK",
    "number-errors": "ftkit.report.blocks.number_errors:BLOCK",
    "tag-errors": "ftkit.report.blocks.tag_errors:BLOCK",
    "entity-errors": "ftkit.report.blocks.entity_errors:BLOCK",
    "text-errors": "ftkit.report.blocks.text_errors:BLOCK",
    "choice-errors": "ftkit.report.blocks.choice_errors:BLOCK",
    "similarity-errors": "ftkit.report.blocks.similarity_errors:BLOCK",
    "search-ranks": "ftkit.report.blocks.searches:RANKS",
    "search-errors": "ftkit.report.blocks.searches:ERRORS",
    "rank-histogram": "ftkit.report.blocks.rankings:HISTOGRAM",
    "ranking-errors": "ftkit.report.blocks.rankings:ERRORS",
    "summary-errors": "ftkit.report.blocks.summaries:ERRORS",
    "summary-lengths": "ftkit.report.blocks.summaries:LENGTHS",
    "hard-texts": "ftkit.report.blocks.hard_texts:BLOCK",
    "no-answer-curve": "ftkit.report.blocks.no_answer_curve:BLOCK",
    "answer-errors": "ftkit.report.blocks.answer_errors:BLOCK",
    "answers": "ftkit.report.blocks.answers:BLOCK",
    "margin-curve": "ftkit.report.blocks.margin_curve:BLOCK",
    "worst-pairs": "ftkit.report.blocks.worst_pairs:BLOCK",
    "transcript-errors": "ftkit.report.blocks.transcript_errors:BLOCK",
}
"""What the page shows of predictions: name -> where the `Block` is."""

READINGS: dict[str, str] = {
    "any": "ftkit.report.readings.any:READING",
    "label": "ftkit.report.readings.label:READING",
    "label-set": "ftkit.report.readings.label_set:READING",
    "number": "ftkit.report.readings.number:READING",
    "tags": "ftkit.report.readings.tags:READING",
    "entities": "ftkit.report.readings.entities:READING",
    "text": "ftkit.report.readings.text:READING",
    "choice": "ftkit.report.readings.choice:READING",
    "ranking": "ftkit.report.readings.ranking:READING",
    "similarity": "ftkit.report.readings.similarity:READING",
    "search": "ftkit.report.readings.search:READING",
    "tokens": "ftkit.report.readings.tokens:READING",
    "answer": "ftkit.report.readings.answer:READING",
    "summary": "ftkit.report.readings.summary:READING",
    "reply": "ftkit.report.readings.reply:READING",
    "transcript": "ftkit.report.readings.transcript:READING",
}
"""How predictions are told in words: name -> where the `Reading` is."""

USAGES: dict[str, str] = {
    "load": "ftkit.report.usage.load:USAGE",
    "classify": "ftkit.report.usage.classify:USAGE",
    "see": "ftkit.report.usage.see:USAGE",
    "hear": "ftkit.report.usage.hear:USAGE",
    "transcribe": "ftkit.report.usage.transcribe:USAGE",
    "tag": "ftkit.report.usage.tag:USAGE",
    "write": "ftkit.report.usage.write:USAGE",
    "rank": "ftkit.report.usage.rank:USAGE",
    "fill": "ftkit.report.usage.fill:USAGE",
    "embed": "ftkit.report.usage.embed:USAGE",
    "answer": "ftkit.report.usage.answer:USAGE",
    "chat": "ftkit.report.usage.chat:USAGE",
}
"""How a card's code uses a model: name -> where the `Usage` is."""
