"""generate.py's ways to run: as a rehearsal, as tasks of a job array, without an attack, with a page to look at."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import generate
from dad.discretizers.vqgan import load_vqgan
from dad.shards import DadSet, decode_codes, decode_image

ROOT = Path(__file__).parents[2]


def test_a_dry_run_foretells_the_cost_and_writes_nothing(
    generate_flags: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert generate.main([*generate_flags, "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "36 source images in 4 shards" in said and all(word in said for word in ("time ", "disk ", "memory "))
    assert not (tmp_path / "dad").exists()


def array_task(flags: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the job script as SLURM runs a task of an array."""
    environment = {**os.environ, "SLURM_SUBMIT_DIR": str(ROOT), "DAD_SHARDS": "10", **environment}
    command = ["bash", str(ROOT / "slurm" / "generate.sbatch"), *flags]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize(("count", "first", "last", "step"), [(4, 0, 3, 1), (1, 2, 2, 1), (2, 0, 2, 2), (2, 1, 3, 2)])
def test_a_task_makes_the_same_shards_whatever_is_submitted_with_it(
    count: int, first: int, last: int, step: int
) -> None:
    array = {"COUNT": count, "MIN": first, "MAX": last, "STEP": step}
    slurm = {f"SLURM_ARRAY_TASK_{name}": str(value) for name, value in array.items()}
    expected = {0: "0:3", 1: "3:6", 2: "6:9", 3: "9:"}
    for task in range(first, last + 1, step):
        done = array_task(["--x"], **slurm, SLURM_ARRAY_TASK_ID=str(task), DAD_TASKS="4", PYTHON="echo")
        assert done.stdout == f"generate.py --x --shard-range {expected[task]}\n"


def stub(tmp_path: Path, body: str) -> str:
    """A program in the place of Python's, whose work is `body`, and a folder that jobs are submitted from."""
    path = tmp_path / "python"
    path.write_text(f"#!/usr/bin/env bash\n{body}\n")
    path.chmod(0o755)
    return str(path)


def test_the_number_of_shards_is_that_of_a_dry_run_which_one_task_makes_for_all(tmp_path: Path) -> None:
    dry = 'echo "$@" >> calls; [[ "$*" == *--dry-run ]] && echo "9,999,001 source images in 9,999 shards; timed on 3"'
    slurm = {"SLURM_SUBMIT_DIR": str(tmp_path), "SLURM_ARRAY_JOB_ID": "7", "DAD_TASKS": "4", "DAD_SHARDS": ""}
    for task in ("3", "0"):
        array_task(["--x"], **slurm, SLURM_ARRAY_TASK_ID=task, PYTHON=stub(tmp_path, dry))
    assert (tmp_path / "calls").read_text().splitlines() == [
        "generate.py --x --dry-run",
        "generate.py --x --shard-range 7500:",
        "generate.py --x --shard-range 0:2500",
    ]


@pytest.mark.parametrize(("body", "code", "message"), [("exit 4", 4, ""), ("true", 3, "names no number of shards")])
def test_a_dry_run_that_fails_ends_the_task(tmp_path: Path, body: str, code: int, message: str) -> None:
    slurm = {"SLURM_SUBMIT_DIR": str(tmp_path), "SLURM_ARRAY_TASK_ID": "0", "DAD_TASKS": "4", "DAD_SHARDS": ""}
    done = array_task([], **slurm, PYTHON=stub(tmp_path, body))
    assert done.returncode == code and message in done.stderr


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"SLURM_ARRAY_TASK_ID": "0"}, "DAD_TASKS: set it to the number of parts"),
        ({"DAD_TASKS": "4"}, "submit it with --array=0-N"),
        ({"SLURM_ARRAY_TASK_ID": "4", "DAD_TASKS": "4"}, "task 4, but DAD_TASKS=4 parts are numbered 0 to 3"),
    ],
)
def test_a_task_that_is_no_part_of_the_set_is_refused(environment: dict[str, str], message: str) -> None:
    done = array_task([], **environment, PYTHON="echo")
    assert done.returncode != 0 and message in done.stderr and not done.stdout


@pytest.mark.slow
def test_tasks_of_a_job_array_make_a_set_together(generate_flags: list[str], tmp_path: Path) -> None:
    generate.main([*generate_flags, "--dad-dir", str(tmp_path / "alone")])
    for task in ("1", "0"):  # in any order
        assert not (tmp_path / "dad" / "manifest.json").exists()
        slurm = {"SLURM_ARRAY_TASK_ID": task, "DAD_TASKS": "2", "DAD_SHARDS": ""}
        slurm |= {"SLURM_SUBMIT_DIR": str(tmp_path), "SLURM_ARRAY_JOB_ID": "7", "PYTHON": sys.executable}
        (tmp_path / "generate.py").unlink(missing_ok=True)
        (tmp_path / "generate.py").symlink_to(ROOT / "generate.py")
        assert array_task(generate_flags, **slurm).returncode == 0
    shards = [path.read_bytes() for path in sorted((tmp_path / "dad" / "shards").iterdir())]
    assert shards == [path.read_bytes() for path in sorted((tmp_path / "alone" / "shards").iterdir())]
    assert len(DadSet.open(tmp_path / "dad")) == 36


def test_without_an_attack_the_images_are_q_of_the_sources(
    world: Path, generate_flags: list[str], tmp_path: Path
) -> None:
    generate.main([*generate_flags, "--attack", "none"])
    samples = DadSet.open(tmp_path / "dad")
    q = load_vqgan(str(world / "vqgan" / "config.json"), str(world / "vqgan" / "model.safetensors"))
    assert samples.settings["attack"] == "none" and "attack_epsilon" not in samples.settings and len(samples) == 36
    for index, key in enumerate(samples.keys[:8]):
        source = decode_image((world / "data" / "train" / f"{key}.png").read_bytes())
        codes = q.encode(torch.tensor(source).permute(2, 0, 1)[None] / 255)
        assert (decode_codes(samples.read(index, "npy")) == codes[0].numpy()).mean() > 0.99  # batches round differently


@pytest.mark.parametrize("count", ["0", "3"])
def test_the_gallery_shows_as_many_images_as_asked_for(generate_flags: list[str], tmp_path: Path, count: str) -> None:
    generate.main([*generate_flags, "--gallery", count, "--preview", "0"])
    page = tmp_path / "dad" / "gallery.html"
    assert page.exists() is (count != "0") and not (tmp_path / "dad" / "preview.png").exists()
    assert count == "0" or page.read_text().count("<article>") == 3
