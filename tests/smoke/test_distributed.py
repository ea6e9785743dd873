"""Two processes on the CPU, started as a timm user starts them."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import generate

ROOT = Path(__file__).parents[2]


def launch(*flags: str) -> str:
    """Run ./distributed_train.sh on two processes; return what it prints."""
    finished = subprocess.run(
        [str(ROOT / "distributed_train.sh"), "2", *flags],
        env={**os.environ, "PYTHON": sys.executable, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        cwd=ROOT, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("objective", "terms"),
    [("dad", {"ce", "kd_clean", "kd_dad"}), ("ard", {"ce", "kd_dad"}), ("kdiga_dad", {"iga_dad"})],
)
def test_two_processes_train_one_model(
    objective: str, terms: set[str], train_flags: list[str], generate_flags: list[str], tmp_path: Path
) -> None:
    assert generate.main(generate_flags) == 0
    flags = ("--objective", objective, "--dad-dir", str(tmp_path / "dad"), "--epochs", "1", "--model-ema")
    printed = launch(*train_flags, *flags)
    rows = list(csv.DictReader((tmp_path / "run" / "summary.csv").open()))
    assert [row["epoch"] for row in rows] == ["0"] and {f"train_{term}" for term in terms} <= set(rows[0])
    assert float(rows[0]["eval_top1"]) * 12 / 100 == pytest.approx(round(float(rows[0]["eval_top1"]) * 12 / 100))
    assert printed.count("--result") == 1 and "global batch 12" in printed and "epochs of 3 updates" in printed
    checkpoint = torch.load(tmp_path / "run" / "last.pth.tar", weights_only=False)
    assert not any("module." in key or "teacher" in key for key in checkpoint["state_dict"])


@pytest.mark.slow
def test_versions_of_an_image_are_spread_over_processes(
    train_flags: list[str], generate_flags: list[str], tmp_path: Path
) -> None:
    assert generate.main(generate_flags) == 0
    flags = ["--objective", "dad", "--epochs", "2", "--aug-repeats", "3", "--no-ddp-bb", "--use-multi-epochs-loader"]
    printed = launch(*train_flags, *flags, "--dad-dir", str(tmp_path / "dad"))
    assert len(list(csv.DictReader((tmp_path / "run" / "summary.csv").open()))) == 2
    assert "epochs of 3 updates" in printed
