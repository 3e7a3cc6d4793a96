"""Whole runs of token classification: what they leave on disk, and what people do with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import seqeval.metrics
from seqeval.scheme import IOB2

import ftkit
import tiny
from ftkit.data.readers import open_table
from ftkit.errors import ConfigError, FtkitError

SENTENCES = [
    ("our team won the cup", "O B-who O O O"),
    ("the slow team lost the game", "O B-who I-who O O B-what"),
    ("who stolen my card today", "O O O B-what O"),
    ("will the rain stop", "O O B-what O"),
    ("too much salt in the soup", "O O B-what O O B-what"),
    ("cold wind and rain", "B-what I-what O B-what"),
]
SETTINGS = {
    "num_train_epochs": 25,
    "learning_rate": 5e-3,
    "per_device_train_batch_size": 3,
    "use_cpu": True,
}


def conll(sentences: list[tuple[str, str]]) -> str:
    rows = (zip(words.split(), tags.split(), strict=True) for words, tags in sentences)
    return "\n\t\n".join("\n".join(f"{word}\t{tag}" for word, tag in row) for row in rows)


def tagging_config(folder: Path, checkpoint: Path, **data: Any) -> dict[str, Any]:
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("train", "test"):
        (folder / f"{name}.conll").write_text(conll(SENTENCES))
    files = {name: str(folder / f"{name}.conll") for name in ("train", "test")}
    return {
        "task": "token-classification",
        "model": {"checkpoint": str(checkpoint)},
        "data": {**files, **data},
        "train": dict(SETTINGS),
        "output_dir": str(folder / "run"),
    }


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def finished(checkpoint, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tagging")
    return ftkit.train(tagging_config(folder, checkpoint("bert"), validation=str(folder / "test.conll")))


def test_results_say_mode_and_scheme_beside_the_number(finished):
    results = finished.metrics
    assert results["test_f1"] == results["test_conlleval_f1"] == results["test_accuracy"] == 1.0
    assert (results["test_mode"], results["test_scheme"]) == ("strict", "IOB2")
    assert results["eval_f1"] == 1.0
    assert results["test_per_label"]["who"] == {"precision": 1.0, "recall": 1.0, "f1": 1.0, "support": 2}
    assert finished.primary_metric == "f1"
    assert results["proof"]["same_predictions"] is True
    assert results["proof"]["max_difference"] <= 1e-5


def test_predictions_are_the_input_s_words_in_their_order(finished):
    rows = lines(finished.output_dir / "predictions" / "test.jsonl")
    assert [(row["id"], " ".join(row["words"]), " ".join(row["tags"])) for row in rows] == [
        (index, *sentence) for index, sentence in enumerate(SENTENCES)
    ]
    (entity,) = rows[0]["entities"]
    assert entity.pop("score") == pytest.approx(1, abs=0.6)
    assert entity == {"label": "who", "start": 1, "end": 2, "text": "team"}


def test_the_run_records_its_schemes(finished):
    config = ftkit.load_config(finished.output_dir / "ftkit.yaml")
    assert (config.data.source_tag_scheme, config.data.tag_scheme) == ("IOB2", "IOB2")
    assert config.run.adapter_options["scheme"] == "IOB2"


def test_entities_of_a_text_have_character_offsets(finished):
    text = "  The slow team lost, 👍🏽 the game!"
    (found,) = ftkit.load(finished.output_dir, device="cpu").predict([text])
    assert found["words"] == ["The", "slow", "team", "lost", ",", "👍🏽", "the", "game", "!"]
    assert len(found["tags"]) == 9
    for entity in found["entities"]:
        assert text[entity["start"] : entity["end"]] == entity["text"]
    assert "game" in {entity["text"] for entity in found["entities"]}


def test_entities_of_words_have_word_positions(finished):
    predictor = ftkit.load(finished.output_dir, device="cpu")
    found, nothing = predictor.predict([["cold", "wind", "and", "rain"], []])
    assert [(entity["start"], entity["end"], entity["text"]) for entity in found["entities"]] == [
        (0, 2, "cold wind"),
        (3, 4, "rain"),
    ]
    assert nothing == {"words": None, "tags": None, "entities": None, "error": "the sentence is empty"}


def test_parts_of_speech_of_conllu(checkpoint, tmp_path):
    rows = [("the", "DET"), ("slow", "ADJ"), ("team", "NOUN"), ("lost", "VERB")]
    words = [f"{n}\t{word}\t_\t{tag}" + "\t_" * 6 for n, (word, tag) in enumerate(rows, 1)]
    config = tagging_config(tmp_path, checkpoint("bert"), tag_scheme="none")
    (tmp_path / "train.conllu").write_text("\n".join(words) + "\n\n" + "\n".join(words[:2]) + "\n")
    config["data"] |= dict.fromkeys(("train", "test"), str(tmp_path / "train.conllu"))
    config["train"]["num_train_epochs"] = 2
    run = ftkit.train(config)
    assert run.primary_metric == "accuracy"
    assert set(run.metrics["test_per_label"]) == {"ADJ", "DET", "NOUN", "VERB"}
    assert "wrong words" in (run.output_dir / "report.html").read_text(encoding="utf-8")
    (found,) = ftkit.load(run.output_dir, device="cpu").predict(["slow team"])
    assert (found["words"], set(found)) == (["slow", "team"], {"words", "tags"})


def test_predict_writes_a_file_that_a_scorer_reads(finished, tmp_path, command):
    source = finished.output_dir.parent / "test.conll"
    for extra in ([], ["--format", "conll"]):
        output = tmp_path / ("out.txt" if extra else "out.conll")
        code, _, err = command("predict", finished.output_dir, "--input", source, "--output", output, *extra)
        assert code == 0, err
        output.rename(tmp_path / "again.conll")
        expected, found = (
            [list(row.values["tags"]) for row in open_table(str(path)).rows]
            for path in (source, tmp_path / "again.conll")
        )
        assert seqeval.metrics.f1_score(expected, found, mode="strict", scheme=IOB2) == 1.0


def test_predict_reads_words_without_tags_and_texts(finished, tmp_path, command):
    (tmp_path / "words.conll").write_text("cold\nwind\n\nsun\n")
    (tmp_path / "texts.txt").write_text("cold wind\nthe slow team\n")
    for name, num_words in (("words.conll", [2, 1]), ("texts.txt", [2, 3])):
        output = tmp_path / "out.jsonl"
        code, _, err = command("predict", finished.output_dir, "--input", tmp_path / name, "--output", output)
        assert code == 0, err
        assert [len(row["tags"]) for row in lines(output)] == num_words


def test_evaluate_gives_the_scores_of_the_run(finished, command):
    source = finished.output_dir.parent / "test.conll"
    code, out, _ = command("evaluate", finished.output_dir, "--data", source)
    assert code == 0
    scores = json.loads(out)
    assert (scores["f1"], scores["mode"], scores["scheme"], scores["samples"]) == (1.0, "strict", "IOB2", 6)


def test_evaluate_refuses_an_unknown_tag(finished, tmp_path, command):
    (tmp_path / "other.conll").write_text("Anna\tB-PER\n")
    code, _, err = command("evaluate", finished.output_dir, "--data", tmp_path / "other.conll")
    assert code == 2
    assert "the tag 'B-PER' is none that the run knows" in err


def test_report_and_card_speak_of_entities(finished):
    page = (finished.output_dir / "report.html").read_text(encoding="utf-8")
    card = (finished.output_dir / "README.md").read_text(encoding="utf-8")
    assert "token-classification · IOB2 · strict" in page
    assert "By number of entities" in page
    assert "strict IOB2" in card
    assert "AutoModelForTokenClassification.from_pretrained(run)" in card
    assert "its first piece" in card
    assert "pipeline_tag: token-classification" in card


@pytest.mark.parametrize(
    ("model_type", "data", "model"),
    [
        ("gpt2", {"tag_scheme": "BILOU"}, {"attention": "bidirectional"}),
        ("llama", {"max_length": 9, "tag_scheme": "IOBES"}, {}),
        ("t5", {"tag_scheme": "IO", "label_piece": "last"}, {}),
        ("roberta", {"validation": 0.34, "max_length": 10, "window_overlap": 0}, {}),
    ],
)
def test_other_families_schemes_and_windows(model_type, data, model, checkpoint, tmp_path):
    config = tagging_config(tmp_path, checkpoint(model_type), **data)
    config["model"].update(model)
    config["train"]["num_train_epochs"] = 2
    result = ftkit.train(config)
    assert result.metrics["proof"]["same_predictions"] is True
    assert result.metrics["test_scheme"] == data.get("tag_scheme", "IOB2")
    predictor = ftkit.load(result.output_dir, device="cpu")
    assert predictor.adapter.preprocessor.looks_ahead is (model_type != "llama")
    long = " ".join(words for words, _ in SENTENCES)
    (found,) = predictor.predict([long])
    assert found["words"] == long.split()
    assert len(found["tags"]) == len(found["words"])


def test_errors_are_shown_with_their_confidence(checkpoint, tmp_path):
    config = tagging_config(tmp_path, checkpoint("bert"))
    config["train"]["num_train_epochs"] = 1
    result = ftkit.train(config)
    assert result.metrics["test_f1"] < 1
    page = (result.output_dir / "report.html").read_text(encoding="utf-8")
    assert "Most confident errors" in page
    assert "(what)" in page


def test_spans_train_too(checkpoint, tmp_path):
    config = tagging_config(tmp_path, checkpoint("bert"))
    rows = [{"text": "our team won", "label": [[4, 8, "who"]]}, {"text": "cold rain", "label": [[0, 9, "what"]]}] * 2
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    config["data"]["train"] = str(tmp_path / "train.jsonl")
    config["train"]["num_train_epochs"] = 1
    result = ftkit.train(config)
    assert result.metrics["test_samples"] == 6
    scores = ftkit.load(result.output_dir, device="cpu").evaluate(str(tmp_path / "train.jsonl"))
    assert scores["samples"] == 4


# --- what goes wrong ---


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("Anna\tB-PER\nleft\n", "line 2: the word 'left' has no tag"),
        ("Anna\tB-PER\nleft\tO\tx\n", "line 2: 3 columns"),
        ("Anna\tO\n", "train has no entity"),
        ("Anna\tNOUN\n", "the tags are in no scheme that is known"),
    ],
)
def test_bad_files_stop_the_run_and_nothing_is_written(content, message, checkpoint, tmp_path):
    config = tagging_config(tmp_path, checkpoint("bert"))
    Path(config["data"]["train"]).write_text(content)
    with pytest.raises(FtkitError, match=message) as caught:
        ftkit.train(config)
    assert caught.value.exit_code == 2
    assert not Path(config["output_dir"]).exists()


@pytest.mark.parametrize(
    ("model_type", "model", "data", "message"),
    [
        ("bart", {}, {}, "no head for a 'bart' checkpoint in transformers.* It works for bert.*, t5"),
        ("bert", {"attention": "causal"}, {}, "model.attention: .* is of family encoder"),
        ("bert", {}, {"max_length": 2}, "data.max_length: 2 tokens leave no room beside the 2 special tokens"),
    ],
)
def test_what_cannot_be_is_refused(model_type, model, data, message, checkpoint, tmp_path):
    config = tagging_config(tmp_path, checkpoint(model_type), **data)
    config["model"].update(model)
    with pytest.raises(FtkitError, match=message) as caught:
        ftkit.train(config)
    assert caught.value.exit_code == 2
    assert not Path(config["output_dir"]).exists()


def test_attention_is_for_tagging_only(checkpoint, tmp_path):
    config = tagging_config(tmp_path, checkpoint("gpt2"))
    config["task"], config["model"]["attention"] = "text-classification", "bidirectional"
    with pytest.raises(ConfigError, match="model.attention: text-classification reads"):
        ftkit.train(config)


def test_a_slow_tokenizer_is_named_and_aligned_all_the_same(checkpoint, tmp_path, capsys):
    """ByT5's tokenizer is written in Python: bytes, and no table from pieces to words."""
    import torch
    import transformers

    folder = tmp_path / "byt5"
    tokenizer = transformers.ByT5Tokenizer(model_max_length=tiny.MAX_POSITIONS)
    config = transformers.T5Config(
        vocab_size=len(tokenizer), d_model=32, d_kv=16, d_ff=64, num_layers=2, num_heads=2, decoder_start_token_id=0
    )
    torch.manual_seed(0)
    transformers.T5ForConditionalGeneration(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    settings = tagging_config(tmp_path, folder)
    settings["train"]["num_train_epochs"] = 1
    result = ftkit.train(settings)
    shown = " ".join(capsys.readouterr().err.split())
    assert "is a slow one, written in Python" in shown
    assert "save it once" in shown
    (found,) = ftkit.load(result.output_dir, device="cpu").predict(["שלום 👍🏽 café"])
    assert len(found["tags"]) == 3
    assert np.isfinite(result.metrics["test_loss"])


def test_a_word_longer_than_the_model_is_told(checkpoint, tmp_path, capsys):
    config = tagging_config(tmp_path, checkpoint("bert"), max_length=40)
    long = tmp_path / "train.conll"
    long.write_text(conll([*SENTENCES, (f"rain {'qz' * 40}", "B-what O")]))
    config["train"]["num_train_epochs"] = 1
    result = ftkit.train(config)
    assert "14.3% of train (1 row) is a text with a word longer than the model reads" in capsys.readouterr().err
    assert result.metrics["train_truncated_samples"] == 1
