"""One record: a teacher's answer about one view of one image, in so many bytes, whoever reads it."""

import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dad.soft_targets.payload import PAYLOADS

MADE, PRESENT = 1, 2  # flags: there is an answer; the view was there (an absent one has no answer that counts)


def record_type(width: int, payload: str) -> np.dtype[Any]:
    """Return the record of answers of `width` numbers: payload, check, flags."""
    kind = np.dtype(PAYLOADS[payload]).newbyteorder("<")
    return np.dtype([("payload", kind, (width,)), ("check", "<u4"), ("flags", "u1")])


def make_records(payloads: NDArray[Any], pixels: NDArray[np.int64], present: NDArray[np.bool_]) -> NDArray[Any]:
    """Return records [V, N].

    Args:
        payloads: answers as they are stored, [V, N, D].
        pixels: CRC-32 of the 8-bit image that each answer is about, [V, N].
        present: whether the view was there, [V, N].
    """
    records = np.zeros(pixels.shape, record_type(payloads.shape[-1], _name(payloads.dtype)))
    records["payload"] = np.where(present[..., None], payloads, 0)
    records["flags"] = MADE + PRESENT * present
    records["check"] = checks_of(records, pixels)
    return records


def checks_of(records: NDArray[Any], pixels: NDArray[np.int64]) -> NDArray[np.uint32]:
    """Return the check that each record has to have: the CRC-32 of the image, its answer and its flags together."""
    flat = [
        zlib.crc32(record["payload"].tobytes() + record["flags"].tobytes(), int(crc))
        for record, crc in zip(records.ravel(), pixels.ravel(), strict=True)
    ]
    return np.array(flat, np.uint32).reshape(records.shape)


def _name(kind: np.dtype[Any]) -> str:
    return next(name for name, of in PAYLOADS.items() if kind == of)
