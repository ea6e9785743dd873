"""The tables of the study of the large world: students, DAD sets and methods."""

from dataclasses import replace
from pathlib import Path

from emojinet.worlds import LARGE
from studies.emojinet.methods import EPSILON, METHODS, ROOT, DadSetPlan, Tables

RECIPES = Path(__file__).parent / "recipes"
STUDENTS = {"resnet18": 60.0, "mobilenetv4": 60.0}  # seconds on one core, of an epoch of `ce`: reading, next to a card
SEEDS = 5
# The same change of a pixel: lengths in the L2 norm of the whole image grow with its side.
LARGE_EPSILON = EPSILON * 2
_COMPARED = ("ce", "kd", "dad", "dad_samples")

TABLES = Tables(
    tuple(
        replace(method, seeds=SEEDS, students=(student,), turn=turn)  # one student after the other
        for turn, student in enumerate(STUDENTS)
        for method in METHODS
        if method.name in _COMPARED
    ),
    STUDENTS,
    {"clip": DadSetPlan("clip", LARGE_EPSILON), "samples": DadSetPlan("clip", None, 0)},
    RECIPES,
    str((RECIPES / "generate.yaml").relative_to(ROOT)),
    LARGE_EPSILON,
    world=LARGE,
    readers=4,
    own_sets=False,
    teachers={"clip": "clip/local-dir:{out}/teacher_clip"},
    makes_clip="emojinet.large_teacher",
)  # fmt: skip
