"""The paper's losses, as pure functions of logits [B, K] and targets."""

from torch import Tensor
from torch.nn.functional import kl_div, log_softmax


def distillation_loss(student: Tensor, teacher: Tensor, temperature: float, weight: Tensor | None = None) -> Tensor:
    """T² KL(p_teacher ‖ p_student) with p = softmax(logits / T), summed over classes and averaged over images.

    Hinton et al. 2015; l2 in the paper's eq. 6 to 9. T² keeps the gradient's size independent of T: the paper's text
    leaves it out, its code and that of the works it follows have it. The mean is over images alone: over all elements,
    as PyTorch's default reduction has it, the loss would be K times smaller.

    Args:
        student: logits [B, K]; gradients flow to them.
        teacher: logits [B, K].
        temperature: T.
        weight: [B] in [0, 1], or None for ones; the sum is divided by B all the same, so that an image of weight 0 adds
            nothing and the others count as much as they would without it.
    """
    τ = temperature
    log_p_student = log_softmax(student.float() / τ, dim=1)
    log_p_teacher = log_softmax(teacher.detach().float() / τ, dim=1)
    divergence = kl_div(log_p_student, log_p_teacher, reduction="none", log_target=True).sum(dim=1)
    return τ**2 * (divergence if weight is None else weight * divergence).mean()
