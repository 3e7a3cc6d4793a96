"""`ftkit tasks`: what works is tried, and what does not says why."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ftkit.kinds.table import find_kind, kind_names
from ftkit.kinds.tuner_table import Cell, tuner_table
from ftkit.tuners.spec import METHODS
from ftkit.types import Family

Command = Callable[..., tuple[int, str, str]]
TABLE: dict[str, list[Family]] = {kind: list(find_kind(kind).task_adapters) for kind in kind_names()}
VIRTUAL_TOKENS = ("prefix", "prompt", "p-tuning")
WITH_CLASSIFIER = ("text-classification", "multiple-choice", "text-ranking")
NOT_FOR = {
    **{("prefix", kind): {"encoder", "decoder", "encoder-decoder"} for kind in WITH_CLASSIFIER},
    **{("prompt", kind): {"decoder", "encoder-decoder"} for kind in WITH_CLASSIFIER},
    **{("p-tuning", kind): {"decoder", "encoder-decoder"} for kind in WITH_CLASSIFIER},
    ("prefix", "token-classification"): {"encoder", "encoder-decoder"},
    ("prompt", "token-classification"): {"encoder-decoder"},
    ("p-tuning", "token-classification"): {"encoder-decoder"},
    ("prefix", "question-answering"): {"encoder", "encoder-decoder"},
    ("prompt", "question-answering"): {"encoder", "encoder-decoder"},
    ("p-tuning", "question-answering"): {"encoder", "encoder-decoder"},
    **{("head-only", kind): {"decoder", "encoder-decoder"} for kind in ("translation", "summarization")},
    ("head-only", "fill-mask"): {"encoder"},
    **{(method, "sentence-similarity"): {"encoder", "decoder"} for method in (*VIRTUAL_TOKENS, "head-only")},
    **{
        (method, kind): {"encoder"}
        for kind in ("image-classification", "image-segmentation", "fill-mask")
        for method in VIRTUAL_TOKENS
    },
    **{("head-only", kind): {"decoder"} for kind in ("text-generation", "preference-tuning")},
    **{(method, "automatic-speech-recognition"): {"encoder", "encoder-decoder"} for method in VIRTUAL_TOKENS},
    ("head-only", "automatic-speech-recognition"): {"encoder-decoder"},
    **{(method, "image-text-to-text"): {"decoder", "encoder-decoder"} for method in (*VIRTUAL_TOKENS, "head-only")},
    **{(method, "object-detection"): {"encoder", "encoder-decoder"} for method in VIRTUAL_TOKENS},
    **{(method, "audio-classification"): {"encoder", "encoder-decoder"} for method in VIRTUAL_TOKENS},
    **{(method, "zero-shot-image-classification"): {"dual-encoder"} for method in (*VIRTUAL_TOKENS, "head-only")},
    # T5 stands for encoder-decoders here, and has no biases.
    **{
        ("bitfit", kind): {"encoder-decoder"}
        for kind, families in TABLE.items()
        if find_kind(kind).reads == "text" and "encoder-decoder" in families
    },
}


def test_every_combination_is_tried_and_these_do_not_work() -> None:
    cells = list(tuner_table())
    assert len(cells) == len(METHODS) * sum(len(row) for row in TABLE.values())
    refused: dict[tuple[str, str], set[str]] = {}
    for cell in cells:
        if cell.why_not is not None:
            refused.setdefault((cell.method, cell.kind), set()).add(cell.family)
    assert refused == NOT_FOR


def test_a_method_that_breaks_is_no_yes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table is computed: an error that is no message of ours comes through."""

    def broken(*arguments: object, **options: object) -> None:
        raise RuntimeError("the forward pass failed")

    monkeypatch.setattr("ftkit.tuners.apply.apply_tuner", broken)
    with pytest.raises(RuntimeError, match="the forward pass failed"):
        next(tuner_table())


def test_the_command_shows_kinds_and_tuners(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, _ = command("tasks")
    assert code == 0
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in out.splitlines() if "│" in line]
    assert ["text-classification", "text", "yes", "yes", "yes", "no"] in rows
    assert ["translation", "text", "no", "yes", "yes", "no"] in rows
    assert ["zero-shot-image-classification", "image+text", "no", "no", "no", "yes"] in rows
    assert "dora" not in out
    cells = [
        Cell("lora", kind, family, None if family == "encoder" else f"tuner: not for a {family}.")
        for kind, row in TABLE.items()
        for family in row
    ]
    monkeypatch.setattr("ftkit.kinds.tuner_table.tuner_table", lambda: iter(cells))
    code, out, _ = command("tasks", "--tuners")
    assert code == 0
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in out.splitlines() if "│" in line]
    row = next(cells for cells in rows if cells[0] == "lora")
    assert row[1].startswith("low-rank")
    assert row[2].startswith("but for text-classification")
    assert [next(cells for cells in rows if cells[0] == "full")[place] for place in (0, 2)] == ["full", "everywhere"]
    said = " ".join(out.split())
    decoders = ", ".join(f"{kind} (decoder)" for kind, families in TABLE.items() if "decoder" in families)
    assert f"lora, {decoders}: not for a decoder." in said
