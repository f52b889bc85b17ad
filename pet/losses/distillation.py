"""Losses of a student that learns from the outputs of a teacher, without labels."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity, log_softmax, softmax

from pet.losses.contrastive import as_single


def cosine_regression(predictions: Tensor, targets: Tensor) -> Tensor:
    """Return the loss of BYOL for one direction, a scalar from 0 to 4 (Grill et al., 2020, https://arxiv.org/abs/2006.07733):
    ``2 - 2 cos``, the squared distance of both on the unit sphere.

    Args:
        predictions: float (B, D).
        targets: the teacher's projections of the other view, (B, D); no gradient goes into them.
    """
    return 2 - 2 * cosine_similarity(as_single(predictions), as_single(targets.detach()), dim=1).mean()


def self_distillation(
    students: Sequence[Tensor], teachers: Sequence[Tensor], *, centre: Tensor, student_temperature: float, teacher_temperature: float
) -> Tensor:
    """Return the loss of DINO, a scalar (Caron et al., 2021, https://arxiv.org/abs/2104.14294): the cross entropy of the student's
    distribution of a view and the centred, sharpened one that the teacher has of another view, as a mean over pairs of views.

    Args:
        students: logits (B, K) of each view; the teacher's views come first, in the teacher's order.
        teachers: logits (B, K) of the large views; no gradient goes into them.
        centre: subtracted from the teacher's logits, (K,).
        student_temperature: divides the student's logits.
        teacher_temperature: divides the teacher's logits.
    """
    targets = [softmax((as_single(logits.detach()) - centre) / teacher_temperature, dim=1) for logits in teachers]
    guesses = [log_softmax(as_single(logits) / student_temperature, dim=1) for logits in students]
    pairs = [(target, guess) for place, target in enumerate(targets) for other, guess in enumerate(guesses) if other != place]
    return torch.stack([-(target * guess).sum(dim=1).mean() for target, guess in pairs]).mean()
