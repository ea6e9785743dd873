"""Rows of sets in which one thing was changed."""

from timm.data import ImageNetInfo

from dad.variants.edits import EDITS, PATCHES, PUG_FACTORS, SI_SCORE_FACTORS
from dad.variants.groups import GROUPED
from dad.variants.table import VARIANTS

BY_NAME = {variant.name: variant for variant in EDITS}


def test_all_but_the_mistakes_lie_in_groups_whose_mean_is_the_headline() -> None:
    grouped = {variant.name for variant in EDITS if variant.layout in GROUPED}
    assert grouped == {variant.name for variant in EDITS if variant.metric == "mean_top1"}
    assert BY_NAME.keys() - grouped == {"imagenet-m"}
    assert all(variant.imagenet_only for variant in EDITS)


def test_groups_have_the_published_numbers() -> None:
    assert (len(PUG_FACTORS), len(SI_SCORE_FACTORS), len(PATCHES)) == (10, 3, 10)
    assert [len(BY_NAME[name].groups) for name in ("pug-imagenet", "si-score", "imagenet-patch")] == [10, 3, 10]


def test_a_patchs_class_has_the_name_that_it_is_given() -> None:
    known = ImageNetInfo()
    assert all(name in known.index_to_description(number, detailed=True) for name, number in PATCHES.items())


def test_these_rows_are_part_of_the_table() -> None:
    assert set(EDITS) <= set(VARIANTS)
