"""Faults 6 to 9, 11 and 34: sources that are bad, odd, or in the wrong place."""

import io
import os
import re
import struct
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fault_tools import finished_files, reasons
from PIL import Image

import generate
from dad.errors import DataError, UserError
from dad.shards import DadSet, decode_image

RAW = ["--discretizer", "identity", "--attack", "none", "--store", "image", "--image-format", "png"]  # pixels as read


def png_header(width: int, height: int) -> bytes:
    """A PNG that says how large it is, and has nothing else."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    end = struct.pack(">I", 0) + b"IEND" + struct.pack(">I", zlib.crc32(b"IEND"))
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header)) + end


def image_bytes(image: Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8))
JPEG = image_bytes(NOISE, "JPEG")
BAD = {  # what no reader can make sense of, and what the ledger says about it
    "truncated": (JPEG[: len(JPEG) // 2], "OSError: image file is truncated"),
    "empty": (b"", "UnidentifiedImageError: .*the file is empty"),
    "html": (b"<!DOCTYPE html><html>404", "UnidentifiedImageError: .*the file begins with b'<!DOCTYPE html><'"),
    "bomb": (png_header(30_000, 30_000), "DecompressionBombError: .*900000000 pixels"),
}


def pixels(root: Path, key: str) -> np.ndarray:
    """Return the image that a set holds for a source."""
    dad_set = DadSet.open(root)
    index = dad_set.index_of(key)
    assert index is not None
    return decode_image(dad_set.read(index, "png"))


def codes(root: Path) -> dict[str, bytes]:
    dad_set = DadSet.open(root)
    return {key: dad_set.read(index, "npy") for index, key in enumerate(dad_set.keys)}


@pytest.mark.parametrize("workers", ["0", "2"])
def test_bad_files_are_listed_by_name_and_reason_and_change_nothing_else(
    quick_flags: list[str], tmp_path: Path, data: Path, workers: str
) -> None:
    generate.main([*quick_flags, "--dad-dir", str(tmp_path / "whole")])
    for number, (content, _) in enumerate(BAD.values()):
        (data / "train" / "bear" / f"bear_0{number}.png").write_bytes(content)
    assert generate.main([*quick_flags, "--data-dir", str(data), "--workers", workers]) == 0
    found = reasons(tmp_path / "dad")
    assert list(found) == [f"bear/bear_0{number}" for number in range(len(BAD))]
    assert all(re.match(expected, reason) for reason, (_, expected) in zip(found.values(), BAD.values(), strict=True))
    whole = codes(tmp_path / "whole")
    assert codes(tmp_path / "dad") == {key: whole[key] for key in whole if key not in found}


def odd_images() -> dict[str, tuple[bytes, np.ndarray]]:
    """Files that are fine though odd, and the pixels that they stand for."""
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown rotated by 90 degrees
    cmyk = image_bytes(NOISE.convert("CMYK"), "JPEG", quality=95)
    palette = NOISE.quantize(16)
    palette.info["transparency"] = bytes(range(0, 256, 16))
    frames = [NOISE, Image.new("RGB", NOISE.size)]
    rotated = image_bytes(NOISE, "JPEG", exif=exif)
    tiny = Image.new("RGB", (1, 1), (10, 20, 30))
    return {
        "cmyk": (cmyk, np.asarray(Image.open(io.BytesIO(cmyk)).convert("RGB"))),
        "palette": (image_bytes(palette, "PNG"), np.asarray(palette.convert("RGB"))),
        "one_bit": (image_bytes(NOISE.convert("1"), "PNG"), np.asarray(NOISE.convert("1").convert("RGB"))),
        "png_named_jpg": (image_bytes(NOISE, "PNG"), np.asarray(NOISE)),
        "animated": (image_bytes(frames[0], "PNG", save_all=True, append_images=frames[1:]), np.asarray(NOISE)),
        "rotated": (rotated, np.asarray(Image.open(io.BytesIO(rotated)))),
        "tiny": (image_bytes(tiny, "PNG"), np.full((32, 32, 3), (10, 20, 30))),
    }


def test_odd_files_are_read_as_pillow_reads_them_and_exif_is_not_applied(
    quick_flags: list[str], tmp_path: Path, data: Path
) -> None:
    odd = odd_images()
    for name, (content, _) in odd.items():
        (data / "train" / "apple" / f"{name}.jpg").write_bytes(content)
    assert generate.main([*quick_flags, *RAW, "--data-dir", str(data)]) == 0
    assert not reasons(tmp_path / "dad")
    for name, (_, expected) in odd.items():
        np.testing.assert_array_equal(pixels(tmp_path / "dad", f"apple/{name}"), expected, name)


def test_16_bit_grey_is_scaled_and_not_clipped(quick_flags: list[str], tmp_path: Path, data: Path) -> None:
    grey = np.linspace(0, 65535, 32 * 32).astype(np.uint16).reshape(32, 32)
    Image.fromarray(grey).save(data / "train" / "apple" / "grey.png")
    generate.main([*quick_flags, *RAW, "--data-dir", str(data)])
    assert abs(pixels(tmp_path / "dad", "apple/grey").mean() - grey.mean() / 257) < 1


def test_too_many_bad_files_stop_the_run_and_finished_shards_stay(
    quick_flags: list[str], tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(3):
        (data / "train" / "dog" / f"dog_0{number}.png").write_bytes(b"no picture")
    code = generate.run_script(lambda: generate.main([*quick_flags, "--data-dir", str(data), "--max-failed", "2"]))
    said = capsys.readouterr().err
    assert (
        code == 3
        and said.count("\n") == 1
        and re.search("3 sources cannot be read, e.g. dog/dog_0. .*--max-failed", said)
    )
    finished = sorted((tmp_path / "dad" / "shards").glob("*"))
    assert [path.name for path in finished] == ["00000.json", "00000.tar", "00001.json", "00001.tar"]
    assert generate.main([*quick_flags, "--data-dir", str(data), "--max-failed", "3"]) == 0
    assert len(reasons(tmp_path / "dad")) == 3


@pytest.mark.parametrize("workers", ["0", "1"])
def test_a_fifo_counts_as_unreadable_and_nobody_waits_for_it(
    quick_flags: list[str], tmp_path: Path, data: Path, workers: str
) -> None:
    os.mkfifo(data / "train" / "fox" / "pipe.jpg")
    assert generate.main([*quick_flags, "--data-dir", str(data), "--workers", workers]) == 0
    assert reasons(tmp_path / "dad") == {"fox/pipe": "OSError: not a regular file"}


def extra(data: Path) -> None:
    (data / "train" / "gnu").mkdir()
    (data / "train" / "gnu" / "0.png").write_bytes(b"")


def hollow(data: Path) -> None:
    for path in (data / "train" / "bear").iterdir():
        path.unlink()


def nested(data: Path) -> None:
    (data / "train" / "bear" / "more").mkdir()


def flat(data: Path) -> None:
    (data / "train" / "bear" / "bear_00.png").rename(data / "train" / "bear_00.png")


def one_level_too_deep(data: Path) -> None:
    (data / "train").rename(data / "images")
    (data / "train").mkdir()
    (data / "images").rename(data / "train" / "images")


def folders_and_tars(data: Path) -> None:
    (data / "train" / "0.tar").write_bytes(b"")


LAYOUTS: dict[Callable[[Path], None], str] = {
    extra: "class folders are not in .*'gnu'.*--class-map",
    hollow: "bear: a class folder without images.*fill it or remove it",
    nested: "bear: a class folder holds the folder 'more'; expected <split>/<class>/<image>",
    flat: "1 images lie outside class folders, e.g. 'bear_00.png'; expected <split>/<class>/<image>",
    one_level_too_deep: "'images'.*--class-map",
    folders_and_tars: "holds both folders .'apple'. and tars .'0.tar'.",
}


@pytest.mark.parametrize(("spoil", "message"), LAYOUTS.items())
def test_a_wrong_layout_is_refused_before_a_teacher_is_loaded(
    quick_flags: list[str], tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch,
    spoil: Callable[[Path], None], message: str,
) -> None:  # fmt: skip
    spoil(data)
    monkeypatch.setattr(generate, "create_teacher", lambda *_: pytest.fail("a teacher was loaded"))
    with pytest.raises(UserError, match=message) as caught:
        generate.main([*quick_flags, "--data-dir", str(data)])
    assert caught.value.exit_code in (2, 3) and "\n" not in str(caught.value)
    assert {path.name for path in tmp_path.iterdir()} == {"data"}


def write_tar(path: Path, images: Path, *more: tarfile.TarInfo) -> None:
    """Pack the images of a split as `<class>/<image>`, and further members without content."""
    with tarfile.open(path, "w") as archive:
        for image in sorted(images.rglob("*.png")):
            archive.add(image, str(image.relative_to(images)))
        for member in more:
            archive.addfile(member)


def test_tars_give_the_set_that_the_folder_gives(
    world: Path, quick_flags: list[str], whole: dict[str, bytes], tmp_path: Path
) -> None:
    (tmp_path / "data" / "train").mkdir(parents=True)
    write_tar(tmp_path / "data" / "train" / "0.tar", world / "data" / "train")
    assert generate.main([*quick_flags, "--data-dir", str(tmp_path / "data")]) == 0
    assert finished_files(tmp_path / "dad") == whole


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (member("../../outside.png"), "0.tar: member '../../outside.png' leads out of the tar"),
        (member("/outside.png"), "0.tar: member '/outside.png' leads out of the tar"),
        (member("apple/link.png", tarfile.SYMTYPE, "/etc/passwd"), "0.tar: member 'apple/link.png' is a link"),
        (member("apple/link.png", tarfile.LNKTYPE, "apple/apple_00.png"), "0.tar: member 'apple/link.png' is a link"),
    ],
)
def test_a_tar_whose_names_lead_elsewhere_is_refused_and_nothing_is_extracted(
    world: Path, quick_flags: list[str], tmp_path: Path, bad: tarfile.TarInfo, message: str
) -> None:
    (tmp_path / "data" / "train").mkdir(parents=True)
    write_tar(tmp_path / "data" / "train" / "0.tar", world / "data" / "train", bad)
    with pytest.raises(DataError, match=message):
        generate.main([*quick_flags, "--data-dir", str(tmp_path / "data")])
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["0.tar", "data", "train"]


@pytest.mark.parametrize("name", ["apple/device.png", f"apple/{'x' * 5000}.png"])
def test_devices_are_passed_over_and_names_only_serve_as_keys(
    world: Path, quick_flags: list[str], tmp_path: Path, name: str
) -> None:
    kind = tarfile.CHRTYPE if "device" in name else tarfile.REGTYPE
    (tmp_path / "data" / "train").mkdir(parents=True)
    write_tar(tmp_path / "data" / "train" / "0.tar", world / "data" / "train", member(name, kind))
    assert generate.main([*quick_flags, "--data-dir", str(tmp_path / "data")]) == 0
    assert len(DadSet.open(tmp_path / "dad")) == 36
    assert list(reasons(tmp_path / "dad")) == ([] if kind == tarfile.CHRTYPE else [name.removesuffix(".png")])
