"""A teacher: a network whose weights follow those of a student, and which takes part in the training of it."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor, nn

Network = TypeVar("Network", bound=nn.Module)


@runtime_checkable
class HasTeacher(Protocol):
    """A model with teachers of its own, which :class:`petlib.engine.hooks.teacher.TeacherHook` moves."""

    def update_teacher(self, momentum: float) -> None:
        """Make ``momentum * teacher + (1 - momentum) * student`` of the weights of each teacher."""


def make_teacher(student: Network) -> Network:
    """Return a copy of ``student`` whose parameters get no gradients; as a part of the same model it is saved, moved and wrapped with it.

    Unlike :class:`petlib.engine.weight_average.WeightAverage`, which is evaluated in the place of the weights, it is called in training.
    """
    return deepcopy(student).requires_grad_(False)


@torch.no_grad()
def follow(teacher: nn.Module, student: nn.Module, *, momentum: float, buffers: bool = False) -> None:
    """Make ``momentum * teacher + (1 - momentum) * student`` of the teacher's parameters.

    Args:
        teacher: what :func:`make_teacher` gave.
        student: the network that it was made of.
        momentum: share of its weights that the teacher keeps; 0 makes it its student.
        buffers: the buffers become the student's; else they stay the teacher's own, as statistics of batch norm that it counts itself.
    """
    torch._foreach_lerp_(list(teacher.parameters()), list(student.parameters()), 1.0 - momentum)
    if buffers:
        for own, other in _pairs(teacher, student):
            own.copy_(other)


def _pairs(teacher: nn.Module, student: nn.Module) -> Iterator[tuple[Tensor, Tensor]]:
    return zip(teacher.buffers(), student.buffers(), strict=True)
