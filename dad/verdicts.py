"""When a classifier is right: its first choice is the label, or a class that it cannot tell from it."""

from torch import Tensor


def is_right(logits: Tensor, labels: Tensor, twins: Tensor | None = None) -> Tensor:
    """Return for which images the largest logit is the label's, bool [B].

    Args:
        logits: [B, K]. labels: class indices [B].
        twins: for each class the first of those that have the same prompts, [K]. Their logits are one number, of which
            the argmax takes either, so that a verdict for one of them counts for all. None: no two are alike.
    """
    predicted = logits.argmax(dim=1)
    if twins is None:
        return predicted == labels
    return twins[predicted] == twins[labels]
