"""The commands of a recipe, as the reader wants them."""

from dataclasses import replace
from pathlib import Path

import pytest

from dad.errors import UsageError
from dad.tables.recipes import (
    Wishes,
    find_generations,
    load_generation,
    load_training,
    missing_files,
    results_files,
    scoring,
)

CLONE = Wishes(Path(__file__).parents[3] / "hparams")


def test_a_training_goes_on_in_a_folder_of_its_own(wishes: Wishes) -> None:
    recipe = load_training("vitb_dad", wishes)
    assert str(recipe.main) == (
        "./launch --config recipes/vitb_dad.yaml --data-dir images --dad-dir images-dad --output output/train "
        "--experiment vitb_dad --resume auto"
    )
    assert recipe.run_folder == Path("output/train/vitb_dad") and not recipe.taught_by


def test_the_headers_places_stay_where_nothing_else_is_asked_for(wishes: Wishes) -> None:
    assert load_training("vitb_dad", replace(wishes, data_dir="")).main.args.dad_dir == "/data/imagenet-dad"


def test_a_launcher_is_told_the_script(wishes: Wishes) -> None:
    own = replace(wishes, launcher=("sbatch", "--nodes", "1", "job.sbatch"))
    training, making = load_training("vitb_kd", own), load_generation("generate_clip", own)
    assert training.main.words == own.launcher and making.main.words == ("DAD_SCRIPT=generate.py", *own.launcher)
    assert scoring(training, ["imagenet"], [], own).words == ("DAD_SCRIPT=validate.py", *own.launcher)


def test_python_alone_starts_the_script_by_its_name() -> None:
    recipe = load_training("emojinet_ce", CLONE)
    assert recipe.main.words == ("python", "train.py") and recipe.run_folder == Path("output/emojinet_ce")
    scores = scoring(recipe, ["imagenet"], [], CLONE)
    assert scores.words == ("python", "validate.py") and results_files(scores) == [Path("output/results.json")]


def test_a_students_teacher_is_followed_to_another_output(wishes: Wishes) -> None:
    assert load_training("vitb_ard", wishes).taught_by == "vitb_kd"
    elsewhere = load_training("vitb_ard", replace(wishes, output="runs"))
    assert elsewhere.main.args.teacher == "vit_base_patch16_224@runs/vitb_kd/last.pth.tar"


def test_files_are_placed_in_commands_and_behind_a_teachers_name(wishes: Wishes) -> None:
    text = (wishes.folder / "vitb_kd.yaml").read_text().replace("resnet18", "resnet18@robust.pth")
    (wishes.folder / "vitb_kd.yaml").write_text(text)
    elsewhere = load_training("vitb_kd", replace(wishes, data_dir="gone"))
    assert list(missing_files(elsewhere)) == ["gone (--data-dir)", "robust.pth (--place robust.pth=FILE)"]
    placed = replace(wishes, places={"robust.pth": "launch"})
    assert load_training("vitb_kd", placed).main.args.teacher == "resnet18@launch"
    assert not list(missing_files(load_training("vitb_kd", placed)))


def test_scores_are_asked_for_as_the_run_was_made(wishes: Wishes) -> None:
    recipe = load_training("vitb_kd", replace(wishes, flags=("--model-ema",)))
    scores = scoring(recipe, ["imagenet"], ["fgsm", "pgd"], wishes)
    assert scores.args.use_ema and scores.args.attack == "fgsm,pgd" and scores.args.data_dir == "images"
    assert results_files(scores) == [Path("output/train/vitb_kd/results.json"), Path("output/train/results.json")]


def test_answers_of_the_teacher_come_before_the_training() -> None:
    recipe = load_training("vitb_dad_views", replace(CLONE, data_dir="images"))
    (ask,) = recipe.before
    assert ask.args.soft_targets == recipe.main.args.soft_targets == "images-soft"
    assert str(ask).startswith("python -m dad.soft_targets build --config")


def test_sets_are_found_by_their_place(wishes: Wishes) -> None:
    assert {place: recipe.name for place, recipe in find_generations(wishes).items()} == {
        Path("images-dad"): "generate_clip"
    }


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--experiment", "mine"), "--experiment: every recipe has its own"),
        (("--output=x",), "--output=x: every recipe has its own"),
        (("--epoch", "3"), "train.py refuses these flags"),
    ],
)
def test_flags_that_no_training_can_have_are_refused(wishes: Wishes, flags: tuple[str, ...], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load_training("vitb_kd", replace(wishes, flags=flags))


@pytest.mark.slow
def test_every_recipe_of_the_clone_can_be_planned() -> None:
    wishes = replace(CLONE, data_dir="images", output="runs")
    trained = [path.stem for path in wishes.folder.glob("*.yaml")
               if "generate" not in path.stem and "validate" not in path.stem]  # fmt: skip
    made = find_generations(wishes)
    for name in trained:
        recipe = load_training(name, wishes)
        assert recipe.run_folder == Path("runs") / name
        assert "--dad-dir" not in recipe.main.flags or Path(recipe.main.args.dad_dir) in made
