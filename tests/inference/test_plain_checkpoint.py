"""Checkpoints that ftkit did not make: predictions are those of plain transformers, scores those of other scorers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

import ftkit
from ftkit.errors import CheckpointError, ConfigError, DataError, UserError
from ftkit.tag_schemes import conlleval_entities, tags_of
from plain import NAMES, TEXTS, plain, saved
from runs import TAGGED
from tiny import EXAMPLES
from untrusted import change_json

Checkpoint = Callable[[str], Path]
TAGS = ("O", "B-who", "I-who", "B-what", "I-what")


def logits(folder: Path, text: Any) -> torch.Tensor:
    model, tokenizer = plain(folder, "SequenceClassification")
    with torch.inference_mode():
        return model(**tokenizer(*([text] if isinstance(text, str) else text), return_tensors="pt")).logits[0]


def write_rows(path: Path, rows: Sequence[Sequence[Any]], header: str = "text,label") -> Path:
    import csv

    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header.split(","))
        writer.writerows(rows)
    return path


# --- text classification ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "model_type",
    ["bert", "distilbert", "roberta", "deberta-v2", "modernbert", "albert", "electra", "gpt2", "llama", "t5", "bart"],
)
def test_a_classifier_predicts_as_the_pipeline_does(model_type: str, checkpoint: Checkpoint, tmp_path: Path) -> None:
    from transformers import pipeline

    folder = saved("SequenceClassification", checkpoint(model_type), tmp_path / "model", NAMES)
    predictor = ftkit.load(folder)
    assert predictor.labels is not None
    assert predictor.labels.names == NAMES
    expected = pipeline("text-classification", model=str(folder), top_k=None, device="cpu")(TEXTS, batch_size=1)
    for found, other in zip(predictor.predict(TEXTS), expected, strict=True):
        assert found["label"] == other[0]["label"]
        assert found["scores"] == pytest.approx({item["label"]: item["score"] for item in other}, abs=1e-5)


def test_scores_are_scikit_learns(checkpoint: Checkpoint, tmp_path: Path, command: Callable[..., Any]) -> None:
    from sklearn.metrics import accuracy_score, f1_score

    folder = saved("SequenceClassification", checkpoint("bert"), tmp_path / "model", NAMES)
    labels = [{"topic_10": "card", "topic_2": "weather", "Sport": "sport"}.get(label, label) for _, label in EXAMPLES]
    predicted = [NAMES[int(logits(folder, text).argmax())] for text in TEXTS]
    data = write_rows(tmp_path / "rows.csv", list(zip(TEXTS, labels, strict=True)), "body,intent")
    code, out, told = command(
        "evaluate", folder, "--data", data, "--task", "text-classification", "--columns", "text=body,label=intent"
    )
    assert code == 0, told
    found = json.loads(out)
    assert 0 < found["accuracy"] < 1, "a test that every classifier passes would show nothing"
    assert found["accuracy"] == pytest.approx(accuracy_score(labels, predicted))
    assert found["f1_macro"] == pytest.approx(f1_score(labels, predicted, average="macro", zero_division=0))
    assert found["samples"] == 16


def test_several_labels_a_text(checkpoint: Checkpoint, tmp_path: Path) -> None:
    problem = "multi_label_classification"
    folder = saved("SequenceClassification", checkpoint("bert"), tmp_path / "model", NAMES, problem_type=problem)
    found = ftkit.load(folder).predict(TEXTS)
    for text, prediction in zip(TEXTS, found, strict=True):
        scores = logits(folder, text).sigmoid().tolist()
        assert list(prediction["scores"].values()) == pytest.approx(scores, abs=1e-5)
        assert prediction["label"] == [name for name, score in zip(NAMES, scores, strict=True) if score >= 0.5]
    data = write_rows(
        tmp_path / "rows.csv", [(text, ",".join(row["label"])) for text, row in zip(TEXTS, found, strict=True)]
    )
    assert ftkit.load(folder).evaluate(str(data))["accuracy"] == 1
    left_out = re.escape(f"label has no column for {NAMES[-1]!r}, which the model predicts")
    with pytest.raises(ConfigError, match=left_out):
        ftkit.load(folder, columns={"label": list(NAMES[:-1])}).evaluate(str(data))


def test_one_output_is_a_number(checkpoint: Checkpoint, tmp_path: Path) -> None:
    from scipy.stats import pearsonr

    folder = saved("SequenceClassification", checkpoint("roberta"), tmp_path / "model", num_labels=1)
    expected = [logits(folder, text).item() for text in TEXTS]
    predictor = ftkit.load(folder)
    assert [row["score"] for row in predictor.predict(TEXTS)] == pytest.approx(expected, abs=1e-5)
    targets = [len(text) for text in TEXTS]
    data = write_rows(tmp_path / "rows.csv", list(zip(TEXTS, targets, strict=True)))
    assert predictor.evaluate(str(data))["pearson"] == pytest.approx(pearsonr(expected, targets).statistic, abs=1e-5)


def test_pairs_of_texts(checkpoint: Checkpoint, tmp_path: Path, command: Callable[..., Any]) -> None:
    folder = saved("SequenceClassification", checkpoint("bert"), tmp_path / "model", NAMES)
    data = write_rows(tmp_path / "rows.csv", [("my card", "was lost"), ("the sun", "today")], "a,b")
    out = tmp_path / "out.jsonl"
    columns = ("--columns", "text=a", "--columns", "text_pair=b")
    code, _, told = command("predict", folder, "--input", data, "--output", out, *columns)
    assert code == 0, told
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    for row, pair in zip(rows, [("my card", "was lost"), ("the sun", "today")], strict=True):
        assert list(row["scores"].values()) == pytest.approx(logits(folder, pair).softmax(-1).tolist(), abs=1e-5)


def test_names_of_transformers_own_take_numbers(
    checkpoint: Checkpoint, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = saved("SequenceClassification", checkpoint("bert"), tmp_path / "model", num_labels=3)
    predictor = ftkit.load(folder)
    assert "transformers' own names" in " ".join(capsys.readouterr().err.split())
    predicted = [int(logits(folder, text).argmax()) for text in TEXTS]
    labels = [(index + (position % 4 == 0)) % 3 for position, index in enumerate(predicted)]
    data = write_rows(tmp_path / "rows.csv", list(zip(TEXTS, labels, strict=True)))
    assert predictor.evaluate(str(data))["accuracy"] == pytest.approx(0.75)
    named = write_rows(tmp_path / "named.csv", [(t, f"LABEL_{n}") for t, n in zip(TEXTS, labels, strict=True)])
    assert predictor.evaluate(str(named))["accuracy"] == pytest.approx(0.75)
    jsonl = tmp_path / "rows.jsonl"
    jsonl.write_text("".join(json.dumps({"text": t, "label": n}) + "\n" for t, n in zip(TEXTS, labels, strict=True)))
    assert predictor.evaluate(str(jsonl))["accuracy"] == pytest.approx(0.75)
    with pytest.raises(DataError, match="'3' is none that the run knows"):
        predictor.evaluate(str(write_rows(tmp_path / "more.csv", [("rain", 3), ("sun", 1)])))


def test_names_of_the_authors_do_not_take_numbers(checkpoint: Checkpoint, tmp_path: Path) -> None:
    folder = saved("SequenceClassification", checkpoint("bert"), tmp_path / "model", NAMES)
    with pytest.raises(DataError, match="'0' is none that the run knows"):
        ftkit.load(folder).evaluate(str(write_rows(tmp_path / "rows.csv", [("rain", 0), ("sun", 1)])))


# --- token classification ---------------------------------------------------------------------------------------


def first_piece_tags(folder: Path, words: Sequence[str]) -> list[str]:
    """Returns the likeliest tag at the first piece of each word of a text, by plain transformers."""
    model, tokenizer = plain(folder, "TokenClassification")
    text = " " + " ".join(words)  # every word has a space before it, the first one as well
    encoding = tokenizer(text, return_tensors="pt")
    with torch.inference_mode():
        best = model(**encoding).logits[0].argmax(-1).tolist()
    starts = [1 + sum(len(word) + 1 for word in words[:position]) for position in range(len(words))]
    return [model.config.id2label[best[encoding.char_to_token(start)]] for start in starts]


def write_tags(path: Path, tags: Sequence[Sequence[str]]) -> Path:
    sentences = [words.split() for words, _ in TAGGED]
    rows = (
        "\n".join(f"{word}\t{tag}" for word, tag in zip(*row, strict=True))
        for row in zip(sentences, tags, strict=True)
    )
    path.write_text("\n\n".join(rows))
    return path


@pytest.mark.parametrize("model_type", ["bert", "distilbert", "modernbert", "deberta-v2"])
def test_a_tagger_predicts_and_scores_as_others_do(model_type: str, checkpoint: Checkpoint, tmp_path: Path) -> None:
    from seqeval.metrics import accuracy_score, f1_score
    from seqeval.scheme import IOB2

    folder = saved("TokenClassification", checkpoint(model_type), tmp_path / "model", TAGS)
    predictor = ftkit.load(folder)
    sentences = [words.split() for words, _ in TAGGED]
    predicted = [first_piece_tags(folder, words) for words in sentences]
    assert [row["tags"] for row in predictor.predict(sentences)] == predicted
    repaired = [tags_of(conlleval_entities(tags), len(tags), "IOB2") for tags in predicted]
    expected = [*repaired[:3], *(tags.split() for _, tags in TAGGED[3:])]
    found = predictor.evaluate(str(write_tags(tmp_path / "rows.conll", expected)))
    assert found["accuracy"] == pytest.approx(accuracy_score(expected, predicted))
    assert found["conlleval_f1"] == pytest.approx(f1_score(expected, predicted, zero_division=0))
    assert found["f1"] == pytest.approx(f1_score(expected, predicted, mode="strict", scheme=IOB2, zero_division=0))
    assert 0 < found["accuracy"] < 1
    assert 0 < found["conlleval_f1"] < 1


@pytest.mark.parametrize(
    ("names", "spelt"),
    [
        (("o", "b-who", "i-who"), ("O", "B-who", "I-who")),
        (("O", "who", "what"), ("O", "I-who", "I-what")),
        (("I-who", "B-who", "O"), ("I-who", "B-who", "O")),
        (("B-who", "I-who", "L-who", "U-who", "O"), ("B-who", "I-who", "L-who", "U-who", "O")),
        (("B-who", "I-who"), ("B-who", "I-who")),
    ],
)
def test_tags_of_other_spellings(
    names: Sequence[str], spelt: Sequence[str], checkpoint: Checkpoint, tmp_path: Path
) -> None:
    folder = saved("TokenClassification", checkpoint("bert"), tmp_path / "model", names)
    predictor = ftkit.load(folder)
    assert predictor.labels is not None
    assert predictor.labels.names == tuple(spelt)
    sentences = [words.split() for words, _ in TAGGED]
    again = dict(zip(names, spelt, strict=True))
    expected = [[again[tag] for tag in first_piece_tags(folder, words)] for words in sentences]
    assert [row["tags"] for row in predictor.predict(sentences)] == expected


def test_a_file_in_the_spelling_of_the_names_is_scored(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """Without prefixes, as PER and LOC: words of one type in a row are one entity."""
    names = ("O", "who", "what")
    folder = saved("TokenClassification", checkpoint("bert"), tmp_path / "model", names)
    predicted = [first_piece_tags(folder, words.split()) for words, _ in TAGGED]
    assert any("O" in tags for tags in predicted)
    found = ftkit.load(folder).evaluate(str(write_tags(tmp_path / "rows.conll", predicted)))
    assert (found["accuracy"], found["f1"]) == (1, 1)


def test_tags_in_no_scheme_are_refused(checkpoint: Checkpoint, tmp_path: Path) -> None:
    folder = saved("TokenClassification", checkpoint("bert"), tmp_path / "model", ("O", "B-who", "what"))
    with pytest.raises(CheckpointError, match="the tags in id2label are in no scheme that is known"):
        ftkit.load(folder)


# --- translation ----------------------------------------------------------------------------------------------


def written(folder: Path, texts: Sequence[str], **options: Any) -> list[str]:
    """Returns what plain transformers generates, text by text."""
    model, tokenizer = plain(folder, "Seq2SeqLM")
    found = []
    for text in texts:
        inputs = tokenizer(text, return_tensors="pt")
        ids = model.generate(**inputs, do_sample=False, **options)
        found.append(" ".join(tokenizer.batch_decode(ids, skip_special_tokens=True)[0].split()))
    return found


def squeezed(predictions: Sequence[Any]) -> list[str]:
    return [" ".join(row["prediction"].split()) for row in predictions]


@pytest.mark.parametrize("model_type", ["marian", "t5", "bart"])
def test_a_translator_writes_as_generate_does(model_type: str, checkpoint: Checkpoint, tmp_path: Path) -> None:
    folder = saved("Seq2SeqLM", checkpoint(model_type), tmp_path / "model", noise=0.3)
    change_json(folder / "generation_config.json", {"max_length": 13, "num_beams": 2})
    options, prefix = {}, ""
    if model_type == "t5":
        prefix = "translate English to German: "
        change_json(folder / "config.json", {"task_specific_params": {"translation_en_to_de": {"prefix": prefix}}})
    predictor = ftkit.load(folder, task="translation", source_lang="en", target_lang="de")
    assert predictor.adapter.preprocessor.max_new_tokens == 12
    assert predictor.adapter.objective.num_beams == 2
    expected = written(folder, [prefix + text for text in TEXTS[:4]], **options)
    assert len(set(expected)) > 1
    assert squeezed(predictor.predict(TEXTS[:4])) == expected


def test_a_translator_is_told_its_languages(checkpoint: Checkpoint, tmp_path: Path) -> None:
    folder = saved("Seq2SeqLM", checkpoint("nllb"), tmp_path / "model")
    change_json(folder / "generation_config.json", {"max_new_tokens": 8})
    with pytest.raises(UserError, match=r"reads and writes 3 languages; say which"):
        ftkit.load(folder, task="translation")
    predictor = ftkit.load(folder, task="translation", source_lang="eng_Latn", target_lang="deu_Latn")
    _, tokenizer = plain(folder, "Seq2SeqLM")
    german = tokenizer.convert_tokens_to_ids("deu_Latn")
    expected = written(folder, TEXTS[:4], forced_bos_token_id=german)
    assert squeezed(predictor.predict(TEXTS[:4])) == expected
    french = ftkit.load(folder, task="translation", source_lang="eng_Latn", target_lang="fra_Latn")
    assert squeezed(french.predict(TEXTS[:4])) != expected


def test_translations_are_scored_as_sacrebleu_does(
    checkpoint: Checkpoint, tmp_path: Path, command: Callable[..., Any]
) -> None:
    import sacrebleu

    folder = saved("Seq2SeqLM", checkpoint("marian"), tmp_path / "model", noise=0.3)
    change_json(folder / "generation_config.json", {"max_new_tokens": 10})
    hypotheses = [row["prediction"] for row in ftkit.load(folder, task="translation").predict(TEXTS[:6])]
    targets = [*hypotheses[:3], "a", "b c", "d e f"]
    data = tmp_path / "rows.tsv"
    data.write_text("en\tde\n" + "".join(f"{s}\t{t}\n" for s, t in zip(TEXTS[:6], targets, strict=True)))
    languages = ("--source-lang", "en", "--target-lang", "de")
    code, out, told = command("evaluate", folder, "--data", data, "--task", "translation", *languages)
    assert code == 0, told
    found = json.loads(out)
    assert found["bleu"] == pytest.approx(sacrebleu.corpus_bleu(hypotheses, [targets]).score)
    assert found["ter"] == pytest.approx(sacrebleu.corpus_ter(hypotheses, [targets]).score)


def test_a_decoder_is_told_its_prompt(checkpoint: Checkpoint, tmp_path: Path, command: Callable[..., Any]) -> None:
    folder = saved("CausalLM", checkpoint("gpt2"), tmp_path / "model")
    code, _, told = command("predict", folder, "--text", "rain", "--task", "translation")
    assert code == 2
    assert "--prompt-template is missing" in told
    out = tmp_path / "out.jsonl"
    code, _, told = command(
        *("predict", folder, "--text", "rain", "--task", "translation", "--output", out),
        *("--prompt-template", "{source} =", "--max-new-tokens", "5", "--num-beams", "1"),
    )
    assert code == 0, told
    model, tokenizer = plain(folder, "CausalLM")
    inputs = tokenizer("rain =", return_tensors="pt")
    ids = model.generate(**inputs, do_sample=False, max_new_tokens=5, pad_token_id=tokenizer.eos_token_id)
    text = tokenizer.decode(ids[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    assert json.loads(out.read_text())["prediction"] == " ".join(text.splitlines()).strip()


# --- what cannot be known, or is not there --------------------------------------------------------------------------


@pytest.mark.parametrize(("task", "model_type"), [("text-classification", "bert"), ("token-classification", "gpt2")])
def test_a_checkpoint_without_a_head_is_never_scored(
    task: str, model_type: str, checkpoint: Checkpoint, tmp_path: Path, command: Callable[..., Any]
) -> None:
    code, _, told = command("predict", checkpoint(model_type), "--text", "rain", "--task", task)
    assert code == 2
    assert f"holds no fine-tuned head for {task}" in told


def test_a_head_that_was_lost_is_not_drawn_anew(checkpoint: Checkpoint, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = saved("SequenceClassification", checkpoint("bert"), tmp_path / "model", NAMES)
    weights = load_file(folder / "model.safetensors")
    del weights["classifier.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=r"1 parameters, such as classifier\.weight, are in no file"):
        ftkit.load(folder)


def test_what_a_writer_was_trained_for_is_asked(checkpoint: Checkpoint, command: Callable[..., Any]) -> None:
    code, _, told = command("predict", checkpoint("marian"), "--text", "rain")
    assert code == 2
    assert "Say --task translation, with --source-lang and --target-lang" in told


def test_what_a_body_was_trained_for_is_asked(checkpoint: Checkpoint, command: Callable[..., Any]) -> None:
    code, _, told = command("predict", checkpoint("bert"), "--text", "rain")
    assert code == 2
    assert "it was saved as 'BertForMaskedLM'" in told
    assert "Say it with --task" in told


def test_another_kind_than_that_of_the_head_is_refused(checkpoint: Checkpoint, tmp_path: Path) -> None:
    folder = saved("SequenceClassification", checkpoint("bert"), tmp_path / "model", NAMES)
    with pytest.raises(
        UserError, match=r"no fine-tuned head for token-classification.*Say --task text-classification"
    ):
        ftkit.load(folder, task="token-classification")


def test_a_users_task_reads_the_rows(checkpoint: Checkpoint, tmp_path: Path) -> None:
    folder = saved("SequenceClassification", checkpoint("bert"), tmp_path / "model", NAMES)
    own = tmp_path / "own_rows.py"
    own.write_text(
        "from ftkit import Task\n"
        "T = Task(name='t', kind='text-classification', columns={'text': 'whole', 'label': 'label'},\n"
        "         prepare=lambda cells: {**cells, 'whole': cells['text'].upper()})\n"
    )
    data = write_rows(tmp_path / "rows.csv", [(text, "food") for text in TEXTS])
    split = ftkit.load(folder, task=f"{own}:T").labelled(str(data))
    assert [example.text for example in split.examples] == [text.upper() for text in TEXTS]


@pytest.mark.parametrize("verb", ["merge", "export"])
def test_other_commands_need_a_run(
    verb: str, checkpoint: Checkpoint, tmp_path: Path, command: Callable[..., Any]
) -> None:
    folder = saved("SequenceClassification", checkpoint("bert"), tmp_path / "model", NAMES)
    code, _, told = command(verb, folder, tmp_path / "out")
    assert code == 2
    assert "is not a run of ftkit: it holds no ftkit.yaml." in told
    assert "ftkit predict and ftkit evaluate read it as a plain checkpoint; other commands need a run." in told
