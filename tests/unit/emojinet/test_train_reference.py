"""The set that the reference student is trained on."""

import pytest
import torch

from emojinet import train_reference
from emojinet.concepts import class_concepts
from emojinet.render import render_class


def test_a_set_in_memory_is_the_rendered_one_class_by_class(monkeypatch: pytest.MonkeyPatch) -> None:
    two = class_concepts()[:2]
    monkeypatch.setattr(train_reference, "class_concepts", lambda: two)
    images, labels = train_reference.set_tensors("val", seed=0)
    assert images.shape == (20, 3, 64, 64) and labels.tolist() == [0] * 10 + [1] * 10
    expected = torch.from_numpy(render_class("val", two[1], 0)[3]).permute(2, 0, 1)
    assert torch.equal(images[13], expected)
