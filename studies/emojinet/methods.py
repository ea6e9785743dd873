"""The tables of the study: students, teachers, DAD sets and methods, each row with what makes it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from emojinet.worlds import SMALL, World

ROOT = Path(__file__).parents[2]
RECIPES = Path(__file__).parent / "recipes"
STUDENTS = ("resnet", "coatnet")  # each a file of RECIPES
TEACHER_SEED = 1000  # of the plain teacher, so that it shares its draws with no student
# Length of the attack's one step, L2 over the image. For the same change of a pixel, the paper's 0.1 at 224 px is 0.029
# at 64 px, but there Q's second pass alone does what the attack does (results/look.json). At 0.3 the teacher notices.
EPSILON = 0.3
STEPS = 1


@dataclass(frozen=True)
class Method:
    """A row of the study.

    Attributes:
        name: what the tables call it.
        objective: of train.py.
        teacher: a key of `TEACHERS`, or none.
        dad_set: a key of `DAD_SETS`, or none.
        seeds: how many, from 0.
        flags: of train.py, beyond the student's recipe.
        turn: methods of an earlier turn have all of their seeds before those of a later one begin.
        students: who is trained by it.
        cost: seconds of an epoch as a multiple of `ce`, measured; runs are foreseen by it, results are not.
    """

    name: str
    objective: str
    teacher: str = ""
    dad_set: str = ""
    seeds: int = 5
    flags: Mapping[str, str] = field(default_factory=dict)
    turn: int = 1
    students: tuple[str, ...] = STUDENTS
    cost: float = 1.0


@dataclass(frozen=True)
class DadSetPlan:
    """A DAD set: whose gradient made it, by how many steps of which length within epsilon; None: Q(x) without any."""

    teacher: str
    epsilon: float | None = EPSILON
    steps: int = STEPS
    step_size: float | None = None

    @property
    def flags(self) -> dict[str, object]:
        """Those of generate.py."""
        if self.epsilon is None:
            return {"--attack": "none"}
        length = self.epsilon if self.step_size is None else self.step_size
        return {"--attack-eps": self.epsilon, "--attack-steps": self.steps, "--attack-step-size": length}


TEACHERS = {"clip": "clip/local-dir:emojinet/weights/clip", "plain": "resnet18@{out}/teacher_plain/last.pth.tar"}


@dataclass(frozen=True)
class Tables:
    """What a study compares, and on what.

    Attributes:
        students: whom `recipes` holds a recipe of, with the seconds on one core that an epoch of `ce` takes.
        dad_sets: in the order in which they are made.
        recipes: folder of the students' recipes, and of validate.py's.
        generate: generate.py's recipe, from the project's root.
        epsilon: of the methods that attack in training.
        readers: threads that read images for generate.py.
        own_sets: whether the sets of `studies.emojinet.sets` are scored too.
        teachers: their specs, by name; `{out}` is the study's folder.
        makes_clip: module whose command trains the teacher `clip` into `{out}/teacher_clip`, where it is not shipped.
    """

    methods: tuple[Method, ...]
    students: Mapping[str, float]
    dad_sets: Mapping[str, DadSetPlan]
    recipes: Path
    generate: str
    epsilon: float
    world: World = SMALL
    readers: int = 1
    own_sets: bool = True
    teachers: Mapping[str, str] = field(default_factory=lambda: TEACHERS)
    makes_clip: str = ""


DAD_SETS = {
    "clip": DadSetPlan("clip"),
    "samples": DadSetPlan("clip", None, 0),
    "second_pass": DadSetPlan("clip", 0.0),  # Q(Q(x))
    "plain": DadSetPlan("plain"),
    "eps0.1": DadSetPlan("clip", 0.1),
    "eps1": DadSetPlan("clip", 1.0),
    "eps3": DadSetPlan("clip", 3.0),
    "steps5": DadSetPlan("clip", EPSILON, 5, EPSILON / 2),  # half of the budget a step, as is usual for five
}
_STYLE = {"--style-sizes": "full"}  # the CoAtNet's attention knows one size
_MAIN = 8
METHODS = (
    Method("ce", "ce", seeds=_MAIN, turn=0),
    Method("kd", "kd", "clip", seeds=_MAIN, turn=0, cost=1.3),
    Method("dad", "dad", "clip", "clip", seeds=_MAIN, turn=0, cost=2.5),
    Method("dad_samples", "dad", "clip", "samples", seeds=_MAIN, turn=0, cost=2.5),
    Method("dad_second_pass", "dad", "clip", "second_pass", seeds=_MAIN, turn=0, cost=2.5),
    Method("dad_data_only", "dad_data_only", "", "clip", seeds=_MAIN, turn=0, cost=1.9),
    Method("kd_plain", "kd", "plain", cost=1.2),
    Method("dist", "dist", "clip", cost=1.3),
    Method("ard", "ard", "clip", "clip", cost=2.3),
    Method("rslad", "rslad", "clip", "clip", cost=2.2),
    Method("dad_plain", "dad", "plain", "plain", cost=2.4),
    Method("dad_eps0.1", "dad", "clip", "eps0.1", turn=2, cost=2.5),
    Method("dad_eps1", "dad", "clip", "eps1", turn=2, cost=2.5),
    Method("dad_eps3", "dad", "clip", "eps3", turn=2, cost=2.5),
    Method("dad_steps5", "dad", "clip", "steps5", turn=2, cost=2.5),
    # Q makes up nearly all of a step of dat, which the CoAtNet's epochs would multiply.
    Method("dat", "dat", seeds=3, turn=3, students=("resnet",), cost=16),
    Method("dad_dat", "dad_dat", "clip", "clip", seeds=3, turn=3, students=("resnet",), cost=17),
    Method("kdiga", "kdiga", "clip", seeds=3, turn=3, cost=5.2),
    Method("advprop", "advprop", turn=4, cost=2.7),
    Method("fast_advprop", "fast_advprop", flags={"--batch-size": "40"}, turn=4, cost=1.2),  # 32 clean ones, 8 others
    Method("pyramid_at", "pyramid_at", turn=4, cost=5.3),
    Method("debiased", "debiased", flags=_STYLE, turn=4, cost=6),
    Method("dad_skip", "dad", "clip", "clip", flags={"--dad-missing": "skip"}, turn=5, cost=2.5),
)

CLAIMS = Tables(METHODS, {"resnet": 14, "coatnet": 17}, DAD_SETS, RECIPES, "hparams/emojinet_generate.yaml", EPSILON)
ON_A_CARD = replace(CLAIMS, methods=tuple(replace(method, seeds=10) for method in METHODS))  # runs are cheap there
