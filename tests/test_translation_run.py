"""Whole runs of translation: config in, scores, texts and a proof out; and prediction with what was saved."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sacrebleu
import yaml
from transformers import AutoTokenizer

import ftkit
import tiny

PAIRS = [(text, " ".join(reversed(text.lower().split()))) for text, _ in tiny.EXAMPLES]
Command = Callable[..., tuple[int, str, str]]


def write_pairs(folder: Path, name: str, pairs: list[tuple[str, str]]) -> dict[str, str]:
    files = {}
    for side, column, language in (("source", 0, "en"), ("target", 1, "de")):
        path = folder / f"{name}.{language}"
        path.write_text("".join(f"{pair[column]}\n" for pair in pairs), encoding="utf-8")
        files[side] = str(path)
    return files


def run_config(folder: Path, checkpoint: Path, **data: Any) -> dict[str, Any]:
    folder.mkdir(parents=True, exist_ok=True)
    return {
        "task": "translation",
        "model": {"checkpoint": str(checkpoint)},
        "data": {
            "train": write_pairs(folder, "train", PAIRS),
            "validation": write_pairs(folder, "validation", PAIRS[:8]),
            "test": write_pairs(folder, "test", PAIRS[:12]),
            **data,
        },
        "train": {
            "num_train_epochs": 100,
            "learning_rate": 5e-3,
            "per_device_train_batch_size": 8,
            "label_smoothing_factor": 0.1,
            "eval_strategy": "steps",
            "eval_steps": 100,
            "use_cpu": True,
        },
        "generation": {"num_beams": 2},
        "output_dir": str(folder / "run"),
    }


@pytest.fixture(scope="module")
def run(checkpoint: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> ftkit.RunResult:
    config = run_config(tmp_path_factory.mktemp("translation"), checkpoint("marian"), source_lang="en")
    return ftkit.train(config)


def test_results(run: ftkit.RunResult) -> None:
    results = json.loads((run.output_dir / "all_results.json").read_text())
    assert results["test_bleu"] > 50
    assert results["test_bleu_signature"].startswith("nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:")
    assert results["test_bleu_tokenizer"] == "13a"
    assert {"test_chrf++", "test_ter", "test_loss", "eval_bleu", "test_cut_off_share"} <= results.keys()
    assert results["train_truncated_sources_share"] == results["train_truncated_targets_share"] == 0
    assert results["proof"]["same_predictions"] is True
    assert results["proof"]["rows"] == 8
    assert results["proof"]["max_difference"] < 1e-5


def test_written_texts_score_the_same_with_the_sacrebleu_command(run: ftkit.RunResult) -> None:
    written = run.output_dir / "predictions" / "test.txt"
    lines = written.read_text(encoding="utf-8").splitlines()
    jsonl = (run.output_dir / "predictions" / "test.jsonl").read_text(encoding="utf-8")
    rows = [json.loads(line) for line in jsonl.splitlines()]
    assert [row["prediction"] for row in rows] == lines
    assert [row["id"] for row in rows] == list(range(12))
    reference = run.output_dir.parent / "test.de"
    arguments = [str(reference), "-i", str(written), "-m", "bleu", "chrf", "ter", "--chrf-word-order", "2", "-w", "8"]
    done = subprocess.run(
        [sys.executable, "-m", "sacrebleu", *arguments], capture_output=True, text=True, check=True, timeout=60
    )
    bleu, chrf, ter = json.loads(done.stdout)
    assert run.metrics["test_bleu"] == pytest.approx(bleu["score"], abs=1e-8)
    assert run.metrics["test_bleu_signature"] == bleu["signature"]
    assert run.metrics["test_chrf++"] == pytest.approx(chrf["score"], abs=1e-8)
    assert run.metrics["test_ter"] == pytest.approx(ter["score"], abs=1e-8)
    expected = [target for _, target in PAIRS[:12]]
    assert run.metrics["test_bleu"] == sacrebleu.corpus_bleu(lines, [expected]).score


def test_plain_transformers_writes_the_same(run: ftkit.RunResult) -> None:
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(run.output_dir)
    model = AutoModelForSeq2SeqLM.from_pretrained(run.output_dir).eval()
    batch = tokenizer([source for source, _ in PAIRS[:12]], padding=True, return_tensors="pt")
    written = tokenizer.batch_decode(model.generate(**batch), skip_special_tokens=True)
    assert written == (run.output_dir / "predictions" / "test.txt").read_text(encoding="utf-8").splitlines()


def test_report_and_card(run: ftkit.RunResult) -> None:
    page = (run.output_dir / "report.html").read_text(encoding="utf-8")
    assert run.metrics["test_bleu_signature"] in page
    assert "chrF++" in page
    card = (run.output_dir / "README.md").read_text(encoding="utf-8")
    assert "AutoModelForSeq2SeqLM" in card
    metadata = yaml.safe_load(card.split("---")[1])
    assert metadata["pipeline_tag"] == "translation"
    assert "cut_off_share" not in metadata["metrics"]
    assert metadata["model-index"][0]["results"][-1]["dataset"]["name"] == "test.en | test.de"
    assert {"type": "bleu", "name": "BLEU", "value": run.metrics["test_bleu"], "args": {"num_rows": 12}} in metadata[
        "model-index"
    ][0]["results"][-1]["metrics"]


def test_resolved_config_says_how_long_texts_may_be(run: ftkit.RunResult) -> None:
    from ftkit.config.run_config import load_config

    facts = load_config(run.output_dir / "ftkit.yaml").run
    assert facts is not None
    assert facts.adapter_options["max_new_tokens"] > 10
    generation = json.loads((run.output_dir / "generation_config.json").read_text())
    assert generation["max_new_tokens"] == facts.adapter_options["max_new_tokens"]
    assert generation["num_beams"] == 2


def test_predict_writes_plain_text(run: ftkit.RunResult, tmp_path: Path, command: Command) -> None:
    texts = [PAIRS[0][0], "", PAIRS[1][0]]
    (tmp_path / "in.txt").write_text("\n".join(texts) + "\n", encoding="utf-8")
    code, _, said = command(
        "predict", run.output_dir, "--input", tmp_path / "in.txt", "--output", tmp_path / "out.txt"
    )
    assert code == 0
    assert "1 of 3 rows" in said
    assert said.endswith(f"3 predictions written to {tmp_path / 'out.txt'}\n")
    first, blank, third = (tmp_path / "out.txt").read_text(encoding="utf-8").split("\n")[:3]
    assert blank == ""
    assert [first, third] == [row["prediction"] for row in ftkit.load(run.output_dir).predict([texts[0], texts[2]])]
    code, _, _ = command("predict", run.output_dir, "--input", tmp_path / "in.txt", "--output", tmp_path / "out.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [(row["id"], row["prediction"]) for row in rows] == [(0, first), (1, None), (2, third)]
    assert rows[1]["error"] == "the source is empty"


def test_predict_reads_a_file_named_after_its_language(run: ftkit.RunResult, tmp_path: Path, command: Command) -> None:
    (tmp_path / "news.en").write_text("my card was lost\n", encoding="utf-8")
    arguments = ("predict", run.output_dir, "--input", tmp_path / "news.en", "--max-new-tokens", 2, "--num-beams", 1)
    code, out, _ = command(*arguments)
    assert code == 0
    assert len(json.loads(out)["prediction"].split()) <= 2


def test_evaluate_on_two_files(run: ftkit.RunResult, command: Command) -> None:
    folder = run.output_dir.parent
    code, out, _ = command("evaluate", run.output_dir, "--data", folder / "test.en", "--target", folder / "test.de")
    found = json.loads(out)
    assert code == 0
    assert found["bleu"] == pytest.approx(run.metrics["test_bleu"])
    assert found["loss"] == pytest.approx(run.metrics["test_loss"], abs=1e-5)


def test_validation_is_greedy_and_the_final_score_has_beams(
    checkpoint: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ftkit.adapters.objectives.generation import GenerationObjective

    beams: list[int] = []
    original = GenerationObjective.predict

    def watched(self: GenerationObjective, model: Any, batch: Any) -> Any:
        beams.append(self.num_beams)
        return original(self, model, batch)

    monkeypatch.setattr(GenerationObjective, "predict", watched)
    config = run_config(tmp_path, checkpoint("marian"))
    config["train"] |= {"max_steps": 2, "eval_steps": 2}
    config["generation"] = {"num_beams": 3, "max_new_tokens": 4}
    ftkit.train(config)
    # In training; validation, test; the proof by both models, and of what was written for both splits.
    assert beams == [1, 3, 3, 3, 3, 3, 3]


JSONL = [{"translation": {"en": source, "de": target}} for source, target in PAIRS]
COLUMNS = [{"english": source, "german": target, "key": f"k{n}"} for n, (source, target) in enumerate(PAIRS)]


@pytest.mark.parametrize(
    ("name", "content", "data"),
    [
        ("train.jsonl", "\n".join(map(json.dumps, JSONL)), {"source_lang": "en", "target_lang": "de"}),
        ("train.jsonl", "\n".join(map(json.dumps, JSONL)), {"columns": {"source": "en", "target": "de"}}),
        (
            "train.json",
            json.dumps(COLUMNS),
            {"columns": {"source": "english", "target": "german", "id": "key"}},
        ),
        ("train.tsv", "en\tde\n" + "".join(f"{s}\t{t}\n" for s, t in PAIRS), {"source_lang": "eng_Latn"}),
        (
            "train.tmx",
            "<tmx><body>"
            + "".join(
                f'<tu><tuv xml:lang="en"><seg>{s}</seg></tuv><tuv xml:lang="de"><seg>{t}</seg></tuv></tu>'
                for s, t in PAIRS
            )
            + "</body></tmx>",
            {"source_lang": "en", "target_lang": "de"},
        ),
    ],
)
def test_inputs(tmp_path: Path, name: str, content: str, data: dict[str, Any]) -> None:
    from ftkit.data.readers import open_table
    from ftkit.kinds.translation import KIND, TranslationData

    (tmp_path / name).write_text(content, encoding="utf-8")
    if name.endswith(".tsv"):
        data = {**data, "target_lang": "deu_Latn"}
    section = TranslationData(train=str(tmp_path / name), **data)
    columns = KIND.columns_of(KIND.task, section)
    table = open_table(str(tmp_path / name))
    examples = list(KIND.read(table, KIND.task, columns, section, with_labels=True))
    assert [(example.source, example.target) for example in examples] == PAIRS
    if "id" in columns:
        assert examples[0].id == "k0"


# --- mistakes ---


def change(**changes: Any) -> Callable[[Path, dict[str, Any]], None]:
    def apply(folder: Path, config: dict[str, Any]) -> None:
        for key, value in changes.items():
            section, _, name = key.partition("__")
            config[section] = {**config.get(section, {}), name: value} if name else value

    return apply


def shorter_target(folder: Path, config: dict[str, Any]) -> None:
    Path(config["data"]["train"]["target"]).write_text("one line\n")


def swapped(folder: Path, config: dict[str, Any]) -> None:
    english, german = "the dog is in the house and it is not big", "der Hund ist in dem Haus und er ist nicht klein"
    config["data"] = {"train": write_pairs(folder, "train", [(german, english)] * 4), "source_lang": "en"}
    config["data"]["target_lang"] = "de"


@pytest.mark.parametrize(
    ("model", "apply", "message"),
    [
        ("marian", shorter_target, "train.en has 16 lines"),
        ("marian", swapped, "source and target are swapped"),
        ("marian", change(data__train={"source": "a.en", "taget": "a.de"}), "Did you mean 'target'?"),
        ("marian", change(generation={"num_beam": 4}), "Did you mean 'num_beams'?"),
        ("marian", change(train__class_weights="balanced"), "train.class_weights: translation has no classes."),
        ("marian", change(data__bleu_tokenizer="13"), "Did you mean '13a'?"),
        ("marian", change(data__columns={"target": "german", "sorce": "x"}), "no role 'sorce'"),
        ("mbart", change(data__source_lang="en_XX", data__target_lang="ger"), "knows no language 'ger'"),
        ("gpt2", change(), "data.prompt_template is missing"),
        ("bert", change(), "model.decoder"),
        ("gpt2", change(data__prompt_template="a"), "has no {source}"),
    ],
)
def test_mistakes_end_with_one_message(
    model: str,
    apply: Callable[[Path, dict[str, Any]], None],
    message: str,
    checkpoint: Callable[[str], Path],
    tmp_path: Path,
    command: Command,
) -> None:
    config = run_config(tmp_path, checkpoint(model))
    apply(tmp_path, config)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    code, _, said = command("train", tmp_path / "config.yaml")
    assert code == 2
    assert message in said
    assert "Traceback" not in said
    assert not (tmp_path / "run").exists()


def test_generation_means_nothing_to_a_classifier(checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    import runs

    config = {**runs.run_config(tmp_path, checkpoint("bert")), "generation": {"num_beams": 2}}
    with pytest.raises(ftkit.ConfigError, match="generation: nothing is written in text-classification"):
        ftkit.train(config)


def test_a_decoder_runs_from_config_to_proof(checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    config = run_config(tmp_path, checkpoint("gpt2"), prompt_template="{source} is")
    config["train"] |= {"num_train_epochs": 1, "eval_strategy": "epoch"}
    results = ftkit.train(config).metrics
    assert results["proof"]["same_predictions"] is True
    for line in (tmp_path / "run" / "predictions" / "test.txt").read_text(encoding="utf-8").splitlines():
        assert not any(source in line for source, _ in PAIRS)  # the prompt is no part of what was written


def test_two_joined_checkpoints_end_and_pad_with_the_tokens_of_the_one_that_writes(
    checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    config = run_config(tmp_path, checkpoint("bert"))
    config["model"]["decoder"] = str(checkpoint("gpt2"))
    run = ftkit.train(config, {"train.num_train_epochs": 1, "train.eval_strategy": "epoch"}).output_dir
    reader, writer = (AutoTokenizer.from_pretrained(checkpoint(name)) for name in ("bert", "gpt2"))
    end = writer.eos_token_id
    for file in ("generation_config.json", "config.json"):
        saved = json.loads((run / file).read_text())
        assert (saved["eos_token_id"], saved["pad_token_id"]) == (end, writer.pad_token_id or end), file
    assert reader.pad_token_id not in (end, writer.pad_token_id)
    (kept,) = (run / "checkpoints").glob("checkpoint-*")
    assert len(AutoTokenizer.from_pretrained(kept)) == len(reader)
