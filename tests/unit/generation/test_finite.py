"""Which stage an image failed at first."""

import torch

from dad.generation.finite import STAGES, FiniteCheck, describe_failure


def test_the_first_stage_at_which_an_image_is_not_finite_counts() -> None:
    check = FiniteCheck(torch.zeros(3, 1))
    first = 1 + STAGES.index("the latents of Q(x)")
    check.note("the latents of Q(x)", torch.tensor([[0], [-1], [5]]))
    check.note("Q(x)", None)
    check.note("Q(x')", torch.tensor([[1.0], [float("nan")], [float("-inf")]]))
    assert check.failed.tolist() == [0, first, 1 + STAGES.index("Q(x')")]
    assert describe_failure(first) == "not finite: the latents of Q(x)"


def test_what_nobody_asked_for_is_no_failure() -> None:
    check = FiniteCheck(torch.zeros(3, 1))
    values = torch.tensor([[float("nan")], [float("nan")], [1.0]])
    check.note("the teacher's logits on Q(x)", values, torch.tensor([False, True, True]))
    assert check.failed.tolist() == [0, 1 + STAGES.index("the teacher's logits on Q(x)"), 0]
