"""Which scenes `mistakes` holds: those that an ensemble of plain students gets wrong, both students with seeds that the
study does not use.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from dad.args import create_generate_parser
from dad.args.hparams import parse_args
from dad.files import to_json, write_atomically
from dad.images.classes import load_class_list
from dad.teachers import create_teacher
from emojinet.concepts import class_concepts
from emojinet.reference import stack_images
from emojinet.scenes import Pixels
from studies.emojinet.methods import RECIPES, ROOT, STUDENTS
from studies.emojinet.plan import Job, render_job, resolved
from studies.emojinet.sets import SELECTED, TRIES, web_scene

JUDGE_SEEDS = (2000, 2001)
KEPT = 10  # of a class at most


def judge_jobs(out: Path) -> list[Job]:
    """Return the jobs that train the ensemble: `ce` by each student's recipe."""
    data = render_job(out)
    return [data, *(_judge(out, data, student, seed) for seed in JUDGE_SEEDS for student in STUDENTS)]


def _judge(out: Path, data: Job, student: str, seed: int) -> Job:
    folder = out / "judges" / f"{student}_{seed}"
    flags = {
        "--objective": "ce", "--seed": seed, "--data-dir": out / "data", "--output": folder.parent,
        "--experiment": folder.name,
    }  # fmt: skip
    words = ["train.py", "--config", str((RECIPES / f"{student}.yaml").relative_to(ROOT))]
    words += [str(word) for pair in flags.items() for word in pair]
    return Job(f"judge_{folder.name}", 1, ((*words, "--resume", "auto"),), folder / "last.pth.tar", 2, needs=(data,))


def select(jobs: Sequence[Job], data: Path) -> str:
    """Choose the scenes with the judges that `jobs` trained, write `SELECTED`, and return a line on it."""
    judges = [load_judge(job.result, job.name.split("_")[1], data) for job in jobs if job.name.startswith("judge_")]
    chosen: dict[str, list[int]] = {}
    wrong = 0
    for label, concept in enumerate(class_concepts()):
        scenes = [web_scene(concept, number) for number in range(TRIES)]
        numbers = mistaken(judges, scenes, label)
        wrong += len(numbers)
        chosen[concept.folder] = numbers[:KEPT]
    write_atomically(SELECTED, to_json(chosen))
    kept = sum(map(len, chosen.values()))
    return (
        f"{len(judges)} judges are wrong on {wrong} of {TRIES * len(chosen)} scenes; {kept} kept ({SELECTED.name}), at "
        f"most {KEPT} a class"
    )


@torch.inference_mode()
def mistaken(judges: Sequence[nn.Module], scenes: Sequence[Pixels], label: int) -> list[int]:
    """Return the numbers of the scenes, uint8 [64, 64, 3], whose likeliest class by the judges' mean probability is not
    `label`."""
    pixels = stack_images(list(scenes)).float() / 255
    mean = torch.stack([judge(pixels).softmax(1) for judge in judges]).mean(dim=0)
    return [number for number, found in enumerate(mean.argmax(1).tolist()) if found != label]


def load_judge(checkpoint: Path, student: str, data: Path) -> nn.Module:
    """Return a trained student as a function of pixels [B, 3, 64, 64] to logits."""
    model = resolved(RECIPES / f"{student}.yaml")["model"]
    words = [
        "--config",
        "hparams/emojinet_generate.yaml",
        "--data-dir",
        str(data),
        "--teacher",
        f"{model}@{checkpoint}",
    ]
    args, _ = parse_args(create_generate_parser(), words)
    return create_teacher(args, load_class_list(args.class_map), torch.device("cpu")).on_pixels()
