"""Two processes on the CPU, started as a timm user starts them."""

import csv
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import timm
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
@pytest.mark.parametrize("objective", ["advprop", "fast_advprop", "pyramid_at"])
def test_two_processes_train_a_network_with_batch_norms_against_itself(
    objective: str, train_flags: list[str], tmp_path: Path
) -> None:
    flags = ["--model", "test_resnet", "--model-kwargs", "--objective", objective, "-b", "10"]
    printed = launch(*train_flags, *flags, "--epochs", "1", "--model-ema", "--amp", "--amp-dtype", "bfloat16")
    (row,) = csv.DictReader((tmp_path / "run" / "summary.csv").open())
    assert 0 < float(row["train_ce_adversarial"]) < 10 and "epochs of 1 updates" in printed
    checkpoint = torch.load(tmp_path / "run" / "last.pth.tar", weights_only=False)
    for weights in ("state_dict", "state_dict_ema"):
        timm.create_model("test_resnet", num_classes=6).load_state_dict(checkpoint[weights])
    auxiliary = checkpoint.get("task_state", {}).get("auxiliary_norms", {})
    assert set(auxiliary) <= set(checkpoint["state_dict"]) and bool(auxiliary) == (objective != "pyramid_at")


@pytest.mark.slow
def test_versions_of_an_image_are_spread_over_processes(
    train_flags: list[str], generate_flags: list[str], tmp_path: Path
) -> None:
    assert generate.main(generate_flags) == 0
    flags = ["--objective", "dad", "--epochs", "2", "--aug-repeats", "3", "--no-ddp-bb", "--use-multi-epochs-loader"]
    printed = launch(*train_flags, *flags, "--dad-dir", str(tmp_path / "dad"))
    assert len(list(csv.DictReader((tmp_path / "run" / "summary.csv").open()))) == 2
    assert "epochs of 3 updates" in printed


@pytest.mark.slow
def test_two_nodes_train_one_model(train_flags: list[str], tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    shared = {**os.environ, "PYTHON": sys.executable, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "NNODES": "2"}
    command = [str(ROOT / "distributed_train.sh"), "1", *train_flags, "--objective", "ce", "--epochs", "1"]
    nodes = [
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                         env={**shared, "NODE_RANK": rank, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port})
        for rank in "01"
    ]  # fmt: skip
    printed = [node.communicate(timeout=240)[0] for node in nodes]
    assert [node.returncode for node in nodes] == [0, 0], printed
    assert "global batch 12" in printed[0] and printed[0].count("--result") == 1 and "--result" not in printed[1]


@pytest.fixture
def slurm(tmp_path: Path) -> dict[str, str]:
    """The environment of a job in which srun writes down its words and waits to be ended."""
    tools = {
        "scontrol": f'[ "$1" = show ] && echo node1 || echo "$@" >> {tmp_path}/queue',
        "srun": 'trap "exit 1" TERM; echo "$@" > flags; while true; do sleep 0.1; done',
    }
    for name, body in tools.items():
        (tmp_path / name).write_text(f"#!/usr/bin/env bash\n{body}\n")
        (tmp_path / name).chmod(0o755)
    job = {
        "JOB_NAME": "job",
        "JOB_ID": "7",
        "JOB_NUM_NODES": "2",
        "JOB_NODELIST": "node[1-2]",
        "SUBMIT_DIR": str(tmp_path),
    }
    return {"PATH": f"{tmp_path}:{os.environ['PATH']}", **{f"SLURM_{key}": value for key, value in job.items()}}


def end_training_job(environment: dict[str, str], *flags: str) -> str:
    """Run the job until it is told to end; return the words that srun had."""
    job = subprocess.Popen(["bash", ROOT / "slurm" / "train.sbatch", "--config", "x.yaml", *flags], env=environment)
    time.sleep(1)
    job.send_signal(signal.SIGTERM)
    assert job.wait(timeout=30) == 1
    return (Path(environment["SLURM_SUBMIT_DIR"]) / "flags").read_text()


def test_the_training_job_goes_back_to_the_queue_only_when_it_was_interrupted(
    tmp_path: Path, slurm: dict[str, str]
) -> None:
    for state in ("failed", "interrupted"):
        (tmp_path / "output" / "train" / "job-7").mkdir(parents=True, exist_ok=True)
        (tmp_path / "output" / "train" / "job-7" / "status.json").write_text(json.dumps({"state": state}))
        words = end_training_job(slurm)
        assert (tmp_path / "queue").exists() is (state == "interrupted")
    assert "--config x.yaml --output output/train --experiment job-7 --resume auto" in words


def test_a_training_job_may_have_a_folder_of_its_own(tmp_path: Path, slurm: dict[str, str]) -> None:
    (tmp_path / "runs" / "vitb_dad").mkdir(parents=True)
    (tmp_path / "runs" / "vitb_dad" / "status.json").write_text(json.dumps({"state": "interrupted"}))
    words = end_training_job(slurm, "--output", "runs", "--experiment", "vitb_dad")
    assert (
        words.rstrip().endswith("--output runs --experiment vitb_dad --resume auto") and (tmp_path / "queue").exists()
    )


def test_another_script_has_its_flags_as_they_are(tmp_path: Path, slurm: dict[str, str]) -> None:
    words = end_training_job({**slurm, "DAD_SCRIPT": "generate.py"})
    assert words.rstrip().endswith("--config x.yaml") and not (tmp_path / "queue").exists()
