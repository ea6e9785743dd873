"""Every recipe parses, says what it is, and names an objective that exists."""

from pathlib import Path

import pytest
import yaml

from dad.args import create_generate_parser, create_train_parser, create_validate_parser
from dad.args.hparams import parse_args
from dad.discretizers.vqgan import resolve_config
from dad.objectives import load_objective

RECIPES = sorted((Path(__file__).parents[2] / "hparams").glob("*.yaml"))


def parser_of(recipe: Path):
    """The parser of the script that a recipe is for."""
    if "generate" in recipe.stem:
        return create_generate_parser()
    return create_validate_parser() if recipe.stem.endswith("validate") else create_train_parser()


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_recipe_parses_and_opens_with_its_command(recipe: Path) -> None:
    args, _ = parse_args(parser_of(recipe), ["--config", str(recipe)])
    head = recipe.read_text().split("\n")[:2]
    assert all(line.startswith("#") for line in head) and f"hparams/{recipe.name}" in "".join(head)
    if "objective" in yaml.safe_load(recipe.read_text()):
        objective = load_objective(args.objective)
        assert not objective.needs_teacher or args.teacher


@pytest.mark.parametrize("name", ["emojinet_dad", "vitb_dad"])
def test_dad_recipes_have_the_papers_constants(name: str) -> None:
    recipe = next(path for path in RECIPES if path.stem == name)
    args, _ = parse_args(create_train_parser(), ["--config", str(recipe)])
    assert (args.kd_temperature, args.distill_loss_weight, args.objective) == (4.0, 0.5, "dad")


def test_imagenet_generation_is_the_papers() -> None:
    recipe = next(path for path in RECIPES if path.stem == "generate_clip_vitl14")
    args, _ = parse_args(create_generate_parser(), ["--config", str(recipe)])
    config = resolve_config(args.vqgan_config)
    assert (config.codebook_size, config.embed_dim, config.downscale) == (16384, 4, 8)
    assert (args.attack_steps, args.attack_step_size, args.keep) == (1, 0.1, "teacher-correct")
