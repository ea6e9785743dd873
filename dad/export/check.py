"""Whether what was written answers as the network that it was written from."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from dad.errors import DataError
from dad.export.images import Samples

Answering = Callable[[Tensor], Tensor]  # images [B, 3, H, W] to logits [B, K]


@dataclass(frozen=True)
class Check:
    """How far logits are from those of the network.

    Attributes:
        source: of the images, in words.
        difference: the largest of any logit, as a share of the largest logit there is.
        agreement: share of the images with the same first class.
        tolerance: the largest `difference` that passes; None: any.
    """

    source: str
    difference: float
    agreement: float
    tolerance: float | None = None

    def to_plain(self) -> dict[str, Any]:
        """Return it as a file holds it."""
        return asdict(self)

    @property
    def sentence(self) -> str:
        """It in words."""
        said = f"logits differ by at most {self.difference:.1e} of the largest"
        if self.tolerance is not None:
            said += f" (allowed: {self.tolerance:g})"
        return f"{said}, {100 * self.agreement:.4g} % of first classes agree, on {self.source}"


def check_answers(
    name: str, network: nn.Module, shipped: Answering, samples: Samples, tolerance: float | None
) -> Check:
    """Compare `shipped`, read back from the file `name`, with the network, in batches of one and of all images.

    Raises:
        DataError: the logits differ by more than `tolerance`, are no numbers, or there are none of such a batch.
    """
    with torch.no_grad():
        expected = network(samples.images)
        alone = torch.cat([_ask(name, shipped, image[None]) for image in samples.images])
        together = _ask(name, shipped, samples.images)
    scale = expected.abs().max().clamp(min=1e-12)
    difference = torch.stack([(found - expected).abs().max() for found in (alone, together)]).max() / scale
    agreement = (together.argmax(1) == expected.argmax(1)).float().mean()
    found = Check(samples.source, difference.item(), agreement.item(), tolerance)
    if not difference.isfinite():
        raise DataError(f"{name}: its logits are no numbers, on {samples.source}; nothing was written")
    if tolerance is not None and not difference.item() <= tolerance:
        raise DataError(
            f"{name} does not answer as the checkpoint: {found.sentence}; nothing was written (--tolerance)"
        )
    return found


def _ask(name: str, shipped: Answering, images: Tensor) -> Tensor:
    try:
        return shipped(images)
    except Exception as error:  # ONNX Runtime's and TorchScript's have no base of their own
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"{name} does not answer a batch of {len(images)} ({reason}); nothing was written") from error
