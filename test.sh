#!/usr/bin/env bash
# Set-up, linters and tests: ./test.sh [flags of pytest]
set -euo pipefail
cd "$(dirname "$0")"
source ./setup.sh requirements-dev.txt
.venv/bin/ruff check .
.venv/bin/ruff format --check .
.venv/bin/mypy
OMP_NUM_THREADS=1 .venv/bin/python -m pytest -n "$(nproc)" --dist loadscope "$@"
