"""What each of several processes holds of a model's weights, gradients and optimizer: plain, and shared out by FSDP2.

    python scripts/bench/sharded_memory.py --checkpoint sentence-transformers/all-MiniLM-L6-v2 --ranks 2

Bytes are those of the tensors that a rank has when its second optimizer step is due; `process` is the most memory that
the process had until then. Accelerate shares out no model among processes on CPUs: it is told that they are GPUs.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SUPPORT = ROOT / "ftkit" / "demo"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--checkpoint", default=str(SUPPORT / "bert"))
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--rank-of", type=Path, help=argparse.SUPPRESS)  # what each process is started with
    arguments = parser.parse_args()
    if arguments.rank_of is not None:
        return train_and_measure(arguments.rank_of)
    for ranks in (1, arguments.ranks):
        with tempfile.TemporaryDirectory() as place:
            print(json.dumps(measure(arguments.checkpoint, ranks, Path(place))))
    return 0


def measure(checkpoint: str, ranks: int, place: Path) -> dict[str, Any]:
    """Trains two steps on so many processes; returns what the one that holds most had, in MiB."""
    config = {
        "task": "text-classification",
        "model": {"checkpoint": checkpoint},
        "data": {"train": str(SUPPORT / "support" / "train.csv"), "columns": {"label": "intent"}},
        "train": {"max_steps": 2, "per_device_train_batch_size": 4, "precision": "fp32", "use_cpu": True},
        "output_dir": str(place / "run"),
    }
    if ranks > 1:
        config["train"] |= {"fsdp": True}
    (place / "config.json").write_text(json.dumps(config))
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={ranks}"]
    command = [sys.executable, *launcher, __file__, "--rank-of", str(place)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    found = [json.loads(path.read_text()) for path in place.glob("rank-*.json")]
    return {"ranks": ranks, **{name: round(max(one[name] for one in found) / 2**20, 2) for name in found[0]}}


def train_and_measure(place: Path) -> int:
    """Carries out a run as one of its ranks, and leaves what it held, in bytes."""
    from transformers import TrainerCallback

    import ftkit
    from ftkit.runs import steps

    class Measure(TrainerCallback):
        def on_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if state.global_step == 1:
                held = held_bytes(kwargs["model"], kwargs["optimizer"])
                held["process"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
                (place / f"rank-{args.process_index}.json").write_text(json.dumps(held))

    share_out_on_cpus()
    made = steps.callbacks
    steps.callbacks = lambda *arguments: [*made(*arguments), Measure()]
    ftkit.train(place / "config.json")
    return 0


def held_bytes(model: Any, optimizer: Any) -> dict[str, int]:
    """Returns the bytes of weights, gradients and the optimizer's state that lie in this process."""
    weights = list(model.parameters())
    states = [value for state in optimizer.state.values() for value in state.values()]
    counts = {
        "weights": sum(map(_local_bytes, weights)),
        "gradients": sum(_local_bytes(weight.grad) for weight in weights if weight.grad is not None),
        "optimizer": sum(map(_local_bytes, states)),
    }
    return {**counts, "together": sum(counts.values())}


def _local_bytes(tensor: Any) -> int:
    local = tensor.to_local() if hasattr(tensor, "to_local") else tensor
    return int(getattr(local, "nbytes", 0))


def share_out_on_cpus() -> None:
    """Lets Accelerate share out a model among processes on CPUs, as it does among GPUs."""
    from accelerate import PartialState
    from accelerate.utils import DistributedType

    init = PartialState.__init__

    def as_gpus(self: PartialState, *arguments: Any, **options: Any) -> None:
        init(self, *arguments, **options)
        if self.distributed_type == DistributedType.MULTI_CPU:
            self.distributed_type = DistributedType.MULTI_GPU

    PartialState.__init__ = as_gpus


if __name__ == "__main__":
    sys.exit(main())
