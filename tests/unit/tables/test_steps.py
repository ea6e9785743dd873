"""What is to be done, and in which order."""

from collections.abc import Callable, Sequence
from pathlib import Path

from dad.tables.recipes import Wishes
from dad.tables.rows import choose, read_headers, resolve_tables
from dad.tables.steps import Plan


def plan_of(wishes: Wishes, recipes: Sequence[str] = ()) -> Plan:
    return Plan(choose(resolve_tables("3", read_headers(wishes.folder)), recipes), wishes)


def test_what_others_need_comes_first_and_once(wishes: Wishes) -> None:
    plan = plan_of(wishes)
    assert list(plan.lacking()) == [
        "train vitb_kd", "score vitb_kd", "make generate_clip", "train vitb_ard", "score vitb_ard", "train vitb_dad",
        "score vitb_dad",
    ]  # fmt: skip
    assert plan.of_recipe("vitb_ard") == ["train vitb_kd", "make generate_clip", "train vitb_ard", "score vitb_ard"]


def test_what_only_finished_steps_need_is_not_made_again(
    wishes: Wishes, clone: Path, write_run: Callable[..., None]
) -> None:
    write_run(clone / "output/train/vitb_ard", {"state": "done"})
    assert list(plan_of(wishes, ["vitb_ard"]).lacking()) == ["score vitb_ard"]  # no teacher, and no DAD set


def test_a_dad_set_that_is_there_is_not_made(wishes: Wishes, clone: Path) -> None:
    (clone / "prepared").rename(clone / "images-dad")
    assert list(plan_of(wishes, ["vitb_dad"]).lacking()) == ["train vitb_dad", "score vitb_dad"]


def test_a_dad_set_that_no_recipe_makes_is_missing(wishes: Wishes) -> None:
    (wishes.folder / "generate_clip.yaml").unlink()
    plan = plan_of(wishes)
    assert plan.steps["train vitb_dad"].missing == ("the DAD set images-dad, which no recipe makes",)
    assert plan.steps["train vitb_kd"].missing == ()


def test_an_objective_without_dad_images_needs_no_set(wishes: Wishes) -> None:
    recipe = wishes.folder / "vitb_kd.yaml"
    recipe.write_text(recipe.read_text() + "dad_dir: images-dad\n")
    assert plan_of(wishes).steps["train vitb_kd"].needs == ()


def test_scores_are_of_the_columns_of_all_tables(wishes: Wishes) -> None:
    header = wishes.folder / "vitb_kd.yaml"
    header.write_text(header.read_text().replace('row "KD"', 'row "KD"; Table 12, row "ViT-B"'))
    tables = resolve_tables("12,3", read_headers(wishes.folder))
    command = Plan(tables, wishes).steps["score vitb_kd"].command
    assert command.args.attack == "fgsm,pgd,autoattack" and "imagenet-style" in command.args.variants
