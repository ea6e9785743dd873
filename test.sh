#!/usr/bin/env bash
# Set-up, linters and tests: ./test.sh [--all] [flags of pytest]    (without --all, the slow tests are left out)
set -euo pipefail
cd "$(dirname "$0")"
source ./setup.sh requirements-dev.txt
which=(-m "not slow")
if [ "${1:-}" = --all ]; then
    which=()
    shift
fi
.venv/bin/ruff check .
.venv/bin/ruff format --check .
.venv/bin/mypy
OMP_NUM_THREADS=1 .venv/bin/python -m pytest -n "$(nproc)" --dist loadscope ${which[@]+"${which[@]}"} "$@"
