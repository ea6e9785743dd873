"""What is stored of a teacher's answer: numbers in few bytes.

A CLIP's answer is the unit embedding of the image: its logits are a scale times that times a head of the class list's,
so one record serves every temperature, scale, class list and template. Other teachers' is the logits, all of them:
at T = 4 most of what they transfer lies outside the largest hundred.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dad.errors import UsageError

EMBEDDING, LOGITS = "embedding", "logits"  # kinds of answers
PAYLOADS = {"fp16": np.float16, "int8": np.int8, "fp32": np.float32}


def require_payload(payload: str, kind: str) -> None:
    """Raise a UsageError if a kind of answer cannot be stored so."""
    if payload == "int8" and kind == LOGITS:
        raise UsageError("--payload int8: it is for embeddings, whose length is known; this teacher has logits: fp16")


def encode_payload(answers: Tensor, payload: str) -> NDArray[np.generic]:
    """Return answers [N, D], on any device, as they are stored.

    An embedding's length is 1, so its 8-bit form needs no scale: the largest number of each is 127.
    """
    values = answers.float()
    if payload == "int8":
        values = (values * (127 / values.abs().amax(dim=1, keepdim=True).clamp(min=1e-30))).round()
    return values.cpu().numpy().astype(PAYLOADS[payload])


def decode_payload(stored: Tensor) -> Tensor:
    """Return stored answers [N, D], on any device, as float32."""
    if stored.dtype == torch.int8:
        return nn.functional.normalize(stored.float(), dim=1)
    return stored.float()
