"""Several processes compute in what the main one's device and model gain by, whatever their own would."""

import json

import fresh
from ftkit.config import yaml as strict_yaml
from runs import run_config

SCRIPT = """
import os
import torch
from ftkit.cli import main
from ftkit.engine import precision

precision.MIN_WIDTH = dict.fromkeys(precision.MIN_WIDTH, 0)
rank = int(os.environ["RANK"])
torch.cpu.get_capabilities = lambda: {"amx_bf16": rank == 0}
choose = precision.choose_precision

def tell(train, arguments, *args, **kwargs):
    choice = choose(train, arguments, *args, **kwargs)
    print(f"rank {rank}: {choice.precision} {arguments.mixed_precision} {choice.reason}")
    return choice

precision.choose_precision = tell
main()
"""


def test_the_main_process_decides_for_all(checkpoint, tmp_path):
    config = run_config(tmp_path, checkpoint("bert"), **{"train.num_train_epochs": 1})
    (tmp_path / "run.yaml").write_text(strict_yaml.dump(config))
    (tmp_path / "script.py").write_text(SCRIPT)
    launcher = "-m accelerate.commands.launch --multi_gpu --num_processes 2 --num_machines 1 --main_process_port 0"
    done = fresh.python(*launcher.split(), tmp_path / "script.py", "train", tmp_path / "run.yaml", timeout=240)
    assert done.returncode == 0, done.stderr[-3000:]
    for rank in (0, 1):
        assert f"rank {rank}: bf16 bf16 this processor multiplies it: amx_bf16" in done.stdout
    results = json.loads((tmp_path / "run" / "all_results.json").read_text())
    assert (results["precision"], results["num_processes"]) == ("bf16", 2)
