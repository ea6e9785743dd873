"""The plan's commands are ones that the scripts take, and its tables are whole."""

from pathlib import Path

import pytest

from dad.args import create_generate_parser, create_train_parser, create_validate_parser
from dad.args.hparams import parse_args
from dad.errors import UsageError
from dad.objectives import load_objective
from dad.training.views import DAD
from studies.emojinet import claims
from studies.emojinet.methods import DAD_SETS, METHODS, ON_A_CARD, STUDENTS
from studies.emojinet.plan import Job, plan_jobs
from studies.emojinet.records import Records

PARSERS = {
    "train.py": create_train_parser, "generate.py": create_generate_parser, "validate.py": create_validate_parser,
}  # fmt: skip


def plan(out: Path, *only: str, seeds: int | None = 1, quick: bool = False) -> dict[str, Job]:
    """The jobs by name."""
    return {job.name: job for job in plan_jobs(out, seeds, only, quick)}


@pytest.fixture(autouse=True)
def at_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands name their recipes from the project's root."""
    monkeypatch.chdir(Path(__file__).parents[3])


def test_scripts_take_every_command(tmp_path: Path) -> None:
    for quick in (False, True):
        for job in plan(tmp_path, quick=quick).values():
            for script, *words in job.commands:
                if script in PARSERS:
                    parse_args(PARSERS[script](), words)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_a_method_has_what_its_objective_needs(method) -> None:
    objective = load_objective(method.objective)
    assert objective.needs_teacher == bool(method.teacher)
    assert (DAD in objective.views) == bool(method.dad_set)
    assert set(method.students) <= set(STUDENTS) and method.seeds > 0


def test_methods_of_a_student_share_all_but_what_makes_the_method(tmp_path: Path) -> None:
    differs = {"objective", "experiment", "teacher", "dad_dir"}
    for student in STUDENTS:
        jobs = [job for job in plan(tmp_path).values() if job.run and job.run[1] == student]
        kept = []
        for job in jobs:
            own = differs | {flag[2:].replace("-", "_") for flag in job.run[0].flags}
            settings = vars(parse_args(create_train_parser(), job.commands[0][1:])[0])
            kept.append({name: value for name, value in settings.items() if name not in own})
        assert all(one.items() <= kept[0].items() for one in kept)


def test_temperature_and_weights_are_each_methods_own(tmp_path: Path) -> None:
    args, _ = parse_args(create_train_parser(), plan(tmp_path)["resnet_dist_0"].commands[0][1:])
    assert (args.kd_temperature, args.distill_loss_weight, args.logit_scale) == (4.0, None, None)


def test_every_claim_finds_its_methods() -> None:
    names = {method.name for method in METHODS}
    judged = claims.judge_all(Records([]))
    assert len(judged) == 8
    assert {"ce", "kd", "dad", "ard", "rslad", "dist", "dad_samples", "dad_data_only", "dad_plain", "dad_dat"} <= names


def test_runs_come_seed_by_seed_after_what_they_need(tmp_path: Path) -> None:
    names = list(plan(tmp_path, "ce", "dad_plain", seeds=2))
    assert names[:4] == ["data", "sets", "teacher_plain", "dad_plain"]
    assert [name.split("_", 1)[1] for name in names[4::2]] == ["ce_0", "ce_1", "dad_plain_0", "dad_plain_1"]


def test_both_students_have_a_seed_of_what_decides_most_before_the_next_begins(tmp_path: Path) -> None:
    runs = [job.run for job in plan(tmp_path, seeds=None).values() if job.run]
    first = [run for run in runs if run[0].turn == 0]
    assert runs[: len(first)] == first and len(first) == 6 * 2 * 8
    assert [seed for _, _, seed, _ in first] == sorted(seed for _, _, seed, _ in first)
    assert {(run[0].name, run[1]) for run in first[:12]} == {(run[0].name, run[1]) for run in first}


def test_dear_methods_have_fewer_seeds(tmp_path: Path) -> None:
    names = plan(tmp_path, seeds=None)
    assert "coatnet_dad_7" in names and "resnet_dat_2" in names
    assert "resnet_dat_3" not in names and "coatnet_dat_0" not in names


def test_only_what_is_needed_is_made(tmp_path: Path) -> None:
    assert list(plan(tmp_path, "ce")) == ["data", "sets", "resnet_ce_0", "coatnet_ce_0"]


def test_dad_sets_are_made_as_the_table_says(tmp_path: Path) -> None:
    jobs = plan(tmp_path)
    for name, dad_set in DAD_SETS.items():
        job = jobs[f"dad_{name}"]
        args, _ = parse_args(create_generate_parser(), job.commands[0][1:])
        if dad_set.epsilon is None:
            assert args.attack == "none"
        else:
            assert (args.attack_eps, args.attack_steps) == (dad_set.epsilon, dad_set.steps)


def test_a_device_reaches_every_script(tmp_path: Path) -> None:
    for job in plan_jobs(tmp_path, 1, ["dad_plain"], device="cuda"):
        for words in job.commands:
            assert words[0] == "-m" or words[words.index("--device") + 1] == "cuda"


def test_a_card_has_ten_seeds_of_every_method(tmp_path: Path) -> None:
    seeds: dict[tuple[str, str], int] = {}
    for job in plan_jobs(tmp_path, device="cuda", tables=ON_A_CARD):
        if job.run:
            seeds[job.run[1], job.run[0].name] = seeds.get((job.run[1], job.run[0].name), 0) + 1
    assert set(seeds.values()) == {10} and {name for _, name in seeds} == {method.name for method in METHODS}


def test_an_unknown_method_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="dadd"):
        plan(tmp_path, "dadd")


def test_a_digest_tells_runs_apart(tmp_path: Path) -> None:
    digests = [job.digest() for job in plan(tmp_path, seeds=2).values()]
    assert len(set(digests)) == len(digests)
    assert digests == [job.digest() for job in plan(tmp_path, seeds=2).values()]


def test_a_digest_does_not_depend_on_where_the_checkout_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digests = []
    for place, rate in (("one", 1), ("two", 1), ("two", 2)):
        monkeypatch.setattr("studies.emojinet.plan.ROOT", tmp_path / place)
        (tmp_path / place).mkdir(exist_ok=True)
        (tmp_path / place / "recipe.yaml").write_text(f"lr: {rate}\n")
        job = Job("run", 0, (("train.py", "--config", "recipe.yaml"),), Path("result"), 1)
        digests.append(job.digest())
    assert digests[0] == digests[1] != digests[2]
