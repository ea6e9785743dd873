"""Every recipe says what it is, names parts that exist, is in the index, and runs: two steps of training with a tiny
student and the tiny world's teacher, or a DAD set of three dozen pictures."""

import argparse
import csv
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import open_clip
import pytest
import timm
import yaml

import generate
import train
from dad.args import create_generate_parser, create_train_parser, create_validate_parser
from dad.args.hparams import parse_args
from dad.discretizers.vqgan import resolve_config
from dad.objectives import load_objective
from dad.plugins import list_plugins
from dad.shards import DadSet
from dad.training.views import DAD
from hparams.index import BEGIN, END, FOLDER, README, build_index, expected_scores, read_header

RECIPES = sorted(FOLDER.glob("*.yaml"))
BASES = sorted((FOLDER / "base").glob("*.yaml"))
GENERATE = [path for path in RECIPES if "generate" in path.stem]
TRAIN = [path for path in RECIPES if path not in GENERATE and "validate" not in path.stem]
IMAGENET = [path for path in RECIPES if not path.stem.startswith(("emojinet", "own"))]
AVERAGES = {  # as the paper prints them; C counts as 100 - C
    "vitb_kd": 43.2, "vitb_dist": 38.0, "vitb_ard": 48.9, "vitb_rslad": 47.9, "vitb_dad": 51.7,
    "vitb_ce_in21k": 40.0, "vitb_dat_in21k": 53.0, "vitb_dad_in21k": 55.1,
    "vitb_dad_clip_rn101": 46.5, "rn50_ce": 32.9, "rn50_dad_vitb_dat": 38.9, "rn50_dad_clip_rn101": 37.9,
    "rn50_dad": 40.2, "vits_ce_scratch": 38.0, "vits_dad_vitb_dat": 37.5, "vits_dad_clip_rn101": 36.3,
    "vits_dad": 42.7, "rn34_ce": 27.0, "rn34_dad_rn50_augmix": 30.7, "rn34_dad_vitb_dat": 32.0,
    "rn34_dad_clip_rn101": 30.5, "rn34_dad": 32.4, "rn50_dad_drvit_s": 38.1, "rn34_dad_drvit_s": 31.0,
    "vitb_pyramid_at_scratch": 47.7,
    "vitb_ce_scratch": 42.5, "vitb_dat": 49.0, "vitb_dad_data_only": 47.5,
}  # fmt: skip

each_recipe = pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)


def resolve(recipe: Path) -> argparse.Namespace:
    """Read a recipe as its script does."""
    parser = create_validate_parser if recipe.stem.endswith("validate") else create_train_parser
    return parse_args((create_generate_parser if recipe in GENERATE else parser)(), ["--config", str(recipe)])[0]


@each_recipe
def test_a_recipe_parses_and_opens_with_its_command(recipe: Path) -> None:
    resolve(recipe)
    assert f"hparams/{recipe.name} " in read_header(recipe)["command"] + " "


@pytest.mark.parametrize("recipe", IMAGENET, ids=lambda path: path.stem)
def test_a_header_has_row_numbers_cost_and_what_the_paper_leaves_open(recipe: Path) -> None:
    header = read_header(recipe)
    assert header["title"].startswith(("Table", "Not a row of the paper: "))
    assert header["Cost"] and header["Not stated by the paper"]
    assert recipe in GENERATE or len(expected_scores(header)) >= 5 or header["Expected"].startswith("none (")


@pytest.mark.parametrize(("name", "average"), AVERAGES.items())
def test_expected_numbers_have_the_printed_average(name: str, average: float) -> None:
    scores = {key: float(value) for key, value in expected_scores(read_header(FOLDER / f"{name}.yaml")).items()}
    assert len(scores) == 7
    assert sum(100 - value if key == "C" else value for key, value in scores.items()) / 7 == pytest.approx(
        average, abs=0.06
    )


def test_the_readme_has_the_index_of_the_headers() -> None:
    written = README.read_text(encoding="utf-8").split(BEGIN)[1].split(END)[0]
    assert written == build_index(), "run: python -m hparams.index"
    assert all(f"`{path.stem}`" in written for path in RECIPES)


@each_recipe
def test_a_recipe_names_parts_that_exist(recipe: Path) -> None:
    args = resolve(recipe)
    if recipe in TRAIN:
        objective = load_objective(args.objective)
        asks_for_one = recipe.stem in ("own_dad", "own_feature")
        assert not objective.needs_teacher or args.teacher or asks_for_one
        assert timm.is_model(args.model) and timm.models.get_pretrained_cfg(args.model)
    if recipe in GENERATE:
        assert args.discretizer in list_plugins("discretizers")
    if recipe in GENERATE or recipe in TRAIN:
        resolve_config(str(args.vqgan_config))
    if args.teacher:
        require_known_teacher(args.teacher)


def require_known_teacher(spec: str) -> None:
    """Fail unless open_clip or timm has it; nothing is downloaded."""
    family, _, rest = spec.partition("/")
    if family != "clip":
        config = timm.models.get_pretrained_cfg(spec.partition("@")[0])
        assert config.num_classes == 1000 and config.input_size == (3, 224, 224)
    elif rest.startswith("local-dir:"):
        assert Path(rest.removeprefix("local-dir:"), "open_clip_config.json").is_file()
    else:
        name, tag = rest.split("/")
        assert tag in open_clip.list_pretrained_tags_by_model(name)


@pytest.mark.parametrize("base", BASES, ids=lambda path: path.stem)
def test_a_base_stands_alone(base: Path) -> None:
    parser = create_generate_parser() if "generate" in base.stem else create_train_parser()
    parse_args(parser, ["--config", str(base)])
    assert base.read_text().startswith("# ")


@pytest.mark.parametrize("recipe", [path for path in TRAIN if path in IMAGENET], ids=lambda path: path.stem)
def test_eight_v100_make_up_the_batch_of_the_schedule(recipe: Path) -> None:
    args = resolve(recipe)
    by_epochs = {30: 256, 88: 320, 100: 256, 105: 256, 250: 5120, 300: 4096}
    batch = {"vitb_dat_scratch": 1024, "rn50_debiased": 512}.get(recipe.stem, by_epochs[args.epochs])
    assert 8 * args.batch_size * args.grad_accum_steps == batch
    assert args.amp and args.amp_dtype == "float16"


@pytest.mark.parametrize("recipe", TRAIN, ids=lambda path: path.stem)
def test_distillation_has_the_constants_of_appendix_c(recipe: Path) -> None:
    args = resolve(recipe)
    if args.objective in ("kd", "ard", "dad", "dad_dat"):
        assert (args.kd_temperature, args.distill_loss_weight, args.task_loss_weight) == (4.0, 0.5, None)


@pytest.mark.parametrize("recipe", [path for path in GENERATE if path in IMAGENET], ids=lambda path: path.stem)
def test_imagenet_generation_is_the_papers(recipe: Path) -> None:
    args = resolve(recipe)
    config = resolve_config(args.vqgan_config)
    assert (config.codebook_size, config.embed_dim, config.downscale) == (16384, 4, 8)
    assert (args.attack_steps, args.attack_step_size, args.keep) == (1, 0.1, "teacher-correct")


@pytest.fixture(scope="module")
def tiny(world: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What replaces data, teacher, Q and machine of every recipe."""
    return {
        "data_dir": str(world / "data"),
        "class_map": str(world / "classes.txt"),
        "templates": str(world / "templates.txt"),
        "teacher": f"clip/local-dir:{world / 'clip'}",
        "teacher_cache": str(tmp_path_factory.mktemp("heads")),
        "vqgan_config": str(world / "vqgan" / "config.json"),
        "vqgan_checkpoint": str(world / "vqgan" / "model.safetensors"),
        "img_size": 32,
        "device": "cpu",
        "amp": False,
        "workers": 0,
    }


@pytest.fixture(scope="module")
def run(tiny: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Run a recipe through its script's `main`, as a YAML on top of it; return the folder of its output."""

    def run_recipe(recipe: Path, **changes: Any) -> Path:
        folder = tmp_path_factory.mktemp(recipe.stem)
        place = {"dad_dir": str(folder / "out")} if recipe in GENERATE else {"output": str(folder), "experiment": "out"}
        overlay = folder / "overlay.yaml"
        overlay.write_text(yaml.safe_dump({"base": str(recipe), **tiny, **place, **changes}))
        assert (generate if recipe in GENERATE else train).main(["--config", str(overlay)]) == 0
        return folder / "out"

    return run_recipe


@pytest.fixture(scope="module")
def dad_dir(run: Callable[..., Path]) -> str:
    """A DAD set of the tiny world with every picture, by the paper's recipe."""
    return str(run(FOLDER / "generate_clip_vitl14.yaml", keep="all", preview=0, gallery=0))


@pytest.mark.slow
@pytest.mark.parametrize("recipe", TRAIN, ids=lambda path: path.stem)
def test_a_recipe_trains_two_steps(recipe: Path, run: Callable[..., Path], dad_dir: str) -> None:
    args = resolve(recipe)
    objective = load_objective(args.objective)
    partner = {"dad_dir": dad_dir} if DAD in objective.views else {}
    images = 18 if objective.batch_multiple == 1 else 2 * objective.batch_multiple
    folder = run(
        recipe, **tiny_student(args), **partner, pretrained=False, pin_mem=False, batch_size=images, grad_accum_steps=1,
        epochs=1, warmup_epochs=0, cooldown_epochs=0,
    )  # fmt: skip
    with (folder / "summary.csv").open() as stream:
        (epoch,) = csv.DictReader(stream)
    assert math.isfinite(float(epoch["train_loss"]))
    assert (folder / "last.pth.tar").is_file()


def tiny_student(args: argparse.Namespace) -> dict[str, Any]:
    """A network of the student's family with the recipe's own arguments; EmojiNet's students are tiny already."""
    if args.model.startswith("vit"):
        return {"model": "test_vit2", "model_kwargs": {**args.model_kwargs, "img_size": 32}}
    return {} if args.model_kwargs else {"model": "test_resnet"}


@pytest.mark.slow
@pytest.mark.parametrize("recipe", GENERATE, ids=lambda path: path.stem)
def test_a_recipe_makes_a_dad_set(recipe: Path, run: Callable[..., Path]) -> None:
    args = resolve(recipe)
    changes = {"discretizer": "identity"} if args.discretizer == "stable_diffusion" else {}
    dad_set = DadSet.open(run(recipe, preview=0, gallery=0, **changes))
    assert dad_set.settings["crop_pct"] == args.crop_pct
