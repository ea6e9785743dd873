"""Which sets lie below a data root, and what is said of the others."""

import sys
from pathlib import Path

import pytest
from image_trees import BY_NAME, CLASSES, IMAGENET, WNIDS, make_set, make_tree, val_name

from dad.errors import DataError, UsageError
from dad.images.classes import load_class_list
from dad.variants import find_folder, find_variants, list_image_set, unknown_folders
from dad.variants.table import VARIANTS
from dad.variants.variant import Variant
from emojinet.concepts import CLASS_FILE
from emojinet.render import CORRUPTED_FOLDER, HARD_SET, SETS

NAMES = [(variant, name) for variant in VARIANTS for name in variant.folders]


def test_requested_variants_come_in_the_order_of_the_table(tmp_path: Path) -> None:
    make_tree(tmp_path, "val/a", "imagenet-r/a", "imagenet-a/a")
    found, missing = find_variants(tmp_path, "imagenet-a, imagenet,imagenet-sketch", CLASSES)
    assert [variant.name for variant, _ in found] == ["imagenet", "imagenet-a"]
    assert [(variant.name, reason) for variant, reason in missing] == [
        ("imagenet-sketch", f"not found below {tmp_path} (expected imagenet-sketch or sketch)")
    ]


def test_none_needs_no_set_but_a_root(tmp_path: Path) -> None:
    make_tree(tmp_path, "val/a")
    assert find_variants(tmp_path, "none", CLASSES) == ([], [])
    with pytest.raises(DataError, match=r"--data-dir .*nowhere: no such folder"):
        find_variants(tmp_path / "nowhere", "none", CLASSES)


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("ImageNet-C", "imagenet-c"),
        ("imagenet_r", "imagenet-r"),
        ("ImageNet_3DCC", "imagenet-3dcc"),
        ("ImageNet-C-Bar", "imagenet-c-bar"),
        ("ObjectNet", "objectnet"),
        ("Stylized-ImageNet/val", "imagenet-style"),
    ],
)
def test_case_and_underscores_do_not_count(tmp_path: Path, folder: str, name: str) -> None:
    (tmp_path / folder).mkdir(parents=True)
    assert find_folder(tmp_path, BY_NAME[name]) == tmp_path / folder


@pytest.mark.parametrize(
    ("root", "requested", "error", "named"),
    [
        ("", "imagenet-skech", UsageError, "no test set named 'imagenet-skech'; did you mean 'imagenet-sketch'?"),
        ("", "imagenet,", UsageError, "no test set named ''; known are all, none, imagenet, "),
        ("", "imagenet-r", DataError, "holds none of the sets asked for; expected imagenet-r"),
        ("nowhere", "all", DataError, "--data-dir .*nowhere: no such folder; expected the parent of val|validation"),
        (
            "",
            "imagenet-real",
            DataError,
            "--variants imagenet-real: its labels are ImageNet's 1,000 classes",
        ),
    ],
)
def test_what_cannot_be_found_is_an_error(tmp_path: Path, root: str, requested: str, error, named: str) -> None:
    (tmp_path / "val").mkdir()
    with pytest.raises(error, match=named.replace("|", r"\|")):
        find_variants(tmp_path / root, requested, CLASSES)


def test_sets_with_imagenets_labels_are_not_for_another_class_list(tmp_path: Path) -> None:
    val = [f"val/{name}/ILSVRC2012_val_00000001.JPEG" for name in CLASSES.folders]
    make_tree(tmp_path, *val, "imagenet-hard/labels.json", "objectnet-1.0/README")
    found, missing = find_variants(tmp_path, "all", CLASSES)
    assert "imagenet" in [variant.name for variant, _ in found]
    reasons = {variant.name: reason for variant, reason in missing}
    for name in ("imagenet-real", "imagenet-hard", "objectnet", "objectnet-113"):
        assert reasons[name] == "its labels are ImageNet's 1,000 classes, the class list has 3 others"


def test_real_needs_the_names_of_imagenets_files(tmp_path: Path) -> None:
    make_tree(tmp_path, "val/n01440764/0.jpg")
    _, missing = find_variants(tmp_path, "all", IMAGENET)
    assert "no file in" in {variant.name: reason for variant, reason in missing}["imagenet-real"]


def test_imagenet_o_needs_the_validation_images(tmp_path: Path) -> None:
    make_tree(tmp_path, "imagenet-o/ant/0.jpg")
    with pytest.raises(DataError, match=r"imagenet-o: its inliers are validation images, and .* has no val or"):
        find_variants(tmp_path, "imagenet-o", CLASSES)


def test_imagenet_w_needs_a_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "val").mkdir()
    monkeypatch.setitem(sys.modules, "imagenet_w", None)
    assert "imagenet-w" in {variant.name for variant, _ in find_variants(tmp_path, "all", CLASSES)[1]}
    with pytest.raises(DataError, match=r"--variants imagenet-w: needs the package .* pip install imagenet-w"):
        find_variants(tmp_path, "imagenet-w", CLASSES)


def test_imagenet_w_is_the_validation_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_tree(tmp_path, "imagenet_w.py", *(f"val/{name}/0.jpg" for name in CLASSES.folders))
    monkeypatch.syspath_prepend(tmp_path)
    assert find_variants(tmp_path, "imagenet-w", CLASSES)[0] == [(BY_NAME["imagenet-w"], tmp_path / "val")]
    images, plain = [list_image_set(BY_NAME[name], tmp_path / "val", CLASSES) for name in ("imagenet-w", "imagenet")]
    assert (images.paths == plain.paths).all()


def test_a_root_that_is_imagenets_validation_set_is_taken(val: Path) -> None:
    assert find_variants(val, "imagenet", IMAGENET)[0] == [(VARIANTS[0], val)]
    assert find_folder(val, VARIANTS[0]) == val


def test_a_root_that_holds_the_class_maps_folders_is_taken(tmp_path: Path) -> None:
    make_tree(tmp_path, "zebra/0.jpg", "ant/0.jpg", "cat/0.jpg")
    assert find_variants(tmp_path, "imagenet", CLASSES)[0] == [(VARIANTS[0], tmp_path)]


@pytest.mark.parametrize(
    ("tree", "named"),
    [
        (("zebra/0.jpg", "cat/0.jpg"), "holds 2 of the 3 class folders, 'ant' is missing: complete them; expected val"),
        (("zebra/0.jpg",), r"is a test set itself \(it holds 'zebra'\): give the folder above it"),
        (("0/0.jpg", "1/0.jpg"), r"is a test set itself \(it holds '0'\)"),
        (("frost/1/ant/0.jpg",), r"is a test set itself \(it holds 'frost'\)"),
    ],
)
def test_a_root_that_is_another_set_is_told(tmp_path: Path, tree: tuple[str, ...], named: str) -> None:
    with pytest.raises(DataError, match=named):
        find_variants(make_tree(tmp_path, *tree), "all", CLASSES)


def test_emojinet_uses_the_rows_of_the_paper(tmp_path: Path) -> None:
    classes = load_class_list(str(CLASS_FILE))
    for image_set in (*SETS.values(), HARD_SET):
        names = range(len(classes)) if image_set.numbered else classes.folders
        make_tree(tmp_path / image_set.folder, *(f"{name}/{name}_000.jpg" for name in names))
    make_tree(
        tmp_path / CORRUPTED_FOLDER,
        *(f"fog/{severity}/{name}/0.jpg" for severity in (1, 5) for name in classes.folders),
    )
    found, _ = find_variants(tmp_path, "all", classes)
    assert [variant for variant, _ in found if not variant.watermark] == list(VARIANTS[:7])
    for variant, folder in found:
        image_set = list_image_set(variant, folder, classes)
        assert (image_set.expected, image_set.count_warning, image_set.num_columns) == (None, "", len(classes))


def test_imagenet_r_itself_is_no_data_root(tmp_path: Path, val: Path) -> None:
    make_set(tmp_path / "imagenet-r", BY_NAME["imagenet-r"], val)
    with pytest.raises(DataError, match="imagenet-r is a test set itself"):
        find_variants(tmp_path / "imagenet-r", "imagenet-r", IMAGENET)


@pytest.mark.parametrize(("variant", "folder"), NAMES)
def test_a_set_is_found_under_every_folder_name(tmp_path: Path, variant: Variant, folder: str) -> None:
    inliers = ["val"] if variant.layout in ("outliers", "mistakes") else []
    make_tree(tmp_path, *(f"{name}/{WNIDS[0]}/{val_name(1)}" for name in (folder, *inliers)))
    if variant.layout == "stream":
        (tmp_path / folder / variant.severity_folders["speed_2000"][1]).mkdir()
    make_tree(tmp_path, *(f"train/{name}/0.JPEG" for name in WNIDS[:2]))  # so that val is not meant to be a part
    assert find_folder(tmp_path, variant) == tmp_path / folder
    found, missing = find_variants(tmp_path, "all", IMAGENET)
    assert dict(found).get(variant) == tmp_path / folder or (variant.watermark and variant in dict(missing))
    assert len(found) + len(missing) == len(VARIANTS)


def test_folders_that_are_no_test_set_are_known(tmp_path: Path) -> None:
    for name in ("val", "ImageNet_R", "stylized-imagenet/val", "train", ".cache", "mine", "imagenet-x", "ant"):
        (tmp_path / name).mkdir(parents=True)
    assert unknown_folders(tmp_path, CLASSES) == ["imagenet-x", "mine"]
