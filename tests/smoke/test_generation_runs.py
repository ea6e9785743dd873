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


@pytest.mark.slow
def test_tasks_of_a_job_array_make_a_set_together(generate_flags: list[str], tmp_path: Path) -> None:
    generate.main([*generate_flags, "--dad-dir", str(tmp_path / "alone")])
    for task in ("4", "3"):  # in any order, and arrays need not begin at 0
        slurm = {"SLURM_ARRAY_TASK_COUNT": "2", "SLURM_ARRAY_TASK_MIN": "3", "SLURM_ARRAY_TASK_ID": task}
        slurm |= {"DAD_SHARDS": "4", "SLURM_SUBMIT_DIR": str(ROOT), "PYTHON": sys.executable}
        assert not (tmp_path / "dad" / "manifest.json").exists()
        subprocess.run(
            ["bash", ROOT / "slurm" / "generate.sbatch", *generate_flags], env={**os.environ, **slurm}, check=True
        )
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
