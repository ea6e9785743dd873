"""CCC: tars in order, whose class numbers count ImageNet's folders."""

import os
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
from image_trees import BY_NAME, CLASSES, IMAGENET, WNIDS, write_sample, write_stream

from dad.errors import DataError
from dad.images.classes import ClassList
from dad.variants import find_variants, list_image_set
from dad.variants.streams import find_streams, list_stream

MEDIUM = BY_NAME["ccc-medium"]
STREAM = "baseline_20_transition+speed_1000_seed_44"


def test_a_stream_is_read_in_the_order_of_its_tars_and_of_their_samples(tmp_path: Path) -> None:
    stream = list_stream(write_stream(tmp_path, [5, 0, 999], [7], [0, 1]), IMAGENET, MEDIUM)
    assert stream.labels.tolist() == [5, 0, 999, 7, 0, 1] and stream.numbers.tolist() == [0, 0, 0, 1, 2, 2]
    for number, (offset, size) in zip(stream.numbers, stream.spans, strict=True):
        assert stream.tars[number].read_bytes()[offset : offset + size] == b"pixels"


def test_ten_tars_keep_their_order_however_many_are_listed_at_once(tmp_path: Path) -> None:
    stream = list_stream(write_stream(tmp_path, *([label] for label in range(19))), IMAGENET, MEDIUM)
    assert stream.labels.tolist() == list(range(19))


def test_a_stream_ends_after_the_published_number_of_images(tmp_path: Path) -> None:
    stream = list_stream(write_stream(tmp_path, [5, 0], [7, 8], [1]), IMAGENET, replace(MEDIUM, images=3))
    assert stream.labels.tolist() == [5, 0, 7] and len(stream.tars) == 2


def test_class_numbers_are_imagenets_in_whatever_order_the_class_list_is(tmp_path: Path) -> None:
    turned = ClassList(WNIDS[::-1], WNIDS[::-1])
    assert list_stream(write_stream(tmp_path, [5, 0]), turned, MEDIUM).labels.tolist() == [994, 999]


def test_streams_are_known_by_speed_and_seed_whoever_made_them(tmp_path: Path) -> None:
    for name in (STREAM, "baseline_20.0_transition+speed_5000_seed_43", "baseline_40_transition+speed_1000_seed_43"):
        write_stream(tmp_path / name, [1])
    assert find_streams(tmp_path, MEDIUM) == {
        "speed_1000/2": tmp_path / STREAM,
        "speed_5000/1": tmp_path / "baseline_20.0_transition+speed_5000_seed_43",
    }
    image_set = list_image_set(MEDIUM, tmp_path, IMAGENET)
    assert image_set.parts == {"speed_1000/2": slice(0, 1), "speed_5000/1": slice(1, 2)}
    assert image_set.count_warning == "ccc-medium: 2 images, but the published set has 67,500,000"
    assert os.fsdecode(image_set.paths[0]) == str(tmp_path / STREAM / "serial_00000.tar")


def test_a_folder_without_streams_of_a_baseline_is_told(tmp_path: Path) -> None:
    write_stream(tmp_path / "ccc" / STREAM, [1])
    found, missing = find_variants(tmp_path, "all", IMAGENET)
    assert [variant.name for variant, _ in found] == ["ccc-medium"]
    reasons = {variant.name: reason for variant, reason in missing}
    assert reasons["ccc-hard"] == (
        f"none of its streams is in {tmp_path / 'ccc'}, e.g. baseline_0_transition+speed_1000_seed_43"
    )
    with pytest.raises(DataError, match="--variants ccc-easy: none of its streams"):
        find_variants(tmp_path, "ccc-easy", IMAGENET)
    assert "ccc-medium" in {variant.name for variant, _ in find_variants(tmp_path, "all", CLASSES)[1]}


def test_a_row_without_streams_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"ccc-medium.: none of its 9 streams is there"):
        list_image_set(MEDIUM, tmp_path, IMAGENET)


def test_a_stream_with_a_gap_is_refused(tmp_path: Path) -> None:
    write_stream(tmp_path, [1], [2])
    write_stream(tmp_path, [3], first=3)
    with pytest.raises(
        DataError, match=r"serial_00002.tar is missing, and serial_00003.tar is there: a stream is read"
    ):
        list_stream(tmp_path, IMAGENET, MEDIUM)


def test_a_stream_without_its_beginning_or_without_tars_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no tars; expected serial_00000.tar"):
        list_stream(tmp_path, IMAGENET, MEDIUM)
    with pytest.raises(DataError, match=r"serial_00000.tar is missing"):
        list_stream(write_stream(tmp_path, [1], first=1), IMAGENET, MEDIUM)


@pytest.mark.parametrize("source", ["10", WNIDS[1], WNIDS[3]])
def test_numbers_that_count_other_folders_are_refused(tmp_path: Path, source: str) -> None:
    write_stream(tmp_path, [5])
    with tarfile.open(tmp_path / "serial_00001.tar", "w") as archive:
        write_sample(archive, 0, 2, source=source)
    with pytest.raises(
        DataError, match=rf"serial_00001.tar: .* folder '{source}' and has the class number 2, which is"
    ):
        list_stream(tmp_path, IMAGENET, MEDIUM)


def test_a_tar_without_images_of_a_stream_or_cut_off_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "serial_00000.tar", "w"):
        pass
    with pytest.raises(DataError, match=r"its 1 tars hold no image; expected members <key>.input.jpg"):
        list_stream(tmp_path, IMAGENET, MEDIUM)
    whole = (write_stream(tmp_path, [1, 2]) / "serial_00000.tar").read_bytes()
    (tmp_path / "serial_00000.tar").write_bytes(whole[:1700])
    with pytest.raises(DataError, match=r"serial_00000.tar: cannot be read as an uncompressed tar"):
        list_stream(tmp_path, IMAGENET, MEDIUM)


def test_a_rerun_sees_another_tar(tmp_path: Path) -> None:
    write_stream(tmp_path / STREAM, [1, 2])
    before = list_image_set(MEDIUM, tmp_path, IMAGENET).digest
    assert list_image_set(MEDIUM, tmp_path, IMAGENET).digest == before
    write_stream(tmp_path / STREAM, [1, 3])
    assert list_image_set(MEDIUM, tmp_path, IMAGENET).digest != before
