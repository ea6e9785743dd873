"""ImageNet-X: how much more often a model errs on images that are unusual in some way (Idrissi et al. 2023)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dad.variants import ImageSet
from dad.variants.imagenet_x import FACTORS, annotated_factors

_SET = "imagenet"


def factor_scores(image_set: ImageSet, right: NDArray[np.bool_], scored: NDArray[np.bool_]) -> dict[str, Any]:
    """Return, under the key "imagenet_x", top-1 and count of the annotated validation images, and by factor its count,
    top-1 and error ratio: its share of errors divided by that of all annotated images (None if there is
    no error). Nothing for other sets and class lists, and without the package.

    Args:
        right, scored: which images are right, and which count, [N].
    """
    if image_set.variant.name != _SET or image_set.expected is None:  # which the published set has alone
        return {}
    known = annotated_factors()
    names = [path.rpartition(b"/")[2].rpartition(b".")[0].decode(errors="replace") for path in image_set.paths.tolist()]
    annotated = scored & np.array([name in known for name in names], dtype=np.bool_)
    if not annotated.any():
        return {}
    errors = 1 - float(right[annotated].mean())
    factors = {}
    for factor in FACTORS:
        which = annotated & np.array([factor in known.get(name, ()) for name in names], dtype=np.bool_)
        if which.any():
            share = float(right[which].mean())
            ratio = (1 - share) / errors if errors else None
            factors[factor] = {"count": int(which.sum()), "top1": 100 * share, "error_ratio": ratio}
    return {"imagenet_x": {"count": int(annotated.sum()), "top1": 100 * (1 - errors), "factors": factors}}
