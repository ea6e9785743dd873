"""The class list: where an index comes from, and every list that is refused."""

import json
import re
from pathlib import Path

import pytest

from dad.errors import DataError, UsageError, UserError
from dad.images.classes import (
    ClassList,
    imagenet_class_list,
    imagenet_folders,
    is_imagenet,
    load_class_list,
    require_known,
    resolve_class_list,
    resolve_vocabulary,
)

TENCH, GOLDFISH, FOX = "n01440764", "n01443537", "n02119022"


def write(path: Path, *lines: str) -> str:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("folders", "names", "message"),
    [
        (("ant", "bee", "ant"), (), "'ant' stands there twice"),
        ((), (), "--class-map .* the file is empty"),
        (("", "  "), (), "--class-map .* the file is empty"),
        (("ant", "bee"), ("ant",), "--class-names .* has 1 lines but --class-map .* has 2"),
    ],
)
def test_a_list_that_cannot_be_meant_is_refused(
    tmp_path: Path, folders: tuple[str, ...], names: tuple[str, ...], message: str
) -> None:
    class_names = write(tmp_path / "names.txt", *names) if names else ""
    with pytest.raises(DataError, match=message):
        load_class_list(write(tmp_path / "map.txt", *folders), class_names)


@pytest.mark.parametrize("flag", ["--class-map", "--class-names"])
def test_a_missing_file_is_named_with_its_flag(tmp_path: Path, flag: str) -> None:
    there, missing = write(tmp_path / "map.txt", "ant"), str(tmp_path / "missing.txt")
    with pytest.raises(DataError, match=f"{flag} {missing}: no such file"):
        load_class_list(*((missing, "") if flag == "--class-map" else (there, missing)))


def test_the_index_of_a_class_is_its_line_in_the_list(tmp_path: Path) -> None:
    classes = resolve_class_list(write(tmp_path / "map.txt", "zebra", "red_fox", "ant"), "", ["ant", "zebra"])
    assert classes.index == {"zebra": 0, "red_fox": 1, "ant": 2} and len(classes) == 3
    assert classes.names == ("zebra", "red fox", "ant")


def test_names_are_read_line_by_line_beside_the_folders(tmp_path: Path) -> None:
    names = write(tmp_path / "names.txt", "plains zebra", "small ant")
    assert load_class_list(write(tmp_path / "map.txt", "z", "a"), names).names == ("plains zebra", "small ant")


@pytest.mark.parametrize("folders", [[GOLDFISH], [FOX, TENCH]])
def test_wordnet_ids_mean_imagenet_however_few_there_are(folders: list[str]) -> None:
    classes = resolve_class_list("", "", folders)
    assert len(classes) == 1000 and len(classes.names) == 1000
    assert [classes.index[folder] for folder in (TENCH, GOLDFISH, FOX)] == [0, 1, 277]
    assert [classes.names[index] for index in (0, 277)] == ["tench", "red fox"]


@pytest.mark.parametrize("folders", [["dog", "ant"], [TENCH, "ant"], ["n00000001"]])
def test_other_folders_are_classes_in_sorted_order(folders: list[str]) -> None:
    assert resolve_class_list("", "", folders).folders == tuple(sorted(folders))


@pytest.mark.parametrize("stray", [".tmp", "tmp", "__MACOSX", "n0144076", "n00000001", "lost+found"])
def test_a_stray_folder_among_imagenets_is_named(stray: str) -> None:
    with pytest.raises(DataError, match=f"class folder '{re.escape(stray)}' is none of ImageNet's, as 999 of the 1000"):
        resolve_class_list("", "", [*imagenet_folders()[1:], stray])


def test_a_thousand_classes_of_others_are_not_imagenets() -> None:
    others = [f"n{number:08d}" for number in range(1000)]
    assert resolve_class_list("", "", others).folders == tuple(others) and not is_imagenet(others)


def test_the_file_beside_a_runs_checkpoints_is_a_class_list(tmp_path: Path) -> None:
    path = write(tmp_path / "class_to_idx.json", json.dumps({"bee": 2, "ant": 0, "red_fox": 1}))
    assert load_class_list(path).folders == ("ant", "red_fox", "bee")


@pytest.mark.parametrize("text", ["[]", "{}", "{", '{"a": 1}', '{"a": 0, "b": 0}', '{"a": "x"}', '{"a": 0, "b": 2}'])
def test_an_index_that_cannot_be_meant_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(DataError, match=r'--class-map .*expected {"<class folder>": <index>') as caught:
        load_class_list(write(tmp_path / "x.json", text))
    assert "\n" not in str(caught.value)


def test_no_folders_are_no_classes() -> None:
    with pytest.raises(UsageError, match="--class-map is needed where images lie in tars"):
        resolve_class_list("", "", [])


def test_a_folder_outside_the_list_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "map.txt", "zebra", "ant")
    with pytest.raises(DataError, match=r"2 class folders are not in .*map.txt \(2 classes\), e.g. 'bee'.*'zebra'"):
        resolve_class_list(path, "", ["ant", "cat", "bee"])


def test_known_folders_pass() -> None:
    require_known(["b"], ClassList(("a", "b"), ("a", "b")), "a list")


def test_names_without_a_list_are_used_or_refused_but_never_ignored(tmp_path: Path) -> None:
    names = write(tmp_path / "names.txt", "small ant", "big bee")
    try:
        used = resolve_class_list("", names, ["a", "b"]).names
    except UserError as error:
        assert "--class-names" in str(error)
    else:
        assert used == ("small ant", "big bee")


def test_the_digest_changes_with_folders_names_and_their_order() -> None:
    lists = [(("a", "b"), ("x", "y")), (("b", "a"), ("x", "y")), (("a", "b"), ("y", "x")), (("b", "a"), ("y", "x"))]
    assert len({ClassList(*parts).digest for parts in lists}) == 4
    assert ClassList(*lists[0]).digest == ClassList(*lists[0]).digest


def test_folders_that_are_numbers_are_in_timms_order() -> None:
    assert resolve_class_list("", "", ["10", "9", "1"]).folders == ("1", "9", "10")


def test_classes_of_one_name_are_twins_of_the_first() -> None:
    classes = ClassList(("a", "b", "c", "d", "e"), ("cat", "missile", "dog", "missile", "cat"))
    assert classes.twins == (0, 1, 2, 1, 0) and classes.has_twins
    assert not ClassList(("a", "b"), ("cat", "dog")).has_twins


def test_openais_names_for_imagenet_have_two_pairs_of_twins() -> None:
    classes = imagenet_class_list()
    pairs = [(first, index) for index, first in enumerate(classes.twins) if first != index]
    assert [{classes.names[index] for index in pair} for pair in pairs] == [{"missile"}, {"sunglasses"}]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_a_class_map_of_a_windows_editor_is_read_or_refused_by_name(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "map.txt"
    path.write_text("ant\r\nkäfer\r\n", encoding=encoding)
    if encoding != "utf-16-le":
        assert load_class_list(str(path)).folders == ("ant", "käfer")
        return
    with pytest.raises(DataError, match=r"--class-map .*map\.txt: .*UTF-8.*; save it as"):
        load_class_list(str(path))


def test_a_class_map_in_latin_1_is_refused_by_its_byte(tmp_path: Path) -> None:
    (tmp_path / "map.txt").write_bytes("käfer".encode("latin-1"))
    with pytest.raises(DataError, match=r"not a text file in UTF-8 \(byte 1\); save it as that"):
        load_class_list(str(tmp_path / "map.txt"))


def test_folders_whose_names_are_no_text_have_a_digest() -> None:
    assert len(ClassList(("caf\udce9",), ("caf\udce9",)).digest) == 16


def test_a_teacher_may_choose_from_any_list(tmp_path: Path) -> None:
    names = write(tmp_path / "names.txt", "red fox", "elk")
    folders = write(tmp_path / "folders.txt", "fox_1", "elk_1")
    assert resolve_vocabulary("", names) == ClassList(("red fox", "elk"), ("red fox", "elk"))
    assert resolve_vocabulary(folders, "") == ClassList(("fox_1", "elk_1"), ("fox 1", "elk 1"))
    assert resolve_vocabulary(folders, names) == ClassList(("fox_1", "elk_1"), ("red fox", "elk"))
    assert resolve_vocabulary("", "") == imagenet_class_list()
    with pytest.raises(DataError, match=r"--class-names .*: 'elk' stands there twice"):
        resolve_vocabulary("", write(tmp_path / "twice.txt", "elk", "elk"))
