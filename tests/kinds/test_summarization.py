"""Summarization from rows to examples, what is checked, what is asked of a model, and what a score has to beat."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ftkit.config.run_config import load_config
from ftkit.data.problems import Problems
from ftkit.data.readers import ReadOptions, open_table
from ftkit.data.row_cells import check_cells
from ftkit.errors import ConfigError, DataError, UserError
from ftkit.kinds.summarization import KIND, SummarizationData, baselines, running_text, traits
from ftkit.models.checkpoint import inspect_checkpoint
from ftkit.models.spec import ModelSpec
from ftkit.runs.checked_run import check_run
from ftkit.types import Split, TextToTextExample

Checkpoint = Callable[[str], Path]
ARTICLE = "The rain will not stop today. The team won the game. The soup is cold."


def rows_file(folder: Path, *rows: dict[str, Any], name: str = "rows.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def read(path: Path, *, with_labels: bool = True, **data: Any) -> list[TextToTextExample]:
    spec = SummarizationData(train=str(path), **data)
    table = open_table(str(path), ReadOptions())
    return list(KIND.read(table, KIND.task, KIND.columns_of(KIND.task, spec), spec, with_labels=with_labels))


def sides(path: Path, **data: Any) -> list[tuple[str, tuple[str, ...]]]:
    return [(example.source, example.targets) for example in read(path, **data)]


# --- rows -> examples ---


@pytest.mark.parametrize(
    ("text", "summary"),
    [
        ("text", "summary"),
        ("document", "summary"),
        ("article", "highlights"),
        ("dialogue", "abstract"),
        ("source", "target"),
    ],
)
def test_columns_are_found_under_the_names_that_data_sets_use(text: str, summary: str, tmp_path: Path) -> None:
    path = rows_file(tmp_path, {text: "a long text", summary: "short", "id": "x"})
    assert sides(path) == [("a long text", ("short",))]
    assert read(path, with_labels=False, columns={"id": "id"}) == [TextToTextExample("x", "a long text", line=1)]


def test_a_named_column_is_the_only_one(tmp_path: Path) -> None:
    path = rows_file(tmp_path, {"document": "a", "summary": "b", "body": "c"})
    assert sides(path, columns={"text": "body"}) == [("c", ("b",))]
    with pytest.raises(DataError, match=r"there is no column 'boddy' \(data.columns.text\).*Did you mean 'body'"):
        read(path, columns={"text": "boddy"})
    with pytest.raises(DataError, match=r"no column 'summary' \(data.columns.summary\); the columns are 'document'"):
        read(rows_file(tmp_path, {"document": "a"}))


def test_lists_of_sentences_are_texts_and_lists_of_summaries_are_references(tmp_path: Path) -> None:
    path = rows_file(
        tmp_path,
        {"text": ["It rains.", " It pours.\n"], "summary": ["Rain.", "Wet.", "Rain."]},
        {"text": "It rains.", "summary": [["Rain.", "Wet."], "Rain."]},
        {"text": "It rains.", "summary": "Rain."},
    )
    assert sides(path) == [
        ("It rains. It pours.", ("Rain.", "Wet.")),
        ("It rains.", ("Rain. Wet.", "Rain.")),
        ("It rains.", ("Rain.",)),
    ]
    as_sentences = rows_file(tmp_path, {"text": "It rains.", "summary": ["Rain.", "Wet."]})
    assert sides(as_sentences, summary_lists="sentences") == [("It rains.", ("Rain. Wet.",))]


def test_lists_that_were_printed_into_csv_are_lists(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("text,summary\n\"['It rains.', 'It pours.']\",\"['Rain.', 'Wet.']\"\n")
    assert sides(tmp_path / "rows.csv") == [("It rains. It pours.", ("Rain.", "Wet."))]
    assert running_text("[1] a citation, no list") == "[1] a citation, no list"


def test_cells_that_are_no_texts_are_told_by_row(tmp_path: Path) -> None:
    path = rows_file(
        tmp_path,
        {"text": {"a": 1}, "summary": "b"},
        {"text": [["deep"]], "summary": "b"},
        {"text": "a", "summary": {"x": 1}},
    )
    problems = Problems()
    check_cells(Split("train", str(path), read(path)), problems)
    told = "\n".join(problems.messages)
    assert "column 'text' holds an object" in told
    assert "column 'text' holds a list in a list" in told
    assert "column 'summary' holds an object" in told


# --- checks ---


def config(folder: Path, checkpoint: Path, *rows: dict[str, Any], **changes: Any) -> Any:
    path = str(rows_file(folder, *rows))
    values: dict[str, Any] = {
        "task": "summarization",
        "model": {"checkpoint": str(checkpoint)},
        "data": {"train": path},
        "output_dir": str(folder / "run"),
    }
    return load_config(values, {key.replace("__", "."): value for key, value in changes.items()})


GOOD = [{"text": f"{ARTICLE} {number}", "summary": f"Rain {number}"} for number in range(12)]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([*GOOD, {"text": " ", "summary": "x"}], r"train: the text is empty(.|\n)*line 13"),
        ([*GOOD, {"text": ARTICLE, "summary": ""}], r"train: the summary is empty(.|\n)*line 13"),
        (
            [{"text": row["summary"], "summary": row["text"]} for row in GOOD],
            r"the summary is longer than the text in 12 of 12",
        ),
        ([{"text": ARTICLE + str(n), "summary": ARTICLE + str(n)} for n in range(12)], r"identical in 12 of 12"),
    ],
)
def test_bad_rows_stop_a_run_by_their_place(
    rows: list[dict[str, Any]], message: str, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=message):
        check_run(config(tmp_path, checkpoint("t5"), *rows))


def test_keys_and_settings_that_mean_nothing(checkpoint: Checkpoint, tmp_path: Path) -> None:
    for changes, message in (
        ({"data__source_lang": "en"}, r"data.source_lang: a key of 'translation'"),
        ({"data__rouge_references": "best"}, r"data.rouge_references: .*'max', 'mean'"),
        ({"data__summary_lists": "x"}, r"data.summary_lists: .*'references', 'sentences'"),
        ({"train__class_weights": "balanced"}, r"train.class_weights: "),
        ({"metrics": ["ter"]}, r"'ter' is for translation"),
    ):
        with pytest.raises(UserError, match=message):
            check_run(config(tmp_path, checkpoint("t5"), *GOOD, **changes))
    with pytest.raises(ConfigError, match=r"summarization does not work with .*family encoder(.|\n)*model.decoder"):
        check_run(config(tmp_path, checkpoint("bert"), *GOOD))


# --- what a model is asked ---


def adapter_of(folder: Path, **data: Any) -> Any:
    spec = inspect_checkpoint(ModelSpec(checkpoint=str(folder)))
    from ftkit.kinds.kind import Settings

    options = KIND.adapter_options(Split("train", "x", []), None, SummarizationData(train="x", **data), Settings())
    return KIND.task_adapter(spec).make(spec, None, options=options)


def with_config(folder: Path, source: Path, **changes: Any) -> Path:
    import shutil

    shutil.copytree(source, folder)
    values = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**values, **changes}))
    return folder


T5_TASK = {"prefix": "add ", "no_repeat_ngram_size": 3, "length_penalty": 2.0, "min_length": 30, "num_beams": 4}


def test_t5_reads_its_prefix_and_keeps_its_search(checkpoint: Checkpoint, tmp_path: Path) -> None:
    folder = with_config(tmp_path / "t5", checkpoint("t5"), task_specific_params={"summarization": T5_TASK})
    adapter = adapter_of(folder)
    reads = adapter.preprocessor
    ids = reads.encode([TextToTextExample(0, "card")], targets=False).rows[0]["input_ids"]
    assert reads.processor.convert_ids_to_tokens(ids) == ["▁add", "▁card", "</s>"]
    reads.fit([TextToTextExample(0, "card", "rain")])
    model = adapter.objective.build().model
    assert (model.generation_config.no_repeat_ngram_size, model.generation_config.length_penalty) == (3, 2.0)
    facts = adapter.objective.facts(model)["generation"]
    assert facts == {"num_beams": 4, "max_new_tokens": 3, "length_penalty": 2.0, "no_repeat_ngram_size": 3}
    own = adapter_of(folder, prompt_template="the {source}").preprocessor
    ids = own.encode([TextToTextExample(0, "card")], targets=False).rows[0]["input_ids"]
    assert own.processor.convert_ids_to_tokens(ids) == ["▁the", "▁card", "</s>"]


def test_what_a_run_says_wins_over_the_checkpoint(checkpoint: Checkpoint, tmp_path: Path) -> None:
    folder = with_config(tmp_path / "t5", checkpoint("t5"), task_specific_params={"summarization": T5_TASK})
    spec = inspect_checkpoint(ModelSpec(checkpoint=str(folder)))
    options = {"pretrained_task": "summarization", "generation": {"no_repeat_ngram_size": 2}, "max_new_tokens": 5}
    model = KIND.task_adapter(spec).make(spec, None, options=options).objective.build().model
    assert (model.generation_config.no_repeat_ngram_size, model.generation_config.length_penalty) == (2, 2.0)


def test_a_chat_model_is_asked_for_a_summary_and_a_plain_decoder_needs_a_template(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    import shutil

    folder = tmp_path / "chat"
    shutil.copytree(checkpoint("llama"), folder)
    (folder / "chat_template.jinja").write_text(
        "{{ messages[0].content }} win{% if add_generation_prompt %} game{% endif %}"
    )
    prompts = adapter_of(folder).preprocessor.prompts
    assert prompts.before.startswith("Summarize the following text.")
    assert prompts.after == " win game"
    with pytest.raises(ConfigError, match=r"where a source ends and its target begins.\nFix: .*TL;DR:"):
        adapter_of(checkpoint("llama"))


# --- beside the score ---


def test_the_first_sentences_are_what_a_model_has_to_beat() -> None:
    rows = [TextToTextExample(n, ARTICLE, "Rain.", other_targets=("It rains. Again.",)) for n in range(3)]
    split = Split("test", "x", rows)
    assert baselines(None, split) == {
        "lead_2": ["The rain will not stop today.\nThe team won the game."] * 3,
        "lead_3": ["The rain will not stop today.\nThe team won the game.\nThe soup is cold."] * 3,
    }
    one = Split("test", "x", [TextToTextExample(0, ARTICLE, "Rain.")])
    assert baselines(None, one) == {"lead_1": ["The rain will not stop today."]}


def test_traits_say_how_new_and_how_long_summaries_are() -> None:
    split = Split(
        "test", "x", [TextToTextExample(0, "a cat sat", "a cat", ("cat",)), TextToTextExample(1, "x y", "z")]
    )
    assert traits(split, ["a cat sat down", "x y"]) == {
        "novel_bigrams": pytest.approx((1 / 3 + 0) / 2),
        "words": 3.0,
        "reference_words": pytest.approx(4 / 3),
    }
