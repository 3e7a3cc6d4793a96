"""Tiny models of every kind of task and family: what tests of tuners train. A cell is a kind and a checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import tiny
from chats import make_talks
from ftkit.adapters.preprocessors.chat_templates import TEMPLATES
from ftkit.adapters.task_adapter import TaskAdapter
from ftkit.data.similarity import SimilarityExample
from ftkit.kinds.candidates import ONE_SCORE
from ftkit.kinds.table import find_kind
from ftkit.models.checkpoint import inspect_checkpoint
from ftkit.models.spec import ModelSpec
from ftkit.tag_schemes import tag_names
from ftkit.types import CandidatesExample, LabelSpace, Split, TextToTextExample, TokenExample, natural_sort
from preferences import make_pairs
from questions import QUESTIONS, make_questions

EXAMPLES = tiny.EXAMPLES[::4]
"""Four texts of four topics, of different lengths."""

TAGGED = (("our team won the cup", "O B-who O O O"), ("cold wind and rain", "B-what I-what O B-what"))

WITH_PROMPTS = ("translation", "summarization")
OPTIONS: dict[str, Mapping[str, Any]] = {
    "mbart": {"source_lang": "en_XX", "target_lang": "de_DE"},
    "nllb": {"source_lang": "eng_Latn", "target_lang": "deu_Latn"},
    "gpt2": {"prompt_template": "{source} is"},
    "llama": {"prompt_template": "{source} is"},
}
"""What a checkpoint needs to translate, and some of it to summarize."""

OPTIONS_OF_KIND: dict[str, Mapping[str, Any]] = {
    kind: {"form": "conversation", "chat_template": TEMPLATES["plain"]}
    for kind in ("text-generation", "preference-tuning")
}

MORE_EXAMPLES: dict[str, list[Any]] = {
    "question-answering": make_questions(QUESTIONS[:3]),
    "fill-mask": list(tiny.make_split(*zip(*EXAMPLES, strict=True)).examples),
    "text-generation": make_talks()[:3],
    "text-ranking": [
        CandidatesExample(0, "rain", ("cold wind and rain", "who stolen my card today"), relevances=(1, 0)),
        CandidatesExample(1, "salt", ("our team won", "my card", "too much salt"), relevances=(0, 0, 1)),
    ],
    "multiple-choice": [
        CandidatesExample(0, "who won", ("our team", "the rain", "salt"), relevances=(1, 0, 0)),
        CandidatesExample(1, "is it cold", ("too much salt", "cold wind and rain"), relevances=(0, 1)),
    ],
    "preference-tuning": make_pairs()[:3],
    "sentence-similarity": [
        SimilarityExample(0, "the cold rain", "cold wind and rain", score=1.0),
        SimilarityExample(1, "the cold rain", "my card", score=0.1),
        SimilarityExample(2, "my card", "who stolen my card today", score=0.9),
    ],
}
"""Kind -> a few labelled examples, beside those of texts, words and pairs."""

DECODERS = {"bert2bert": "bert", "bert2gpt": "gpt2"}
"""Two checkpoints joined: BERT reads, this one writes."""


def make_adapter(
    kind: str,
    name: str,
    checkpoint: Callable[[str], Path],
    *,
    add_tokens: tuple[str, ...] = (),
    max_length: int | None = None,
    **options: Any,
) -> TaskAdapter:
    """Returns the task adapter of a cell.

    Args:
        name: of a checkpoint in `tiny`, or of `DECODERS`.
        checkpoint: gives the folder of a tiny checkpoint.
        options: what the adapter is made with besides.
    """
    joined = DECODERS.get(name)
    folder = str(checkpoint("bert" if joined else name))
    decoder = str(checkpoint(joined)) if joined else None
    spec = inspect_checkpoint(ModelSpec(checkpoint=folder, decoder=decoder, add_tokens=add_tokens or None))
    options = {**(OPTIONS.get(name, {}) if kind in WITH_PROMPTS else OPTIONS_OF_KIND.get(kind, {})), **options}
    return find_kind(kind).task_adapter(spec).make(spec, labels(kind), max_length=max_length, options=options)


def peft_task(kind: str, adapter: TaskAdapter) -> str | None:
    """Returns what peft calls the task of a cell."""
    return find_kind(kind).task_adapter(adapter.spec).peft_task


def labels(kind: str) -> LabelSpace | None:
    """Returns the labels of the examples; none where nothing is chosen from labels."""
    if kind in ("text-ranking", "multiple-choice"):
        return ONE_SCORE
    if kind == "text-classification":
        return LabelSpace(tuple(natural_sort({label for _, label in EXAMPLES})))
    return LabelSpace(tag_names(("what", "who"), "IOB2")) if kind == "token-classification" else None


def make_split(kind: str) -> Split:
    """Returns a few labelled examples."""
    if kind == "text-classification":
        return tiny.make_split(*zip(*EXAMPLES, strict=True))
    if kind == "token-classification":
        rows = [
            TokenExample(id=row, words=tuple(words.split()), tags=tuple(tags.split()), line=row + 1)
            for row, (words, tags) in enumerate(TAGGED)
        ]
        return Split("train", "examples.conll", rows)
    if kind in MORE_EXAMPLES:
        return Split("train", "examples.jsonl", MORE_EXAMPLES[kind])
    pairs = [(text, " ".join(reversed(text.lower().split()))) for text, _ in EXAMPLES]
    return Split("train", "pairs.tsv", [TextToTextExample(row, *pair, line=row + 1) for row, pair in enumerate(pairs)])
