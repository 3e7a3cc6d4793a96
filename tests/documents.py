"""Documents whose commands and Python are run: blocks, and the place where they are run."""

import contextlib
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import fresh
from ftkit.cli import main
from local_hub import LocalHub

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
# It runs this very suite; `.ci/run` is checked to call it.
NOT_RUN_HERE = "bash scripts/test.sh"
TOKEN = "hf_local_writer"
SHORTER = {"num_train_epochs: 4": "num_train_epochs: 1", "num_train_epochs: 2": "num_train_epochs: 1"}

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
        with hub.in_this_process(token=TOKEN, cache=folder / "hf-home" / "hub"):
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
            with pytest.MonkeyPatch.context() as patch:
                patch.chdir(place)
                exec(compile(text, document.name, "exec"), {"__name__": "__main__"})
            done.append(text)
    return done


def shell(command: str, place: Path) -> str:
    """Returns what a command prints. An `ftkit` command spares itself a process, whose start takes seconds."""
    code, out, err = (_ftkit if command.startswith("ftkit ") else _process)(command, place)
    assert code == 0, f"{command}\n{err[-3000:]}"
    return out


def _ftkit(command: str, place: Path) -> tuple[int, str, str]:
    """Calls what the `ftkit` script calls, in this process; ranks that it launches are forked."""
    out, err = io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        pytest.raises(SystemExit) as stopped,
    ):
        patch.chdir(place)
        patch.setattr(sys, "argv", shlex.split(command))
        if "--num-processes" in command:
            for name, value in fresh.environment(fresh.ENVIRONMENT).items():
                patch.setenv(name, value)
        main()
    return int(stopped.value.code or 0), out.getvalue(), err.getvalue()


def _process(command: str, place: Path) -> tuple[int, str, str]:
    environment = {
        **os.environ,
        "PATH": f"{place / '.venv' / 'bin'}:{os.environ['PATH']}",
        "FTKIT_VENV": str(place / ".venv"),
        **dict(line.split("=", 1) for line in (place / "hub.env").read_text().splitlines()),
        "HF_TOKEN": TOKEN,
        "HF_HOME": str(place / "hf-home"),
    }
    done = subprocess.run(["bash", "-c", command], cwd=place, env=environment, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr
