from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import report_contents as contents
import yaml
from huggingface_hub import ModelCard
from huggingface_hub.repocard_data import eval_results_to_model_index, model_index_to_eval_results

from ftkit.report.card import write_card
from ftkit.report.content import ReportContent
from ftkit.report.texts import metric_name

CONTENTS = {
    "three labels": lambda: contents.single_label_content(("negative", "neutral", "positive"), num_rows=150),
    "77 labels": lambda: contents.single_label_content(tuple(f"intent_{i}" for i in range(77)), num_rows=900),
    "multi-label": contents.multi_label_content,
    "regression": contents.regression_content,
    "tags": contents.tagging_content,
    "written": contents.translation_content,
    "answers": contents.chat_content,
}


def card_text(tmp_path: Path, content: ReportContent) -> str:
    write_card(tmp_path / "README.md", content)
    return (tmp_path / "README.md").read_text(encoding="utf-8")


def metadata(text: str) -> dict:
    return yaml.safe_load(text.split("---\n")[1])


@pytest.mark.parametrize("name", CONTENTS)
def test_the_hub_reads_the_scores_that_were_given(tmp_path: Path, name: str) -> None:
    content = CONTENTS[name]()
    text = card_text(tmp_path, content)
    card = ModelCard(text)
    assert card.data.library_name == "transformers"
    assert card.data.pipeline_tag == content.kind
    assert card.data.base_model == "distilbert/distilbert-base-uncased"
    assert card.data.base_model_relation == "finetune"
    assert card.data.license is None
    assert card.data.tags == ["ftkit", content.kind]
    assert card.data.eval_results is not None
    found = [
        (result.dataset_split, result.metric_name, result.metric_value, result.metric_args)
        for result in card.data.eval_results
    ]
    assert found == [
        (split.name, metric_name(key), content.results[f"{split.prefix}_{key}"], {"num_rows": len(split)})
        for split in content.evaluated
        for key, value in content.scores(split).items()
        if value is not None
    ]
    assert len(found) >= 2


def test_model_index_round_trip(tmp_path: Path) -> None:
    index = metadata(card_text(tmp_path, contents.single_label_content()))["model-index"]
    name, results = model_index_to_eval_results(index)
    assert name == "support-intents"
    assert {(result.task_type, result.dataset_type, result.dataset_name) for result in results} == {
        ("text-classification", "csv", "train.csv"),
        ("text-classification", "csv", "test.csv"),
    }
    again = model_index_to_eval_results(eval_results_to_model_index(name, results))
    assert again == (name, results)


def test_hub_datasets_are_named(tmp_path: Path) -> None:
    glue = {"hub": "nyu-mll/glue", "name": "sst2"}
    sources = {
        "train": glue | {"split": "train"},
        "validation": glue | {"split": "held out of train"},
        "test": glue | {"split": "validation", "revision": "main"},
    }
    text = card_text(tmp_path, contents.single_label_content(datasets_on_hub=sources))
    assert metadata(text)["datasets"] == ["nyu-mll/glue"]
    datasets = [result["dataset"] for result in metadata(text)["model-index"][0]["results"]]
    assert datasets[1] == {
        "type": "nyu-mll/glue",
        "name": "nyu-mll/glue",
        "config": "sst2",
        "split": "validation",
        "revision": "main",
    }


def test_local_names_stay_out(tmp_path: Path) -> None:
    config = (
        contents.CONFIG.format(
            checkpoint="/home/ana/models/bert",
            train="/home/ana/train.csv",
            test="/home/ana/t.csv",
            output_dir="/home/ana/x",
        )
        + "  logging_first_step: true\n"
    )
    config = config.replace("  seed: 7\n", "  seed: 7\n  deepspeed: /home/ana/ds.json\n").replace(
        "  logging_first_step: true\n", ""
    )
    content = contents.single_label_content(
        checkpoint="/home/ana/models/bert",
        base_on_hub=None,
        config_yaml=config,
        warnings=("/home/ana/train.csv, line 3: cut",),
    )
    for facts in content.results["data"].values():
        facts["source"] = "/home/ana/train.csv"
    text = card_text(tmp_path, content)
    assert "/home" not in text
    assert "ana" not in text
    assert "base_model" not in metadata(text)
    assert "datasets" not in metadata(text)
    assert "fine-tuned from\n`bert` (encoder)" in text
    assert "ds.json" in text
    assert "train.csv, line 3: cut" in text


def test_text_for_people(tmp_path: Path) -> None:
    content = contents.single_label_content(warnings=("2.1% of train is cut.",))
    text = card_text(tmp_path, content)
    accuracy = content.results["test_accuracy"]
    assert f"**Accuracy {accuracy:.4f} on test (320 rows)**" in text
    assert 'run = "support-intents"' in text
    assert "ftkit predict" in text
    assert f"| Accuracy | {accuracy:.4f} | {content.results['eval_accuracy']:.4f} |" in text
    assert "| train.learning_rate | 5e-05 |" in text
    assert "account_access, cancel_order" in text
    assert "2.1% of train is cut." in text
    assert "| packages · torch | 2.13.0 |" in text
    assert "largest difference 1.2e-07" in text


def test_missing_values_are_dashes_and_left_out_of_the_metadata(tmp_path: Path) -> None:
    content = contents.regression_content()
    text = card_text(tmp_path, content)
    assert "| Spearman correlation | – |" in text
    assert "spearmanr" not in text
    nothing = dataclasses.replace(content, results=dict.fromkeys(content.results))
    assert "model-index" not in metadata(card_text(tmp_path, nothing))


def test_a_run_without_evaluation_has_a_card(tmp_path: Path) -> None:
    content = dataclasses.replace(contents.single_label_content(), evaluated=(), log_history=(), results={})
    text = card_text(tmp_path, content)
    assert ModelCard(text).data.eval_results is None
    assert "It has not been evaluated" in text


def test_names_do_not_break_the_markdown(tmp_path: Path) -> None:
    names = ("a|b", "`code`", "<script>", "line\nbreak", "lone \ud800", "yes", "no", "---")
    text = card_text(tmp_path, contents.single_label_content(names, num_rows=200, title="on: *run*"))
    assert r"a\|b, \`code\`, \<script\>, line break" in text
    assert metadata(text)["model-index"][0]["name"] == "on: *run*"
    assert r"# on: \*run\*" in text


def test_many_labels_are_cut(tmp_path: Path) -> None:
    content = contents.single_label_content(tuple(f"label{i}" for i in range(150)), num_rows=900)
    text = card_text(tmp_path, content)
    assert "150 labels, in the order of the model's outputs (the first 100;" in text
    assert "label99." in text
    assert "label100" not in text


def test_equal_content_gives_equal_bytes(tmp_path: Path) -> None:
    assert card_text(tmp_path, contents.multi_label_content()) == card_text(tmp_path, contents.multi_label_content())
