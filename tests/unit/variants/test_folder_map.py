"""Which class a folder of another name is: told line by line, and refused wherever a wrong number would follow."""

from dataclasses import replace
from pathlib import Path

import pytest
from image_trees import ALL, BY_NAME, CLASSES, by_place, make_tree

from dad.errors import DataError
from dad.images.classes import ClassList
from dad.variants import list_image_set, load_folder_map
from dad.variants.folder_map import read_folder_map, rename_classes

NAMED = ClassList(("n01", "n02", "n03"), ("tabby cat", "army ant", "plains zebra"))
MAPPED = {"Katze": "cat", "Ameise": "ant"}


def written(tmp_path: Path, text: str) -> str:
    (tmp_path / "map.txt").write_text(text, encoding="utf-8")
    return str(tmp_path / "map.txt")


def test_no_file_maps_nothing() -> None:
    assert load_folder_map("", CLASSES) == read_folder_map("") == {}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Katze cat\n\n  Ameise   1  \n", {"Katze": "cat", "Ameise": "ant"}),
        ("big black cat 2\n", {"big black cat": "cat"}),
        ("\ufeffZebra, Grevy's\tzebra\n", {"Zebra, Grevy's": "zebra"}),
        ("one cat\nother cat\n", {"one": "cat", "other": "cat"}),  # in sets of their own
    ],
)
def test_a_line_names_a_folder_and_a_class_or_its_place_in_the_list(tmp_path: Path, text: str, found) -> None:
    assert load_folder_map(written(tmp_path, text), CLASSES) == found


def test_a_tab_parts_a_class_with_spaces(tmp_path: Path) -> None:
    classes = ClassList(("tabby cat", "ant"), ("tabby cat", "ant"))
    assert load_folder_map(written(tmp_path, "die Katze\ttabby cat\n"), classes) == {"die Katze": "tabby cat"}


def test_an_index_is_the_place_in_the_class_list_whatever_its_order(tmp_path: Path) -> None:
    backwards = ClassList(CLASSES.folders[::-1], CLASSES.names[::-1])
    path = written(tmp_path, "Katze 0\n")
    assert [load_folder_map(path, classes)["Katze"] for classes in (CLASSES, backwards)] == ["zebra", "cat"]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("\n", "map.txt: the file is empty; expected a folder and its class a line, e.g. 'tabby cat n02123045'"),
        ("Katze\n", "map.txt: 'Katze'; expected a folder and its class a line"),
        ("Katze\tcat\t2\n", r"map.txt: 'Katze\tcat\t2'; expected"),
        ("Katze cat\nAmeise ant\nKatze ant\n", "map.txt: 'Katze' stands there twice; keep one"),
        ("Katze cat\nKatze cat\n", "map.txt: 'Katze' stands there twice; keep one"),
        ("Katze 3\n", "'Katze 3': there is no class 3; indices go from 0 to 2"),
        ("Katze -1\n", "'-1' is none of the 3 class folders"),
        ("Katze cta\n", "'cta' is none of the 3 class folders; near are cat.*; the first is 'zebra'"),
    ],
)
def test_other_lines_are_refused_in_one_line(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(DataError, match=rf"^--folder-map .*{named}") as caught:
        load_folder_map(written(tmp_path, text), CLASSES)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^--folder-map .*gone.txt: no such file"):
        load_folder_map(str(tmp_path / "gone.txt"), CLASSES)


def test_a_readable_name_in_place_of_a_class_leads_to_its_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"'tabby_cat' is none of the 3 class folders; near are n01 \(tabby cat\)"):
        load_folder_map(written(tmp_path, "Katze tabby_cat\n"), NAMED)


def test_a_number_that_is_a_folder_and_another_classs_place_is_refused(tmp_path: Path) -> None:
    numbers = ClassList(("1", "0"), ("1", "0"))
    with pytest.raises(DataError, match="'1' is a class folder, and the place of '0' too"):
        load_folder_map(written(tmp_path, "Katze 1\n"), numbers)


def test_mapped_folders_get_their_classes_and_others_keep_theirs(tmp_path: Path) -> None:
    folder = make_tree(tmp_path, "Katze/0.jpg", "Ameise/0.jpg", "zebra/0.jpg")
    image_set = list_image_set(replace(BY_NAME["imagenet"], folder_map=MAPPED), folder, CLASSES)
    assert by_place(image_set) == {"Katze/0.jpg": 2, "Ameise/0.jpg": 1, "zebra/0.jpg": 0}


def test_a_folder_may_have_the_name_of_another_class(tmp_path: Path) -> None:
    folder = make_tree(tmp_path, "cat/0.jpg", "zebra/0.jpg")
    names = rename_classes(folder, CLASSES, {"cat": "zebra", "zebra": "ant"})
    assert (names.index["cat"], names.index["zebra"]) == (0, 1)
    swapped = replace(BY_NAME["imagenet"], folder_map={"cat": "ant"}, any_classes=True)
    assert by_place(list_image_set(swapped, folder, CLASSES)) == {"cat/0.jpg": 1, "zebra/0.jpg": 0}


@pytest.mark.parametrize(
    ("names", "named"),
    [
        (("Katze/0.jpg", "cat/0.jpg"), "'Katze' and 'cat' are both the class 'cat': mend --folder-map"),
        (("Katze/0.jpg", "Zebras/0.jpg"), r"'Zebras' is neither in --folder-map nor .*near are zebra\); add a line"),
        (("Katze/0.jpg", "Ameise/0.jpg"), "has 2 class folders, expected 3: 'zebra' is missing"),
    ],
)
def test_trees_that_a_map_does_not_fit_are_refused(tmp_path: Path, names: tuple[str, ...], named: str) -> None:
    with pytest.raises(DataError, match=named):
        list_image_set(replace(BY_NAME["imagenet"], folder_map=MAPPED), make_tree(tmp_path, *names), CLASSES)


def test_another_map_is_another_set(tmp_path: Path) -> None:
    folder = make_tree(tmp_path, "a/0.jpg", *ALL[1:])
    rows = [replace(BY_NAME["imagenet"], folder_map=found, any_classes=True) for found in ({"a": "zebra"},)]
    whole = list_image_set(rows[0], folder, CLASSES)
    (folder / "cat" / "0.jpg").unlink()
    (folder / "cat").rmdir()
    one, other = (
        list_image_set(replace(rows[0], folder_map={"a": name}), folder, CLASSES) for name in ("zebra", "cat")
    )
    assert len({whole.digest, one.digest, other.digest}) == 3
