"""A classifier is right by its first choice, and where no prompt tells two classes apart by either."""

import torch

from dad.verdicts import is_right

LOGITS = torch.tensor([[3.0, 1.0, 3.0, 0.0], [3.0, 1.0, 3.0, 0.0], [0.0, 5.0, 0.0, 1.0], [0.0, 5.0, 0.0, 1.0]])
LABELS = torch.tensor([0, 2, 1, 0])


def test_the_first_choice_decides() -> None:
    logits = torch.randn(50, 7)
    labels = torch.randint(7, (50,))
    assert is_right(logits, labels).tolist() == [
        row.index(max(row)) == label for row, label in zip(logits.tolist(), labels.tolist(), strict=True)
    ]


def test_a_verdict_for_a_twin_counts() -> None:
    assert is_right(LOGITS, LABELS).tolist() == [True, False, True, False]
    assert is_right(LOGITS, LABELS, torch.tensor([0, 1, 0, 3])).tolist() == [True, True, True, False]
