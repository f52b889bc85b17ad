import math

import numpy as np
import pytest
import torch

from pet.losses.distillation import cosine_regression, self_distillation


def test_regression_is_the_squared_distance_on_the_unit_sphere():
    generator = torch.Generator().manual_seed(0)
    predictions, targets = (torch.randn(5, 4, generator=generator, dtype=torch.float64) for _ in range(2))
    units = [(view / view.norm(dim=1, keepdim=True)).numpy() for view in (predictions, targets)]
    assert float(cosine_regression(predictions, targets)) == pytest.approx(((units[0] - units[1]) ** 2).sum(axis=1).mean(), rel=1e-6)
    assert float(cosine_regression(predictions, -predictions)) == pytest.approx(4.0)


def softmax(values, temperature):
    powers = [math.exp(value / temperature) for value in values]
    return [power / sum(powers) for power in powers]


def test_distillation_by_hand():
    generator = torch.Generator().manual_seed(1)
    students = [torch.randn(3, 4, generator=generator) for _ in range(4)]
    teachers = [torch.randn(3, 4, generator=generator) for _ in range(2)]
    centre = torch.tensor([0.3, -0.2, 0.0, 0.1])
    terms = []
    for t, teacher in enumerate(teachers):
        for s, student in enumerate(students):
            if s == t:
                continue
            for row in range(3):
                target = softmax((teacher[row] - centre).tolist(), 0.04)
                guess = softmax(student[row].tolist(), 0.1)
                terms.append(-sum(p * math.log(q) for p, q in zip(target, guess, strict=True)))
    result = self_distillation(students, teachers, centre=centre, student_temperature=0.1, teacher_temperature=0.04)
    assert len(terms) == 2 * 3 * 3
    assert float(result) == pytest.approx(np.mean(terms), rel=1e-4)


def test_no_gradient_goes_into_the_teacher():
    student, teacher = (torch.randn(2, 3, requires_grad=True) for _ in range(2))
    loss = self_distillation([student, student], [teacher], centre=torch.zeros(3), student_temperature=0.1, teacher_temperature=0.04)
    (loss + cosine_regression(student, teacher)).backward()
    assert teacher.grad is None
    assert student.grad.abs().max() > 0
