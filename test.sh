#!/usr/bin/env bash
# Set-up, linters and tests: ./test.sh [--all] [flags of pytest]
# By itself it runs what a change is checked with again and again: the linters and the unit tests that are not slow. With
# flags, all tests that are not slow; with --all, every test.
set -euo pipefail
cd "$(dirname "$0")"
source ./setup.sh requirements-dev.txt
which=(-m "not slow")
if [ $# = 0 ]; then which+=(tests/unit); fi
if [ "${1:-}" = --all ]; then
    which=()
    shift
fi
.venv/bin/ruff check .
.venv/bin/ruff format --check .
.venv/bin/mypy
OMP_NUM_THREADS=1 .venv/bin/python -m pytest -n "$(nproc)" --dist loadscope ${which[@]+"${which[@]}"} "$@"
