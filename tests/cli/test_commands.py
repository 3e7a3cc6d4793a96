"""The commands as a user types them."""

import csv
import json
import os
import signal
import subprocess
import sys

import pytest

import ftkit
from runs import TEXTS, run_config, write_csv


@pytest.fixture(scope="module")
def run(checkpoint, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    return ftkit.train(run_config(folder, checkpoint("bert"), **{"train.num_train_epochs": 2})).output_dir


def test_help_and_what_is_known_of_all_kinds_import_nothing_heavy():
    code = (
        "import sys\n"
        "from ftkit.cli import main\n"
        "def imported(command, *heavy):\n"
        "    sys.argv = ['ftkit', command]\n"
        "    try: main()\n"
        "    except SystemExit: pass\n"
        "    return sorted(set(sys.modules) & {'torch', 'transformers', 'datasets', 'evaluate', 'peft', *heavy})\n"
        "print([*imported('--help', 'numpy', 'pydantic'), *imported('tasks'), *imported('schema')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "train" in done.stdout
    assert "image-text-to-text" in done.stdout


def test_version(command):
    assert command("--version")[1].strip() == ftkit.__version__


def test_train_ends_with_a_summary(checkpoint, tmp_path, command):
    from ftkit.config import yaml as strict_yaml

    config = run_config(tmp_path, checkpoint("bert"))
    (tmp_path / "run.yaml").write_text(strict_yaml.dump(config))
    code, out, _ = command("train", tmp_path / "run.yaml", "train.num_train_epochs=1")
    assert code == 0
    for part in (
        "test",
        "accuracy",
        "8 rows",
        "reloaded from disk",
        "predicted",
        str(tmp_path / "run"),
        "ftkit predict",
    ):
        assert part in out


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_a_command_and_leaves_no_half_of_a_file(run, command, tmp_path, monkeypatch, number, code):
    from ftkit.inference import write_predictions

    def predicted(*_):
        yield {"id": 0, "label": "sport"}
        assert [file.name for file in tmp_path.iterdir()] != []
        os.kill(os.getpid(), number)

    monkeypatch.setattr(write_predictions, "_predicted", predicted)
    rows, before = run.parent / "test.csv", signal.signal(number, signal.SIG_DFL)
    try:
        assert command("predict", run, "--input", rows, "--output", tmp_path / "out.jsonl")[:2] == (code, "")
        assert signal.getsignal(number) is signal.SIG_DFL
    finally:
        signal.signal(number, before)
    assert list(tmp_path.iterdir()) == []


def test_ranks_end_where_they_stand(command, monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "1")
    before, found = signal.signal(signal.SIGTERM, signal.SIG_DFL), []
    monkeypatch.setattr("ftkit.cli.app", lambda: found.append(signal.getsignal(signal.SIGTERM)) or sys.exit(0))
    try:
        command("env")
        monkeypatch.delenv("LOCAL_RANK")
        command("env")
    finally:
        signal.signal(signal.SIGTERM, before)
    assert [handler is signal.SIG_DFL for handler in found] == [True, False]


def test_predict_texts(run, command):
    code, out, _ = command("predict", run, "--text", "my card was lost", "--text", "rain today")
    rows = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [set(row) for row in rows] == [{"label", "score", "scores"}] * 2


@pytest.mark.parametrize("name", ["texts.csv", "texts.jsonl", "texts.txt"])
def test_predict_a_file_in_any_format(run, command, tmp_path, name):
    texts = [text for text, _ in TEXTS[24:]]
    if name.endswith("csv"):
        write_csv(tmp_path / name, TEXTS[24:])
    elif name.endswith("jsonl"):
        (tmp_path / name).write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    else:
        (tmp_path / name).write_text("\n".join(texts) + "\n")
    code, _, told = command("predict", run, "--input", tmp_path / name, "--output", tmp_path / "out.jsonl")
    assert code == 0
    assert "8 predictions" in told
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    expected = ftkit.load(run).predict(texts)
    assert [row["label"] for row in rows] == [row["label"] for row in expected]
    assert [row["score"] for row in rows] == pytest.approx([row["score"] for row in expected], abs=1e-6)


def test_predict_writes_csv(run, command, tmp_path):
    write_csv(tmp_path / "texts.csv", TEXTS[24:])
    assert command("predict", run, "--input", tmp_path / "texts.csv", "--output", tmp_path / "out.csv")[0] == 0
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 8
    assert {"label", "score", "score_card"} <= set(rows[0])


def test_an_empty_text_is_marked_and_told(run, command, tmp_path):
    write_csv(tmp_path / "texts.csv", [("fine", "x"), ("", "x"), ("rain", "x")])
    arguments = ("predict", run, "--input", tmp_path / "texts.csv", "--output", tmp_path / "out.jsonl")
    code, _, told = command(*arguments)
    assert code == 0
    assert "1 of 3 rows" in told
    assert "texts.csv, line 3" in told
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [row.get("error") for row in rows] == [None, "the text is empty", None]
    assert command(*arguments, "--on-bad-row", "skip")[0] == 0
    assert [json.loads(line)["id"] for line in (tmp_path / "out.jsonl").read_text().splitlines()] == ["t0", "t2"]


def test_an_empty_text_stops_prediction_and_leaves_no_file(run, command, tmp_path):
    write_csv(tmp_path / "texts.csv", [("fine", "x"), ("", "x")])
    arguments = ("predict", run, "--input", tmp_path / "texts.csv", "--output", tmp_path / "out.jsonl")
    code, _, told = command(*arguments, "--on-bad-row", "error")
    assert code == 2
    assert "texts.csv, line 3" in told
    assert [path.name for path in tmp_path.iterdir()] == ["texts.csv"]


def test_where_no_row_can_be_predicted_nothing_is_written(run, command, tmp_path):
    write_csv(tmp_path / "texts.csv", [("", "x"), (" ", "x")])
    for choice in ("empty", "skip"):
        code, _, told = command(
            *("predict", run, "--input", tmp_path / "texts.csv", "--output", tmp_path / "out.jsonl"),
            *("--on-bad-row", choice),
        )
        assert code == 2
        assert "No row of" in told
        assert not (tmp_path / "out.jsonl").exists()


def test_csv_has_one_header_whatever_row_is_bad(run, command, tmp_path):
    write_csv(tmp_path / "texts.csv", [("", "x"), ("rain", "x")])
    assert command("predict", run, "--input", tmp_path / "texts.csv", "--output", tmp_path / "out.csv")[0] == 0
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert (rows[0]["label"], rows[0]["score_card"], rows[0]["error"]) == ("", "", "the text is empty")
    assert rows[1]["label"]
    assert rows[1]["error"] == ""


def test_predict_and_evaluate_write_over_no_input(run, command, tmp_path):
    data = write_csv(tmp_path / "texts.csv", TEXTS[24:])
    before = data.read_bytes()
    for arguments in (("predict", run, "--input", data), ("evaluate", run, "--data", data)):
        code, _, told = command(*arguments, "--output", data)
        assert (code, data.read_bytes()) == (2, before)
        assert "it is what is read" in told


def test_evaluate_prints_and_writes_the_scores(run, command, tmp_path, monkeypatch):
    write_csv(tmp_path / "test.csv", TEXTS[24:])
    code, out, _ = command("evaluate", run, "--data", tmp_path / "test.csv", "--output", tmp_path / "scores.json")
    assert code == 0
    assert json.loads(out) == json.loads((tmp_path / "scores.json").read_text())
    trained = json.loads((run / "all_results.json").read_text())
    assert json.loads(out)["accuracy"] == trained["test_accuracy"]
    monkeypatch.chdir(tmp_path)
    assert command("evaluate", run, "--data", "test.csv", "--output", "-")[0] == 0
    code, _, told = command("evaluate", run, "--data", "test.csv", "--output", "scores.csv")
    assert (code, sorted(os.listdir())) == (2, ["scores.json", "test.csv"])
    assert "scores are written as JSON. Name it scores.json" in told


def test_evaluate_names_a_label_that_the_run_does_not_know(run, command, tmp_path):
    write_csv(tmp_path / "test.csv", [("a text", "crad")])
    code, _, told = command("evaluate", run, "--data", tmp_path / "test.csv")
    assert code == 2
    assert "'crad'" in told
    assert "Did you mean 'card'?" in told


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["predict", "{run}"], ["--text or --input"]),
        (["predict", "{run}x", "--text", "a"], ["No run", "Did you mean 'run'?"]),
        (["predict", "{run}/checkpoints", "--text", "a"], ["is not a run"]),
        (["train", "{run}"], ["is a run, not a config"]),
        (["train", "{run}/checkpoints"], ["checkpoints is a folder; name the config file"]),
        (["evaluate", "ftkit:bert", "--data", "x.csv"], ["A checkpoint without a fine-tuned head cannot be scored."]),
        (["predict", "{run}", "--text", "a", "--text", "b", "--text-pair", "c"], ["pairs need both"]),
    ],
)
def test_a_wrong_call_is_told(run, command, arguments, parts):
    code, _, told = command(*(argument.replace("{run}", str(run)) for argument in arguments))
    assert code == 2
    for part in parts:
        assert part in told


def test_check_says_what_would_be_trained_and_writes_nothing(checkpoint, tmp_path, command):
    from ftkit.config import yaml as strict_yaml

    config = run_config(tmp_path, checkpoint("gpt2"))
    (tmp_path / "run.yaml").write_text(strict_yaml.dump(config))
    before = sorted(tmp_path.rglob("*"))
    code, out, told = command("check", tmp_path / "run.yaml")
    assert code == 0
    for part in ("gpt2 of family decoder", "24 rows of", "4: card, food, sport, weather", "nothing was written"):
        assert part in out
    assert "leak" in told, "validation repeats rows of train"
    assert sorted(tmp_path.rglob("*")) == before


def test_tasks_schema_and_env(command):
    assert "text-classification" in command("tasks")[1]
    assert json.loads(command("schema")[1])["properties"]["task"]
    assert json.loads(command("env")[1])["packages"]["torch"]
