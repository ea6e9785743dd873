"""Lists of the images to attack, by name and by number."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from known_answers import make_set

from dad.errors import DataError, UsageError
from dad.evaluation.attack_lists import AttackList, load_attack_list, load_attack_lists
from dad.variants import ImageSet


def write(folder: Path, text: str, name: str = "list.txt") -> str:
    (folder / name).write_text(text)
    return str(folder / name)


def names(image_set: ImageSet, depth: int = 2) -> list[str]:
    return ["/".join(path.decode().split("/")[-depth:]) for path in image_set.paths]


def test_a_list_of_names_is_read(tmp_path: Path) -> None:
    path = write(tmp_path, "n01440764/a.JPEG\n\nn01443537/b.JPEG\n")
    found = load_attack_list(path)
    assert found == AttackList(path, frozenset({"n01440764/a.JPEG", "n01443537/b.JPEG"}), is_numbered=False)


def test_numbers_are_those_of_folders_and_files_in_order_as_text(tmp_path: Path) -> None:
    image_set = make_set(tmp_path / "val", {"a": "aaaaaaaaaaaa", "b": "b", "c": "c", "d": "d", "e": "e", "f": "f"})
    assert names(image_set)[:3] == ["a/0.png", "a/1.png", "a/10.png"]
    shuffled = image_set.only(image_set.labels.argsort(kind="stable")[::-1], "")  # whatever order a set is listed in
    for one in (image_set, shuffled):
        found = load_attack_list(write(tmp_path, "2\n12\n0")).only(one)
        assert sorted(names(found)) == ["a/0.png", "a/10.png", "b/0.png"] and sorted(found.labels) == [0, 0, 1]


def test_a_number_of_numbered_folders_is_one_of_text_too(tmp_path: Path) -> None:
    image_set = make_set(tmp_path / "v2", dict(zip("abcdef", "abcdef", strict=True)))
    renamed = [path.replace(b"/b/", b"/10/").replace(b"/c/", b"/9/") for path in image_set.paths]
    assert names(load_attack_list(write(tmp_path, "0\n1")).only(_with(image_set, renamed))) == ["10/0.png", "9/0.png"]


def _with(image_set: ImageSet, paths: list[bytes]) -> ImageSet:
    return replace(image_set, paths=np.array(paths))


def test_a_name_stands_for_all_its_versions(tmp_path: Path) -> None:
    image_set = make_set(tmp_path / "val", dict(zip("abcdef", "abcdef", strict=True)))
    versions = [*image_set.paths, *(path.replace(b"/val/", b"/fog/") for path in image_set.paths)]
    both = _with(image_set.only([*range(6), *range(6)], ""), versions)
    assert names(load_attack_list(write(tmp_path, "b/0.png")).only(both), 3) == ["val/b/0.png", "fog/b/0.png"]
    assert names(load_attack_list(write(tmp_path, "fog/b/0.png")).only(both), 3) == ["fog/b/0.png"]


@pytest.mark.parametrize(("text", "missing"), [("6\n0\n", "6"), ("a/0.png\nz/9.png\n", "z/9.png")])
def test_what_is_not_there_is_named(tmp_path: Path, text: str, missing: str) -> None:
    image_set = make_set(tmp_path / "val", dict(zip("abcdef", "abcdef", strict=True)))
    with pytest.raises(DataError, match=rf"1 are not there, e.g. {missing} \(of 6 images of imagenet\)"):
        load_attack_list(write(tmp_path, text)).only(image_set)


def test_images_in_tars_have_numbers_and_no_names(tmp_path: Path) -> None:
    image_set = make_set(tmp_path / "val", dict(zip("abcdef", "abcdef", strict=True)))
    tar = replace(image_set, paths=np.array([b"/data/0.tar"] * 6), spans=np.arange(12).reshape(6, 2))
    assert load_attack_list(write(tmp_path, "4\n1")).only(tar).labels.tolist() == [1, 4]
    with pytest.raises(UsageError, match="the images of imagenet lie in tars; list their numbers"):
        load_attack_list(write(tmp_path, "data/0.tar")).only(tar)


def test_lists_belong_to_sets(tmp_path: Path) -> None:
    first, second = write(tmp_path, "0", "a=b.txt"), write(tmp_path, "1", "b.txt")
    found = load_attack_lists(f"mine={first}, imagenet-r={second}", ["imagenet-r", "mine"])
    assert {name: one.path for name, one in found.items()} == {"mine": first, "imagenet-r": second}
    assert load_attack_lists(second, ["mine"])["mine"].path == second and load_attack_lists("", ["mine"]) == {}
    with pytest.raises(UsageError, match="there are two lists of mine"):
        load_attack_lists(f"{second},mine={second}", ["mine"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no image is in it"),
        (b"a.JPEG\n", "line 1: 'a.JPEG'; expected one <class folder>/<file name> a line"),
        (b"n01/a\nn01//a\n", "line 2"),
        (b"n01/a\nn01/a\n", "line 2: 'n01/a' stands there twice"),
        (b"n01/a\n7\n", "1 of 2 lines are numbers, others names"),
        (b"-1\n", "line 1: '-1'"),
        (b"\xff\xd8\xff", "not a text file"),
    ],
)
def test_a_list_that_is_none_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        load_attack_list(str(path))
    with pytest.raises(DataError, match="No such file"):
        load_attack_list(str(tmp_path / "other.txt"))
