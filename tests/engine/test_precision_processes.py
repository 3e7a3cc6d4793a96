"""Several processes compute in what the main one finds faster, whatever they find themselves."""

import json
import subprocess
import sys

from ftkit.config import yaml as strict_yaml
from runs import run_config

SCRIPT = """
import os, sys
from ftkit.cli import main
from ftkit.engine import precision, training

precision.MIN_BATCHES, precision.SMALL_RUN = 1, 0
rank = int(os.environ["RANK"])
precision._Passes.seconds = lambda self, parts, name: {"fp32": 1.0, "bf16": 0.5 + rank}[name]
choose = precision.choose_precision

def tell(plan, arguments, *args):
    choice = choose(plan, arguments, *args)
    print(f"rank {rank}: {choice.precision} {arguments.mixed_precision} {choice.bf16_seconds < choice.fp32_seconds}")
    return choice

training.choose_precision = tell
main()
"""


def test_the_main_process_decides_for_all(checkpoint, tmp_path):
    config = run_config(tmp_path, checkpoint("bert"), **{"train.num_train_epochs": 1})
    (tmp_path / "run.yaml").write_text(strict_yaml.dump(config))
    (tmp_path / "script.py").write_text(SCRIPT)
    launcher = "-m accelerate.commands.launch --multi_gpu --num_processes 2 --num_machines 1 --main_process_port 0"
    command = [sys.executable, *launcher.split(), str(tmp_path / "script.py"), "train", str(tmp_path / "run.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-3000:]
    for rank in (0, 1):
        assert f"rank {rank}: bf16 bf16 True" in done.stdout
    results = json.loads((tmp_path / "run" / "all_results.json").read_text())
    assert (results["precision"], results["num_processes"]) == ("bf16", 2)
