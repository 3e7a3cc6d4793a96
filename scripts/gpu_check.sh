#!/usr/bin/env bash
# What only a GPU can show, in one command: the GPU's own tests, a run with default settings, and scripts/bench/gpu.py.
#     bash scripts/gpu_check.sh OUT
set -u
out="$1"
python3 -m pytest -q -o filterwarnings= -p no:cacheprovider tests/speedups -k "gpu" 2>&1 | tail -15
for precision in auto fp32; do
  python3 -m ftkit train task_configs/quickstart.yaml output_dir="$out/quickstart-$precision" train.precision="$precision"
done
python3 -m ftkit predict "$out/quickstart-auto" --text "my card is lost" --precision auto
python3 scripts/bench/gpu.py --output "$out/bench" --models bert --repeats 3
python3 scripts/bench/gpu.py --output "$out/bench-llama" --models llama --rows 1024 --repeats 2
