"""README and docs: every command and every piece of Python in them is run, in their order."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from local_hub import LocalHub

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
# It runs this very suite; `.ci/run` is checked to call it.
NOT_RUN_HERE = "bash scripts/test.sh"
SHORTER = {"num_train_epochs: 4": "num_train_epochs: 1"}

TICKETS = "subject,body,team\n" + "".join(
    f"{subject} {number},{body},{team}\n"
    for number in range(8)
    for subject, body, team in (
        ("invoice", "I was charged twice", "billing"),
        ("parcel", "it has not arrived", "shipping"),
        ("app", "it does not start", "technical"),
    )
)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A copy of what a clone holds, with this environment in the place of the one that the scripts make."""
    folder = tmp_path_factory.mktemp("clone")
    for name in ("scripts", "task_configs", "docs", "ftkit"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "constraints.txt", "README.md"):
        shutil.copy(ROOT / name, folder / name)
    (folder / ".venv").mkdir()
    (folder / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    stamp = 'source scripts/environment.sh; echo "$(environment_stamp) [dev]" > .venv/ftkit.stamp'
    subprocess.run(["bash", "-c", stamp], cwd=folder, check=True)
    (folder / "tickets.csv").write_text(TICKETS)
    quickstart = folder / "task_configs" / "quickstart.yaml"
    quickstart.write_text(quickstart.read_text().replace("num_train_epochs: 12", "num_train_epochs: 2"))
    with LocalHub() as hub:  # where `ftkit push` goes, as the user `me`
        (folder / "hub.env").write_text("\n".join(f"{name}={value}" for name, value in hub.environment.items()))
        yield folder


def run_blocks(document: Path, place: Path) -> list[str]:
    """Runs a document's blocks: bash and Python are executed, those that name a file are written."""
    done = []
    for language, text in BLOCK.findall(document.read_text(encoding="utf-8")):
        named = re.match(r"# (\w+\.(?:yaml|py))\n", text)
        if named:
            for long, short in SHORTER.items():
                text = text.replace(long, short)
            (place / named[1]).write_text(text, encoding="utf-8")
        elif language == "bash":
            for command in text.strip().splitlines():
                if command != NOT_RUN_HERE:
                    shell(command, place)
                    done.append(command)
        elif language == "python":
            subprocess.run([sys.executable, "-c", text], cwd=place, check=True, env=environment(place))
            done.append(text)
    return done


def environment(place: Path) -> dict[str, str]:
    return {
        **os.environ,
        "PATH": f"{place / '.venv' / 'bin'}:{os.environ['PATH']}",
        "FTKIT_VENV": str(place / ".venv"),
        **dict(line.split("=", 1) for line in (place / "hub.env").read_text().splitlines()),
        "HF_TOKEN": "hf_local_writer",
        "HF_HOME": str(place / "hf-home"),
    }


def shell(command: str, place: Path) -> str:
    done = subprocess.run(["bash", "-c", command], cwd=place, env=environment(place), capture_output=True, text=True)
    assert done.returncode == 0, f"{command}\n{done.stderr[-3000:]}"
    return done.stdout


def test_the_readme_does_what_it_says(place):
    done = run_blocks(ROOT / "README.md", place)
    assert "bash scripts/quickstart.sh" in done
    for run in ("quickstart", "my_run", "short", "python", "two", "pulled"):
        assert (place / "runs" / run / "all_results.json").is_file()
    assert len((place / "predictions.jsonl").read_text().splitlines()) > 50
    assert '"accuracy"' in (place / "scores.json").read_text()


def test_a_task_of_ones_own_is_one_short_file(place):
    run_blocks(ROOT / "docs" / "own_task.md", place)
    assert (place / "runs" / "tickets" / "all_results.json").is_file()
    assert len((place / "tickets.py").read_text().splitlines()) < 60
    command = "ftkit evaluate runs/tickets --data tickets.csv"
    assert '"matthews_correlation"' in shell(f"{command} --task tickets.py:TICKETS", place)
    with pytest.raises(AssertionError, match=r"--task tickets.py:TICKETS"):
        shell(command, place)  # a run is data: code that it names is not run
    (place / "tickets.py").rename(place / "gone.py")
    with pytest.raises(AssertionError, match=r"no file 'tickets.py'"):
        shell(f"{command} --task tickets.py:TICKETS", place)


def test_a_kind_of_ones_own_is_one_short_file(place):
    teams = {"billing": "I was charged twice", "shipping": "it has not arrived", "technical": "it does not start"}
    rows = [
        {
            "messages": [{"from": "agent", "text": "hello"}, {"from": "customer", "text": f"{text} {number}"}],
            "team": team,
        }
        for number in range(8)
        for team, text in teams.items()
    ]
    (place / "threads.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    run_blocks(ROOT / "docs" / "own_kind.md", place)
    assert (place / "runs" / "threads" / "all_results.json").is_file()
    shell("ftkit predict runs/threads --input threads.jsonl --output t.jsonl --task threads.py:THREADS", place)
    assert len((place / "t.jsonl").read_text().splitlines()) == len(rows)
    named = r"kind of its own, thread-classification(.|\n)*--task threads.py:THREADS"
    with pytest.raises(AssertionError, match=named):
        shell("ftkit predict runs/threads --input threads.jsonl", place)  # a run is data: its code is not imported
    with pytest.raises(AssertionError, match="no role 'text'"):
        shell("ftkit train threads.yaml data.columns.text=messages output_dir=runs/no", place)
    with pytest.raises(AssertionError, match=r"data\.last_message: no such key.*Did you mean 'last_messages'"):
        shell("ftkit train threads.yaml data.last_message=2 output_dir=runs/no", place)


def test_ci_runs_the_test_command_of_the_readme():
    assert NOT_RUN_HERE in (ROOT / "README.md").read_text(encoding="utf-8")
    assert (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()[-1] == NOT_RUN_HERE


def test_every_link_leads_somewhere():
    for document in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\(([^)#]+)\)", document.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_a_translator_from_nothing(place):
    pairs = {
        "en": ["A dog is in the house.", "Two men are on the street.", "The child is in the garden."],
        "de": ["Ein Hund ist in dem Haus.", "Zwei Männer sind auf der Straße.", "Das Kind ist in dem Garten."],
    }
    (place / "data" / "multi30k").mkdir(parents=True)
    for split, times in (("train", 8), ("val", 1), ("test_2016_flickr", 1)):
        for language, texts in pairs.items():
            (place / "data" / "multi30k" / f"{split}.{language}").write_text("\n".join(texts * times) + "\n")
    config = place / "task_configs" / "translation__multi30k__full.yaml"
    config.write_text(config.read_text().replace("num_train_epochs: 20", "num_train_epochs: 1"))
    run_blocks(ROOT / "docs" / "translation.md", place)
    assert len((place / "translated.de.txt").read_text().splitlines()) == 3


def test_spoken_digits(place):
    soundfile = pytest.importorskip("soundfile", reason="pip install 'ftkit[audio]'")
    import tiny_audio

    (place / "data" / "spoken_digits").mkdir(parents=True)
    for digit, label in enumerate(tiny_audio.HERTZ):
        for speaker in ("george", "jackson", "lucas", "nicolas"):
            for take in range(2):
                samples = tiny_audio.tone(label, 0.3, rate=8_000, seed=take)
                soundfile.write(place / "data" / "spoken_digits" / f"{digit}_{speaker}_{take}.wav", samples, 8_000)
    tiny_audio.make_checkpoint("whisper", place / "whisper")
    config = place / "task_configs" / "audio-classification__spoken-digits__lora.yaml"
    config.write_text(config.read_text().replace("openai/whisper-tiny.en", "whisper"))
    run_blocks(ROOT / "docs" / "audio_classification.md", place)
    assert len((place / "digits.jsonl").read_text().splitlines()) == 8


def test_signs_of_a_hand_from_nothing(place):
    import tiny_images

    photos = tiny_images.make_photos(place / "data" / "sign_digits", per_class=10)
    for name, digit in (("red", "3"), ("green", "5"), ("blue", "7")):
        (photos / name).rename(photos / digit)
    config = place / "task_configs" / "image-classification__sign-digits__full.yaml"
    config.write_text(config.read_text().replace("num_train_epochs: 20", "num_train_epochs: 1"))
    run_blocks(ROOT / "docs" / "image_classification.md", place)
    assert len((place / "signs.jsonl").read_text().splitlines()) == 30
    assert (place / "exported" / "sign_digits" / "model.onnx").is_file()
