"""What an answer loses by the way it is stored."""

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from dad.errors import UsageError
from dad.soft_targets.payload import EMBEDDING, LOGITS, PAYLOADS, decode_payload, encode_payload, require_payload


@pytest.fixture
def embeddings() -> Tensor:
    return normalize(torch.randn(200, 64, generator=torch.Generator().manual_seed(0)), dim=1)


def stored(answers: Tensor, payload: str) -> Tensor:
    return decode_payload(torch.from_numpy(encode_payload(answers, payload)))


@pytest.mark.parametrize("payload, kind", PAYLOADS.items())
def test_an_answer_takes_the_bytes_that_its_payload_says(embeddings: Tensor, payload: str, kind: type) -> None:
    encoded = encode_payload(embeddings, payload)
    assert encoded.dtype == kind and encoded.shape == (200, 64)
    assert stored(embeddings, payload).dtype == torch.float32


def test_fp32_loses_nothing(embeddings: Tensor) -> None:
    assert torch.equal(stored(embeddings, "fp32"), embeddings)
    assert torch.equal(stored(1e6 * embeddings, "fp32"), 1e6 * embeddings)


def test_fp16_loses_half_of_its_last_bit(embeddings: Tensor) -> None:
    for answers in (embeddings, 30 * embeddings):  # logits too
        error = (stored(answers, "fp16") - answers).abs()
        assert bool((error <= 2**-11 * answers.abs() + 2**-25).all()) and error.max() > 0


def test_int8_loses_half_a_step_of_the_largest_number(embeddings: Tensor) -> None:
    encoded = torch.from_numpy(encode_payload(embeddings, "int8")).float()
    step = embeddings.abs().amax(dim=1, keepdim=True) / 127
    assert encoded.abs().amax(dim=1).eq(127).all()
    assert bool(((step * encoded - embeddings).abs() <= 0.5001 * step).all())


def test_int8_has_unit_length_and_nearly_the_same_direction(embeddings: Tensor) -> None:
    decoded = stored(embeddings, "int8")
    torch.testing.assert_close(decoded.norm(dim=1), torch.ones(200))
    assert (decoded * embeddings).sum(dim=1).min() > 0.9998


def test_int8_of_a_batch_is_int8_of_each(embeddings: Tensor) -> None:
    alone = np.concatenate([encode_payload(embeddings[place : place + 1], "int8") for place in range(5)])
    assert np.array_equal(encode_payload(embeddings[:5], "int8"), alone)


def test_half_precision_answers_are_stored_as_they_are(embeddings: Tensor) -> None:
    for payload in ("fp16", "fp32"):
        assert torch.equal(stored(embeddings.half(), payload), embeddings.half().float())


def test_an_answer_of_nothing_stays_finite() -> None:
    assert torch.equal(stored(torch.zeros(2, 3), "int8"), torch.zeros(2, 3))


def test_int8_is_for_embeddings() -> None:
    with pytest.raises(UsageError, match=r"^--payload int8: it is for embeddings.*: fp16$"):
        require_payload("int8", LOGITS)
    for payload in PAYLOADS:
        require_payload(payload, EMBEDDING)
    for payload in ("fp16", "fp32"):
        require_payload(payload, LOGITS)
