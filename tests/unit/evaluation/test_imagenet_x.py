"""ImageNet-X's error ratios, against those of its own package."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from known_answers import BY_NAME, SIX, make_set

from dad.evaluation.imagenet_x import factor_scores
from dad.variants import ImageSet
from dad.variants.imagenet_x import annotated_factors


@pytest.fixture
def validation(tmp_path: Path) -> ImageSet:
    """ImageNet's validation images by name, which do not exist."""
    paths = [f"val/n01440764/ILSVRC2012_val_{number:08d}.JPEG".encode() for number in range(1, 50_001)]
    made = make_set(tmp_path, dict.fromkeys(SIX.folders, "a"))
    return replace(made, paths=np.array(paths), labels=np.zeros(50_000, np.int64), expected=50_000)


@pytest.mark.slow  # pandas and SciPy are imported
def test_ratios_are_those_of_the_package(validation: ImageSet) -> None:
    package, frames = pytest.importorskip("imagenet_x"), pytest.importorskip("pandas")
    right, all_of_them = np.random.default_rng(0).random(50_000) < 0.7, np.ones(50_000, np.bool_)
    found = factor_scores(validation, right, all_of_them)["imagenet_x"]
    names = [path.decode().rpartition("/")[2] for path in validation.paths.tolist()]
    told = frames.DataFrame({"file_name": names, "is_correct": right, "model": "ours"})
    table = package.compute_factor_accuracies(package.load_annotations().merge(told, on="file_name"), package.FACTORS)
    assert found["top1"] == pytest.approx(100 * table["average"]["ours"]) and found["count"] == 46_110
    ratios = package.error_ratio(table).loc["ours"].to_dict()
    assert {name: one["error_ratio"] for name, one in found["factors"].items()} == pytest.approx(ratios)


def test_only_images_that_count_do(validation: ImageSet) -> None:
    known = annotated_factors()
    if not known:
        pytest.skip("imagenet-x is not installed")
    place = next(number for number in range(50_000) if known.get(f"ILSVRC2012_val_{number + 1:08d}") == ("pose",))
    scored = np.zeros(50_000, np.bool_)
    scored[[place, 0, 1, 2]] = True
    found = factor_scores(validation, ~scored, scored)["imagenet_x"]
    assert found["top1"] == 0 and found["factors"]["pose"]["error_ratio"] == 1
    assert factor_scores(validation, scored, scored)["imagenet_x"]["factors"]["pose"]["error_ratio"] is None


def test_other_sets_and_classes_have_no_factors(validation: ImageSet) -> None:
    right = np.ones(50_000, np.bool_)
    assert factor_scores(replace(validation, expected=None), right, right) == {}
    assert factor_scores(replace(validation, variant=BY_NAME["imagenet-w"]), right, right) == {}
    renamed = np.array([f"val/n01440764/{number}.JPEG".encode() for number in range(50_000)])
    assert factor_scores(replace(validation, paths=renamed), right, right) == {}
