"""The listing of source images: keys, labels, order, and every tree that is refused."""

from pathlib import Path

import pytest

from dad.errors import DataError
from dad.images.classes import NO_CLASSES, ClassList
from dad.images.sources import (
    UNLABELLED,
    SourceImage,
    class_folders,
    find_split,
    list_sources,
    list_unlabelled,
    listing_digest,
)

CLASSES = ClassList(("zebra", "ant", "cat"), ("zebra", "ant", "cat"))


def make_tree(root: Path, *files: str) -> Path:
    split = root / "train"
    for name in files:
        (split / name).parent.mkdir(parents=True, exist_ok=True)
        (split / name).touch()
    return split


def test_keys_are_sorted_and_labels_come_from_the_class_list(tmp_path: Path) -> None:
    split = make_tree(tmp_path, "zebra/a.JPEG", "zebra/a-1.png", "ant/x.1.jpg", "ant/notes.txt")
    assert list_sources(split, CLASSES) == [
        SourceImage("ant/x.1", split / "ant/x.1.jpg", 1),
        SourceImage("zebra/a", split / "zebra/a.JPEG", 0),
        SourceImage("zebra/a-1", split / "zebra/a-1.png", 0),
    ]


@pytest.mark.parametrize(
    ("files", "named"),
    [
        ((), "no such folder"),
        (("readme.txt",), "no class folders"),
        (("a.jpg", "b.jpg"), "2 images lie outside class folders, e.g. 'a.jpg'"),
        (("ant/a.jpg", "b.jpg"), "1 images lie outside class folders, e.g. 'b.jpg'"),
        (("ant/a.jpg", "dog/a.jpg"), "not in the class list .* e.g. 'dog'"),
        (("ant/a.jpg", "cat/readme.txt"), "cat: a class folder without images"),
        (("ant/images/a.jpg",), "ant: a class folder holds the folder 'images'"),
        (("train/ant/a.jpg",), "train: a class folder holds the folder 'ant'"),
        (("ant/a.jpg", "ant/a.png"), "ant/a.jpg and .*ant/a.png are one key"),
        (("ant/A.jpg", "ant/a.jpg"), "ant/A.jpg and .*ant/a.jpg are one key"),
        (("ant/a.jpg", "0.tar"), r"both folders \('ant'\) and tars \('0.tar'\)"),
        (("a.jpg", "0.tar"), "1 images lie outside"),
    ],
)
def test_trees_that_would_lose_or_double_an_image_are_refused(
    tmp_path: Path, files: tuple[str, ...], named: str
) -> None:
    with pytest.raises(DataError, match=named):
        list_sources(make_tree(tmp_path, *files), CLASSES)


def test_class_folders_are_sorted_and_files_beside_them_ignored(tmp_path: Path) -> None:
    assert class_folders(make_tree(tmp_path, "zebra/a.jpg", "ant/a.jpg", "readme.txt")) == ["ant", "zebra"]


def test_hidden_folders_are_no_classes(tmp_path: Path) -> None:
    split = make_tree(tmp_path, "ant/a.jpg", ".ipynb_checkpoints/a.jpg", "ant/.thumbnails/a.jpg")
    assert class_folders(split) == ["ant"]
    assert [source.key for source in list_sources(split, CLASSES)] == ["ant/a"]


def test_files_that_are_no_images_are_counted_by_suffix(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    split = make_tree(tmp_path, "ant/a.jpg", "ant/b.heic", "bee/a.PNG", "bee/c.HEIC", "bee/notes", "bee/.x", "list.txt")
    classes = ClassList(("ant", "bee"), ("ant", "bee"))
    assert len(list_sources(split, classes)) == 2
    (line,) = caplog.messages
    assert line.startswith(f"{split}: files that are not looked at: 2 .heic, ") and line.endswith(".png .jpg .jpeg")
    assert "1 without suffix" in line


def test_nothing_is_told_where_all_is_looked_at(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    list_sources(make_tree(tmp_path, "ant/a.jpg"), CLASSES)
    assert not caplog.messages


def test_a_split_one_level_too_deep_is_told(tmp_path: Path) -> None:
    split = make_tree(tmp_path, "ant/cat/a.jpg", "ant/ant/a.jpg")
    with pytest.raises(DataError, match=r"holds the folder 'ant'; .*; move what .*/ant holds one level up"):
        list_sources(split, CLASSES)


def test_tars_have_no_class_folders_to_make_a_list_of(tmp_path: Path) -> None:
    assert class_folders(make_tree(tmp_path, "0.tar", "readme.txt")) == []


def test_the_digest_depends_on_keys_and_labels_but_not_on_where_the_tree_lies(tmp_path: Path) -> None:
    here = list_sources(make_tree(tmp_path / "here", "ant/a.jpg", "cat/b.jpg"), CLASSES)
    there = list_sources(make_tree(tmp_path / "there", "ant/a.jpg", "cat/b.jpg"), CLASSES)
    more = list_sources(make_tree(tmp_path / "there", "ant/a2.jpg"), CLASSES)
    other_list = list_sources(tmp_path / "here/train", ClassList(CLASSES.folders[::-1], CLASSES.names))
    assert listing_digest(here) == listing_digest(there)
    assert len({listing_digest(sources) for sources in (here, more, other_list)}) == 3


def test_where_all_files_are_images_nothing_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    list_sources(make_tree(tmp_path, "ant/a.jpg", "ant/.DS_Store"), CLASSES)
    assert not caplog.records


def test_a_link_that_leads_to_itself_is_an_image_that_cannot_be_read(tmp_path: Path) -> None:
    split = make_tree(tmp_path, "ant/a.jpg")
    (split / "ant" / "loop.jpg").symlink_to("loop.jpg")
    (split / "ant" / "gone.jpg").symlink_to("nowhere")
    listed = list_sources(split, CLASSES)
    assert [source.key for source in listed] == ["ant/a", "ant/gone", "ant/loop"]
    for source in listed[1:]:
        with pytest.raises(OSError, match=r"No such file|Too many levels"):
            source.read()


def test_a_folder_that_leads_back_is_refused_by_name(tmp_path: Path) -> None:
    split = make_tree(tmp_path, "ant/a.jpg")
    (split / "ant" / "back").symlink_to(split)
    with pytest.raises(DataError, match="a class folder holds the folder 'back'"):
        list_sources(split, CLASSES)


def test_images_without_labels_lie_anywhere(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    split = make_tree(
        tmp_path, "b.jpg", "2024/trip/a.1.PNG", "2024/c.jpeg", ".trash/d.jpg", "2024/e.heic", "empty/x.txt"
    )
    assert list_unlabelled(split) == [
        SourceImage("2024/c", split / "2024/c.jpeg", UNLABELLED),
        SourceImage("2024/trip/a.1", split / "2024/trip/a.1.PNG", UNLABELLED),
        SourceImage("b", split / "b.jpg", UNLABELLED),
    ]
    assert "files that are not looked at: 1 .heic, 1 .txt" in caplog.text


def test_class_folders_give_the_same_keys_without_labels(tmp_path: Path) -> None:
    split = make_tree(tmp_path, "zebra/a.JPEG", "ant/x.1.jpg")
    labelled = list_sources(split, CLASSES)
    assert list_sources(split, NO_CLASSES) == list_unlabelled(split)
    assert [source.key for source in list_unlabelled(split)] == [source.key for source in labelled]
    assert listing_digest(list_unlabelled(split)) != listing_digest(labelled)


def test_a_folder_that_links_lead_to_is_listed_once(tmp_path: Path) -> None:
    split = make_tree(tmp_path, "one/a.jpg")
    (split / "one" / "back").symlink_to(split)
    (split / "two").symlink_to(split / "one")
    assert [source.key for source in list_unlabelled(split)] == ["one/a"]


@pytest.mark.parametrize(
    ("files", "named"),
    [
        ((), "no such folder; expected one of images, in folders or not"),
        (("deep/readme.txt",), "train: no images .* in it or in folders below it"),
        (("deep/a.jpg", "deep/A.png"), "deep/A.png and .*deep/a.jpg are one key"),
        (("deep/a.jpg", "0.tar"), r"both images \('deep/a'\) and tars \('0.tar'\)"),
    ],
)
def test_trees_without_labels_that_would_lose_or_double_an_image_are_refused(
    tmp_path: Path, files: tuple[str, ...], named: str
) -> None:
    with pytest.raises(DataError, match=named):
        list_unlabelled(make_tree(tmp_path, *files))


def test_a_folder_of_images_may_be_the_split_itself(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no folder train or training; .* as they are: --train-split \.$"):
        find_split(str(tmp_path), "train")
    assert find_split(str(tmp_path), ".") == tmp_path


def test_validation_images_are_not_learned_from_without_a_word(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    split = make_tree(tmp_path, "train/a.jpg", "val/b.jpg")
    assert len(list_unlabelled(split)) == 2 and "images of the folder 'val' are among those to learn" in caplog.text
