"""WebDataset tars as sources: keys, labels, spans, and every tar that is refused; nothing is ever extracted."""

import io
import tarfile
from pathlib import Path

import pytest
from PIL import Image

from dad.errors import DataError
from dad.images.classes import ClassList
from dad.images.sources import UNLABELLED, list_sources, list_unlabelled
from dad.images.tars import MemberNames, list_tars
from dad.training.views import ViewDataset

CLASSES = ClassList(("zebra", "ant", "cat"), ("zebra", "ant", "cat"))
Members = dict[str, bytes]


def write_tar(path: Path, members: Members, mode: str = "w:", form: int = tarfile.GNU_FORMAT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode, format=form) as archive:  # type: ignore[call-overload]
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def labels_of(split: Path) -> dict[str, int]:
    return {source.key: source.label for source in list_sources(split, CLASSES)}


@pytest.mark.parametrize(
    ("members", "labels"),
    [
        ({"x/b.jpg": b"", "x/b.cls": b"2", "a.cls": b" 1\n", "a.PNG": b""}, {"a": 1, "x/b": 2}),
        ({"a.jpg": b"", "a.json": b'{"label": 2, "name": "cat"}'}, {"a": 2}),
        ({"ant/a.jpg": b"", "ant/a.json": b'{"caption": "an ant"}'}, {"ant/a": 1}),
        ({"./train/cat/a_1.JPEG": b"", "./zebra/b-1.jpeg": b""}, {"train/cat/a_1": 2, "zebra/b-1": 0}),
        ({"cat/a.jpg": b"", "cat/a.cls": b"1", "cat/a.json": b'{"label": 0}'}, {"cat/a": 1}),
        ({"a.jpg": b"", "a.cls": b"0", "a.seg.png": b"", "a.txt": b"", "README": b"", "._a.jpg": b""}, {"a": 0}),
    ],
)
def test_keys_and_labels_are_read_in_webdatasets_sense(
    tmp_path: Path, members: Members, labels: dict[str, int]
) -> None:
    write_tar(tmp_path / "0.tar", members)
    assert labels_of(tmp_path) == labels
    assert {source.key: source.label for source in list_unlabelled(tmp_path)} == dict.fromkeys(labels, UNLABELLED)


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_an_image_is_its_bytes_in_the_tar(tmp_path: Path, form: int) -> None:
    long = f"{'x' * 60}/ant/{'y' * 60}"  # longer than the name field of a header
    for number in range(20):
        write_tar(
            tmp_path / f"{number:02}.tar",
            {f"ant/{number}.jpg": bytes([number]) * 700, f"{long}{number}.jpg": b"long"},
            form=form,
        )
    contents = {source.key: source.read() for source in list_sources(tmp_path, CLASSES)}
    assert contents == {f"ant/{number}": bytes([number]) * 700 for number in range(20)} | {
        f"{long}{number}": b"long" for number in range(20)
    }


def test_training_reads_images_out_of_tars(tmp_path: Path) -> None:
    contents = [io.BytesIO() for _ in CLASSES.folders]
    for value, content in enumerate(contents):
        Image.new("L", (4, 4), value).save(content, "PNG")
    members = {f"{name}/0.png": content.getvalue() for name, content in zip(CLASSES.folders, contents, strict=True)}
    write_tar(tmp_path / "0.tar", members)
    dataset = ViewDataset(list_sources(tmp_path, CLASSES))
    dataset.transform = lambda image: image.getpixel((0, 0))
    served = [(image, label.label) for image, label in map(dataset.__getitem__, range(3))]
    assert served == [((1, 1, 1), 1), ((2, 2, 2), 2), ((0, 0, 0), 0)]


def test_the_listing_does_not_depend_on_how_images_are_packed(tmp_path: Path) -> None:
    one, two = {"ant/b.jpg": b"", "cat/c.jpg": b""}, {"ant/a.jpg": b""}
    write_tar(tmp_path / "one/0.tar", one | two)
    write_tar(tmp_path / "two/0.tar", one)
    write_tar(tmp_path / "two/1.tar", two)
    assert list(labels_of(tmp_path / "one").items()) == list(labels_of(tmp_path / "two").items())


@pytest.mark.parametrize(
    ("members", "named"),
    [
        ({"a.txt": b""}, r"1 tars without images \(\.png"),
        ({"dog/a.jpg": b""}, r"0\.tar: 'dog/a' has no label.*'dog' is not in the class list"),
        ({"a.jpg": b"", "a.json": b"{}"}, r"0\.tar: 'a' has no label"),
        ({"a.jpg": b"", "a.cls": b"3"}, r"0\.tar: 'a' has label 3, but the class list has 3 classes, 0 to 2"),
        ({"a.jpg": b"", "a.cls": b"-1"}, r"'a' has label -1"),
        ({"a.jpg": b"", "a.cls": b"ant"}, r"'a\.cls' states no class index \(b'ant'\)"),
        ({"a.jpg": b"", "a.json": b'{"label": "1"}'}, r"'a\.json' states no class index \('1'\)"),
        ({"a.jpg": b"", "a.json": b'{"label": true}'}, r"'a\.json' states no class index \(True\)"),
        ({"a.jpg": b"", "a.json": b"{"}, r"'a\.json' states no class index"),
        ({"a.jpg": b"", "a.json": b"[" * 200_000}, r"'a\.json' states no class index"),
        ({"ant/a.jpg": b"", "ant/a.png": b""}, "key 'ant/a' has more than one image"),
        ({"ant/a.jpg": b"", "ant/A.jpg": b""}, r"0\.tar \(ant/A\) and .*0\.tar \(ant/a\) are one key"),
        ({"ant/a.1.jpg": b""}, "sample 'ant/a' has no image member"),
        ({"ant/a.jpg": b"", "ant/b.cls": b"1"}, "sample 'ant/b' has no image member"),
        ({"/ant/a.jpg": b""}, "member '/ant/a.jpg' leads out of the tar"),
        ({"ant/../../a.jpg": b""}, r"member 'ant/../../a.jpg' leads out of the tar"),
    ],
)
def test_tars_that_would_lose_double_or_mislabel_an_image_are_refused(
    tmp_path: Path, members: Members, named: str
) -> None:
    write_tar(tmp_path / "0.tar", members)
    with pytest.raises(DataError, match=named):
        list_sources(tmp_path, CLASSES)


def test_a_key_in_two_tars_is_refused_with_both(tmp_path: Path) -> None:
    write_tar(tmp_path / "0.tar", {"ant/a.jpg": b""})
    write_tar(tmp_path / "1.tar", {"ant/a.png": b""})
    with pytest.raises(DataError, match=r"0\.tar \(ant/a\) and .*1\.tar \(ant/a\) are one key"):
        list_sources(tmp_path, CLASSES)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_links_are_refused(tmp_path: Path, kind: bytes) -> None:
    tar = write_tar(tmp_path / "0.tar", {"ant/a.jpg": b""})
    with tarfile.open(tar, "a:") as archive:
        link = tarfile.TarInfo("ant/b.jpg")
        link.type, link.linkname = kind, "/etc/passwd"
        archive.addfile(link)
    with pytest.raises(DataError, match=r"0\.tar: member 'ant/b\.jpg' is a link"):
        list_sources(tmp_path, CLASSES)


@pytest.mark.parametrize("kind", [tarfile.DIRTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE])
def test_folders_and_devices_in_a_tar_are_ignored_and_nothing_is_extracted(tmp_path: Path, kind: bytes) -> None:
    tar = write_tar(tmp_path / "0.tar", {"ant/a.jpg": b""})
    with tarfile.open(tar, "a:") as archive:
        member = tarfile.TarInfo("ant/b.jpg")
        member.type = kind
        archive.addfile(member)
    assert labels_of(tmp_path) == {"ant/a": 1}
    assert list(tmp_path.iterdir()) == [tar]


SIZE = 10 * 512 + 1024  # five images of a block, each after a header, and the end mark


@pytest.mark.parametrize("size", [0, 100, 512, 700, 1024, 5 * 512 + 100, 9 * 512 + 300, SIZE - 1024])
def test_a_tar_that_is_cut_off_is_named(tmp_path: Path, size: int) -> None:
    tar = write_tar(tmp_path / "0.tar", {f"ant/{number}.jpg": bytes(400) for number in range(5)})
    tar.write_bytes(tar.read_bytes()[:size])
    with pytest.raises(DataError, match=r"0\.tar: cannot be read as an uncompressed tar .* cut off"):
        list_sources(tmp_path, CLASSES)


def test_a_damaged_header_is_not_taken_for_the_end(tmp_path: Path) -> None:
    tar = write_tar(tmp_path / "0.tar", {f"ant/{number}.jpg": bytes(400) for number in range(5)})
    content = bytearray(tar.read_bytes())
    content[4 * 512 + 3] ^= 1
    tar.write_bytes(content)
    with pytest.raises(DataError, match=r"0\.tar: cannot be read"):
        list_sources(tmp_path, CLASSES)


@pytest.mark.parametrize("mode", ["w:gz", "w:xz"])
def test_a_compressed_tar_is_refused(tmp_path: Path, mode: str) -> None:
    write_tar(tmp_path / "0.tar", {"ant/a.jpg": b""}, mode)
    with pytest.raises(DataError, match=r"0\.tar: cannot be read as an uncompressed tar"):
        list_sources(tmp_path, CLASSES)


def test_a_tar_cut_after_it_was_listed_is_an_error_of_the_image(tmp_path: Path) -> None:
    tar = write_tar(tmp_path / "0.tar", {"ant/a.jpg": b"a" * 700, "ant/b.jpg": b"b" * 700})
    first, second = list_sources(tmp_path, CLASSES)
    tar.write_bytes(tar.read_bytes()[: second.offset + 600])
    assert first.read() == b"a" * 700
    with pytest.raises(OSError, match="cut off, 600 of 700 bytes"):
        second.read()


def test_members_may_have_names_of_their_own(tmp_path: Path) -> None:
    members = {"a.info": b"", "a.input.jpg": b"pixels", "a.output.cls": b"2", "a.thumb.jpg": b"", "b.input.jpg": b""}
    named = MemberNames((".input.jpg",), ".output.cls")
    tar = write_tar(tmp_path / "0.tar", {name: members[name] for name in list(members)[:4]})
    ((_, image),) = list_tars([tar], CLASSES.index, named)
    assert (image.key, image.label, tar.read_bytes()[image.offset :][: image.size]) == ("a", 2, b"pixels")
    with pytest.raises(DataError, match=r"'b' has no label: no b\.output\.cls"):
        list(list_tars([write_tar(tar, members)], CLASSES.index, named))
    with pytest.raises(DataError, match=r"sample 'a' has no image member 'a\.input\.jpg'"):
        list(list_tars([write_tar(tar, {"a.output.cls": b"2"})], CLASSES.index, named))
