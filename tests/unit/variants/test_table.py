"""The table of test sets."""

from pathlib import Path

import pytest

from dad.variants.groups import GROUPED
from dad.variants.table import VARIANTS
from dad.variants.variant import Variant

BY_NAME = {variant.name: variant for variant in VARIANTS}


def test_the_seven_sets_of_the_paper_come_first_in_its_order() -> None:
    assert [variant.title for variant in VARIANTS[:7]] == ["ImageNet", "V2", "R", "Sketch", "C", "Stylized", "A"]


def test_names_and_titles_are_unique() -> None:
    assert len({variant.name for variant in VARIANTS}) == len({variant.title for variant in VARIANTS}) == len(VARIANTS)


def test_only_sets_of_the_same_images_share_a_folder() -> None:
    sharing: dict[str, list[str]] = {}
    for variant in VARIANTS:
        for folder in variant.folders:
            sharing.setdefault(folder, []).append(variant.name)
    shared = {tuple(names) for names in sharing.values() if len(names) > 1}
    assert shared == {
        ("imagenet", "imagenet-real", "imagenet-w"),
        ("objectnet", "objectnet-113"),
        ("cue-conflict", "shape-bias"),
        ("ccc-easy", "ccc-medium", "ccc-hard"),
    }


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_a_row_is_whole(variant: Variant) -> None:
    assert variant.title and variant.folders and variant.source and variant.kind != "own"
    assert variant.images >= variant.classes > 0 or variant.name in ("laion-c", "imagenet-e", "imagenet-m")
    in_parts = variant.layout in ("corruptions", "stream")
    assert bool(variant.corruptions) == in_parts
    assert (variant.metric in ("mce", "mean_top1")) == (in_parts or variant.layout in GROUPED)
    digital = in_parts and variant.kind == "synthetic"
    assert variant.cropped == (
        digital or variant.name in ("imagenet-style", "cue-conflict", "shape-bias", "imagenet-patch")
    )
    assert all(len(folders) == variant.levels for folders in variant.severity_folders.values())
    assert set(variant.severity_folders) <= set(variant.corruptions)
    assert bool(variant.superclasses) == (variant.pooling == "mean_probability")


def test_readme_lists_every_row_by_kind() -> None:
    readme = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")
    for kind in {variant.kind for variant in VARIANTS}:
        assert f"\n- {kind}: {', '.join(variant.title for variant in VARIANTS if variant.kind == kind)}\n" in readme


def test_corrupted_sets_have_their_published_corruptions() -> None:
    counts = {name: len(BY_NAME[name].corruptions) for name in ("imagenet-c", "imagenet-c-bar", "imagenet-3dcc")}
    assert counts == {"imagenet-c": 15, "imagenet-c-bar": 10, "imagenet-3dcc": 12}
