#!/usr/bin/env bash
# From a fresh clone to a fine-tuned, evaluated and proven model: one command, no network beyond the package index.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/environment.sh
make_environment ""

ftkit train task_configs/quickstart.yaml overwrite=true
echo "A prediction by the saved run:"
ftkit predict runs/quickstart --text "where is my parcel? it should have been here on monday"
