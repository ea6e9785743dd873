"""Drawings are squares that the drawn part fills."""

import numpy as np
import pytest

from emojinet.concepts import class_concepts
from emojinet.drawings import SIDE, STYLES, draw


@pytest.mark.parametrize("style", STYLES)
def test_every_class_is_drawn_in_every_style(style: str) -> None:
    for concept in class_concepts():
        alpha = np.asarray(draw(concept, style))[..., 3]
        assert alpha.shape == (SIDE, SIDE) and 0.05 < (alpha > 127).mean() < 0.99, concept.name


@pytest.mark.parametrize("style", STYLES)
def test_the_longer_side_reaches_both_borders(style: str) -> None:
    for concept in class_concepts()[:8]:
        left, top, right, bottom = draw(concept, style).getchannel("A").getbbox() or (0, 0, 0, 0)
        assert max(right - left, bottom - top) == SIDE, concept.name


def test_noto_draws_in_ink_alone() -> None:
    assert not np.asarray(draw(class_concepts()[0], "noto"))[..., :3].any()


def test_an_unknown_artist_is_an_error() -> None:
    with pytest.raises(KeyError, match="picasso"):
        draw(class_concepts()[0], "picasso")
