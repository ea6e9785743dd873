"""The paper's losses, as pure functions of logits [B, K] and targets; and those of embeddings [B, D]."""

from torch import Tensor
from torch.nn.functional import cosine_similarity, kl_div, log_softmax, softmax

_EPS = 1e-8  # as the authors of DIST have it, added to the product of the norms


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
    if weight is None:  # in one sum, as in timm: the last digits agree
        return τ**2 * kl_div(log_p_student, log_p_teacher, reduction="batchmean", log_target=True)
    divergence = kl_div(log_p_student, log_p_teacher, reduction="none", log_target=True).sum(dim=1)
    return τ**2 * (weight * divergence).mean()


def embedding_losses(student: Tensor, teacher: Tensor, weight: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """1 − cos(s, t), and the mean square of s − √D t, both averaged over images.

    The numbers of √D t are of size 1, as a network's outputs are at the start, however many there are; of a student of
    that length the second is twice the first. It also holds the student to that length.

    Args:
        student: embeddings [B, D] of any length; gradients flow to them.
        teacher: unit embeddings [B, D].
        weight: [B] in [0, 1], or None for ones; the sums are divided by B all the same, as in `distillation_loss`.
    """
    own, guide = student.float(), teacher.detach().float()
    turned = 1 - cosine_similarity(own, guide, dim=1)
    squares = (own - guide.shape[1] ** 0.5 * guide).square().mean(dim=1)
    if weight is not None:
        turned, squares = weight * turned, weight * squares
    return turned.mean(), squares.mean()


def relation_losses(student: Tensor, teacher: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """T² (1 − ρ) of the probabilities softmax(logits / T), where ρ is Pearson's correlation of student and teacher: the
    inter-class relation (ρ over the classes of an image, averaged over images) and the intra-class relation (ρ over the
    images of a class, averaged over classes).

    DIST, Huang et al. 2022, eq. 7 to 9. T² is in its authors' code, not in their text. Each is in [0, 2 T²]. The second
    sees the images of this process alone, so it depends on the batch size.

    Args:
        student: logits [B, K]; gradients flow to them.
        teacher: logits [B, K].
        temperature: T.
    """
    τ = temperature
    p_student = softmax(student.float() / τ, dim=1)
    p_teacher = softmax(teacher.detach().float() / τ, dim=1)
    inter = 1 - _correlations(p_student, p_teacher).mean()
    intra = 1 - _correlations(p_student.T, p_teacher.T).mean()
    return τ**2 * inter, τ**2 * intra


def _correlations(one: Tensor, other: Tensor) -> Tensor:
    one, other = (rows - rows.mean(dim=1, keepdim=True) for rows in (one, other))
    norms: Tensor = one.norm(dim=1) * other.norm(dim=1)
    return (one * other).sum(dim=1) / (norms + _EPS)
