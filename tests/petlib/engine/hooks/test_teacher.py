from types import SimpleNamespace

import pytest
import torch
from torch import nn

from petlib.engine import TeacherHook, follow, make_teacher
from petlib.engine.state import LeftOut
from petlib.solver import number_schedule


class Pair(nn.Module):
    def __init__(self, *, buffers=False):
        super().__init__()
        self.student = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
        self.teacher = make_teacher(self.student)
        self.buffers_follow = buffers

    def update_teacher(self, momentum):
        follow(self.teacher, self.student, momentum=momentum, buffers=self.buffers_follow)


def changed(model):
    with torch.no_grad():
        for parameter in model.student.parameters():
            parameter.add_(1.0)
        model.student[1].running_mean += 5.0
        model.student[1].num_batches_tracked += 7
    return model


def test_a_teacher_keeps_the_share_of_its_iteration():
    model = changed(Pair())
    before = [parameter.clone() for parameter in model.teacher.parameters()]
    hook = TeacherHook(momentum=number_schedule(0.5, 1.0, iterations=10, shape="linear"))
    hook.before_train(SimpleNamespace(network=model))
    # the fifth iteration is the one with the number 4
    hook.after_step(SimpleNamespace(network=model, iteration=5, left_out=LeftOut([], [])))
    assert all(torch.equal(one, other) for one, other in zip(model.teacher.parameters(), before, strict=True))
    hook.after_step(SimpleNamespace(network=model, iteration=5, left_out=None))
    for parameter, old in zip(model.teacher.parameters(), before, strict=True):
        torch.testing.assert_close(parameter, 0.7 * old + 0.3 * (old + 1.0))
    assert not any(parameter.requires_grad for parameter in model.teacher.parameters())
    assert hook.state_dict() == {}


@pytest.mark.parametrize(("buffers", "mean", "count"), [(False, 0.0, 0), (True, 5.0, 7)])
def test_statistics_are_taken_over_or_left(buffers, mean, count):
    model = changed(Pair(buffers=buffers))
    model.update_teacher(0.9)
    assert model.teacher[1].running_mean.tolist() == [mean, mean]
    assert int(model.teacher[1].num_batches_tracked) == count


def test_a_model_without_a_teacher():
    with pytest.raises(AssertionError, match="a Linear has no teacher"):
        TeacherHook(momentum=lambda _: 0.5).before_train(SimpleNamespace(network=nn.Linear(1, 1)))
