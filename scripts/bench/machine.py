"""Prints what this machine can do at best: GFLOP/s of a large matrix product, in float32 and bfloat16, as JSON."""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import torch

SIZE = {"cpu": 2048, "cuda": 8192}  # large enough to be bound by arithmetic, small enough to be over in a moment
SMALLEST = 256

Product = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def products(device: torch.device) -> dict[str, tuple[torch.dtype, Product]]:
    """Returns what is measured: name -> type and product."""
    return {"fp32_matmul": (torch.float32, torch.matmul), "bf16_matmul": (torch.bfloat16, torch.matmul)}


def gflops(product: Product, dtype: torch.dtype, *, seconds: float, device: torch.device) -> float:
    """Returns the best of as many square products as fit into some seconds, at least three.

    Where three large products do not fit, smaller ones are measured: a processor without instructions for bfloat16
    takes a minute for a large one.
    """
    size, largest = SMALLEST, SIZE.get(device.type, SIZE["cuda"])
    while size < largest and 3 * 2**3 * _shortest(product, dtype, size, device, seconds=0, least=2) < seconds:
        size *= 2
    return 2 * size**3 / _shortest(product, dtype, size, device, seconds=seconds, least=3) / 1e9


def _shortest(
    product: Product, dtype: torch.dtype, size: int, device: torch.device, *, seconds: float, least: int
) -> float:
    """Returns the seconds that the fastest product takes."""
    one, other = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    best, stop, count = float("inf"), time.perf_counter() + seconds, 0
    while count < least or time.perf_counter() < stop:
        started = time.perf_counter()
        product(one, other)[0, 0].item()  # reading one number waits for a GPU
        best = min(best, time.perf_counter() - started)
        count += 1
    return best


def cpu_name() -> str:
    """Returns the processor's name, where the system tells it."""
    table = Path("/proc/cpuinfo")
    lines = table.read_text(encoding="utf-8").splitlines() if table.is_file() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "CPU")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0, help="for each sort of product")
    arguments = parser.parse_args()
    busy_share = psutil.cpu_percent(interval=arguments.seconds / 2) / 100  # first, while nothing of ours runs
    device = torch.accelerator.current_accelerator() or torch.device("cpu")
    measured = {
        name: gflops(product, dtype, seconds=arguments.seconds, device=device)
        for name, (dtype, product) in products(device).items()
    }
    facts = {
        "busy_share": busy_share,
        "device": torch.cuda.get_device_name() if device.type == "cuda" else cpu_name(),
        "num_threads": torch.get_num_threads(),
        "num_cores": os.cpu_count(),
        "platform": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
    peaks = {
        f"{precision}_gflops": max(value for name, value in measured.items() if name.startswith(precision))
        for precision in ("fp32", "bf16")
    }
    print(json.dumps({**facts, **peaks, "products": measured}))


if __name__ == "__main__":
    main()
