#!/usr/bin/env bash
# The whole test suite, lint, types and import layers included. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/environment.sh
make_environment "[dev]"

ruff check .
ruff format --check .
lint-imports
# Types are checked by a test, tests/test_static_types.py.
# A file stays in one process, where what its tests share is made once; tests/conftest.py says which come first.
pytest -n "${FTKIT_TEST_PROCESSES:-2}" --dist loadfile --no-loadscope-reorder "$@"
