#!/usr/bin/env bash
# From a fresh clone to a fine-tuned, evaluated and proven model: one command, no network beyond the package index.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/environment.sh
make_environment ""

# The demo model is so small that a second thread would only wait for the first.
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
ftkit train task_configs/quickstart.yaml overwrite=true
echo "A prediction by the saved run:"
ftkit predict runs/quickstart --text "where is my parcel? it should have been here on monday"
echo
echo "To go on in this shell: source ${FTKIT_VENV:-.venv}/bin/activate"
echo "Your own data: see README.md, and the configs in task_configs/."
