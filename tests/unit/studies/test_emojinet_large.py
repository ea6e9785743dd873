"""The study of the large world: commands that the scripts take, a plan that is theirs, a table of what was found."""

from collections.abc import Callable
from pathlib import Path

import pytest

from dad.args import create_generate_parser, create_train_parser, create_validate_parser
from dad.args.hparams import parse_args
from dad.errors import DataError, UsageError
from dad.images.classes import load_class_list
from studies.emojinet.plan import plan_jobs
from studies.emojinet.plan_file import require_plan
from studies.emojinet.records import Records
from studies.emojinet.study import DadSetFacts, Study
from studies.emojinet_large import __main__ as study
from studies.emojinet_large.methods import STUDENTS, TABLES
from studies.emojinet_large.table import format_table, load

PARSERS = {
    "train.py": create_train_parser, "generate.py": create_generate_parser, "validate.py": create_validate_parser,
}  # fmt: skip


@pytest.fixture(autouse=True)
def at_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands name their recipes from the project's root."""
    monkeypatch.chdir(Path(__file__).parents[3])


def test_scripts_take_every_command_and_all_are_of_one_world(tmp_path: Path) -> None:
    jobs = plan_jobs(tmp_path, 1, device="cuda", tables=TABLES)
    assert [job.name for job in jobs[:4]] == ["data", "teacher_clip", "dad_clip", "dad_samples"]
    assert all(job.needs == (jobs[0], jobs[1]) for job in jobs[2:4])  # another teacher is another DAD set
    assert jobs[0].commands[0][-2:] == ("--world", "large")
    for job in jobs[2:]:
        for script, *words in job.commands:
            args, _ = parse_args(PARSERS[script](), words)
            assert len(load_class_list(args.class_map, args.class_names)) == 1161 and args.device == "cuda"
            assert script == "validate.py" or args.img_size == 128
            assert "--extra-set" not in words


def test_the_attack_is_as_strong_for_a_pixel_as_at_64_px(tmp_path: Path) -> None:
    (job,) = (job for job in plan_jobs(tmp_path, 1, ["dad"], tables=TABLES) if job.name == "dad_clip")
    args, _ = parse_args(create_generate_parser(), job.commands[0][1:])
    assert (args.attack_eps, args.attack_step_size, args.attack_norm) == (0.6, 0.6, "l2")


def test_the_committed_plan_is_what_tables_and_recipes_make() -> None:
    require_plan(study.RESULTS / "plan.json", study.plan_bytes("cuda:1"))


def test_bad_numbers_and_a_missing_plan_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--seeds and --workers must be at least 1"):
        study.main(["run", "--workers", "0"])
    with pytest.raises(DataError, match="there is no plan yet"):
        study.main(["run", "--results", str(tmp_path)])


def test_a_row_has_means_and_what_is_added(make_records: Callable[..., Records]) -> None:
    records = make_records({"ce": [10.0, 12.0], "kd": [20.0, 21.0], "dad": [25.0, 27.0], "dad_samples": [25.0, 25.0]})
    teacher = {"imagenet": 1.0, "imagenetv2": 2.0, "imagenet-r": 40.0, "imagenet-sketch": 50.0, "imagenet-style": 3.0}
    text = format_table(Study(records, teacher, {"clip": DadSetFacts(0.6, 1, 0.345, 0.5)}))
    rows = {cells[0]: cells for line in text.splitlines() if len(cells := [c.strip() for c in line.split("|")[1:]]) > 2}
    assert rows["teacher"][2:8] == ["1.0", "2.0", "40.0", "50.0", "45.0", "3.0"]
    assert rows["kd"][1:3] == ["2", "20.5 ± 6.4"]
    assert rows["distilling"][1] == "kd - ce" and rows["distilling"][2].startswith("+9.5 ±")
    assert rows["the attack, over samples of Q"][2].startswith("+1.0")
    assert text.endswith("- clip: 34.5 % of the images kept, 50.0 % of their codes changed")


def test_the_page_quotes_what_the_command_prints() -> None:
    page = (study.RESULTS.parent / "README.md").read_text(encoding="utf-8")
    there = (study.RESULTS / "runs.json").is_file()
    assert (format_table(load(study.RESULTS)) if there else "No run yet of this plan") in page


def test_every_student_has_a_recipe() -> None:
    assert all((TABLES.recipes / f"{student}.yaml").is_file() for student in STUDENTS)
