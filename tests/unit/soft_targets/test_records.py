"""A record's check covers the pixels, the answer and the flags, so that no flipped bit passes."""

import zlib
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dad.soft_targets.payload import PAYLOADS
from dad.soft_targets.records import MADE, PRESENT, checks_of, make_records, record_type

PIXELS = np.array([[1, 2**32 - 1, 77]], np.int64)
THERE = np.array([[True, False, True]])


def records_of(payload: str = "fp16", width: int = 3) -> NDArray[Any]:
    answers = (np.arange(3 * width).reshape(1, 3, width) + 1).astype(PAYLOADS[payload])
    return make_records(answers, PIXELS, THERE)


def passes(records: NDArray[Any]) -> NDArray[np.bool_]:
    """Which records fit the pixels and flags of before."""
    flags = (MADE + PRESENT * THERE).astype(np.uint8)
    right: NDArray[np.bool_] = (records["check"] == checks_of(records, PIXELS)) & (records["flags"] == flags)
    return right


@pytest.mark.parametrize("payload, number", [("fp16", 2), ("int8", 1), ("fp32", 4)])
@pytest.mark.parametrize("width", [1, 3, 512])
def test_a_record_is_the_answer_and_five_bytes(payload: str, number: int, width: int) -> None:
    assert record_type(width, payload).itemsize == number * width + 5 == records_of(payload, width).itemsize


def test_its_bytes_are_the_same_on_every_machine() -> None:
    record = make_records(np.array([[[1.0, -2.0]]], np.float16), np.array([[7]]), np.array([[True]]))
    answer = bytes([0x00, 0x3C, 0x00, 0xC0])
    assert record.tobytes() == answer + zlib.crc32(answer + b"\3", 7).to_bytes(4, "little") + b"\3"


def test_the_check_is_a_crc_of_pixels_answer_and_flags() -> None:
    image = bytes(range(48))
    record = make_records(np.ones((1, 1, 2), np.float32), np.array([[zlib.crc32(image)]]), np.array([[True]]))[0, 0]
    assert record["check"] == zlib.crc32(image + record["payload"].tobytes() + record["flags"].tobytes())


@pytest.mark.parametrize("payload", PAYLOADS)
def test_every_flipped_bit_is_found(payload: str) -> None:
    written = records_of(payload)
    assert passes(written).all()
    size = written.itemsize
    for bit in range(8 * size * written.size):
        content = bytearray(written.tobytes())
        content[bit // 8] ^= 1 << bit % 8
        found = passes(np.frombuffer(bytes(content), written.dtype).reshape(written.shape))
        assert found.ravel().tolist() == [place != bit // (8 * size) for place in range(3)]


@pytest.mark.parametrize("pixels", [[[2, 2**32 - 1, 77]], [[1, 0, 77]], [[1, 2**32 - 1, 78]]])
def test_other_pixels_are_found(pixels: list[list[int]]) -> None:
    records = records_of()
    found = records["check"] == checks_of(records, np.array(pixels, np.int64))
    assert found.tolist() == (np.array(pixels) == PIXELS).tolist()


def test_a_view_that_is_not_there_has_no_answer_but_its_pixels_count() -> None:
    records = records_of()
    assert records["payload"][0, 1].tolist() == [0, 0, 0] and records["payload"][0, 2].tolist() == [7, 8, 9]
    assert records["flags"].tolist() == [[3, 1, 3]]
    assert records["check"][0, 1] == zlib.crc32(bytes(6) + b"\1", 2**32 - 1)


def test_what_was_never_made_passes_for_nothing() -> None:
    blank = np.zeros((1, 3), record_type(3, "fp16"))
    assert not passes(blank).any()
