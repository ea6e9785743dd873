"""Q(x) = x."""

from argparse import Namespace

import torch

from dad.discretizers import create_discretizer


def test_identity_changes_nothing_has_no_codes_and_needs_no_flag() -> None:
    q = create_discretizer(Namespace(discretizer="identity"), torch.device("cpu"))
    pixels = torch.rand(2, 3, 5, 7)
    assert torch.equal(q(pixels), pixels) and not q.has_codes
    assert q.settings == {"discretizer": "identity"}
