"""A student that learns from a teacher, which is its own moving average: MoCo, MoCo v3, BYOL and DINO."""

from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from pet.data.transforms.views import LOCAL
from pet.losses.contrastive import as_single, batch_contrast, queue_contrast
from pet.losses.distillation import cosine_regression, self_distillation
from pet.models.selfsup.method import VIEWS, Encoded, PretrainingMethod
from pet.models.selfsup.queue import KeyQueue
from pet.models.selfsup.shuffling import encode_in_groups, encode_shuffled
from petlib.distributed.collectives import all_reduce_mean
from petlib.distributed.gathering import gather_with_gradient
from petlib.engine.teacher import follow, make_teacher


class StudentTeacher(PretrainingMethod):
    """A method with a teacher of the same backbone and projector. It follows in :class:`petlib.engine.TeacherHook`, after each iteration.

    The teacher is in training mode, so that its batch norms take the statistics of the batch, and count their own.

    Args:
        backbone, projector: see :class:`PretrainingMethod`.
    """

    def __init__(self, *, backbone: nn.Module, projector: nn.Module) -> None:
        super().__init__(backbone=backbone, projector=projector)
        self.teacher = nn.ModuleDict({"backbone": make_teacher(backbone), "projector": make_teacher(projector)})

    def handed_over(self) -> nn.Module:
        """Return the student's backbone, or the teacher's."""
        return self.teacher["backbone"] if self.evaluates_teacher else self.backbone

    def update_teacher(self, momentum: float) -> None:
        """Move the teacher towards the student."""
        follow(self.teacher["backbone"], self.backbone, momentum=momentum)
        follow(self.teacher["projector"], self.projector, momentum=momentum)

    @torch.no_grad()
    def _taught(self, images: Tensor) -> Tensor:
        taught: Tensor = self.teacher["projector"](self.teacher["backbone"](images))
        return taught


class MoCo(StudentTeacher):
    """MoCo v1 and v2 (https://arxiv.org/abs/1911.05722, https://arxiv.org/abs/2003.04297): keys of earlier batches are the negatives.

    Args:
        backbone, projector: see :class:`PretrainingMethod`.
        temperature: of :func:`pet.losses.contrastive.queue_contrast`.
        queue: keys that are kept.
        length: of the projections.
        groups: of a device's batch, within which batch norms take their statistics; see :mod:`pet.models.selfsup.shuffling`.
        shuffles: whether the groups of keys, over all processes, are others than those of queries.
    """

    compares_batch = False

    def __init__(
        self,
        *,
        backbone: nn.Module,
        projector: nn.Module,
        temperature: float,
        queue: int,
        length: int,
        groups: int = 1,
        shuffles: bool = False,
    ) -> None:
        super().__init__(backbone=backbone, projector=projector)
        self.temperature = temperature
        self.groups, self.shuffles = groups, shuffles
        self.queue = KeyQueue(count=queue, length=length)

    def encode(self, batch: dict[str, Any]) -> Encoded:
        """Return the queries: projections of the first view."""
        return {"queries": encode_in_groups(self.project, batch[VIEWS[0]], self.groups)}

    def encode_teacher(self, batch: dict[str, Any]) -> Encoded:
        """Return the keys of the second view."""
        encode = encode_shuffled if self.shuffles else encode_in_groups
        return {"keys": normalize(as_single(encode(self._taught, batch[VIEWS[1]], self.groups)), dim=1)}

    def compare(self, encoded: Encoded) -> dict[str, dict[str, Tensor]]:
        """Return the loss against the queue as it was; then the keys of all processes join it."""
        # a copy: the queue moves on before the backward pass reads it
        loss = queue_contrast(encoded["queries"], encoded["keys"], self.queue.keys.clone(), temperature=self.temperature)
        self.queue.push(gather_with_gradient(encoded["keys"].detach()))
        return self._outputs(loss, encoded["queries"])

    def own_buffers(self) -> Collection[str]:
        """Return those of the queue."""
        return [f"queue.{name}" for name, _ in self.queue.named_buffers()]


class _Predicting(StudentTeacher):
    """A student that predicts the teacher's projection of the other view.

    Args:
        backbone, projector: see :class:`PretrainingMethod`.
        predictor: projections to predictions of the same length.
    """

    def __init__(self, *, backbone: nn.Module, projector: nn.Module, predictor: nn.Module) -> None:
        super().__init__(backbone=backbone, projector=projector)
        self.predictor = predictor

    def encode(self, batch: dict[str, Any]) -> Encoded:
        """Return the predictions of both views, and the projections of the first one."""
        projections = [self.project(batch[name]) for name in VIEWS]
        predictions = {f"predictions_{place}": self.predictor(one) for place, one in enumerate(projections)}
        return {**predictions, "projections": projections[0].detach()}

    def encode_teacher(self, batch: dict[str, Any]) -> Encoded:
        """Return the teacher's projections of both views."""
        return {f"targets_{place}": self._taught(batch[name]) for place, name in enumerate(VIEWS)}

    def compare(self, encoded: Encoded) -> dict[str, dict[str, Tensor]]:
        """Return the sum of the losses of both directions."""
        terms = [self._loss(encoded[f"predictions_{place}"], encoded[f"targets_{1 - place}"]) for place in range(2)]
        return self._outputs(terms[0] + terms[1], encoded["projections"])

    def _loss(self, predictions: Tensor, targets: Tensor) -> Tensor:
        raise NotImplementedError


class BYOL(_Predicting):
    """BYOL (https://arxiv.org/abs/2006.07733): no negatives; predictor and teacher keep it from collapse."""

    compares_batch = False

    def _loss(self, predictions: Tensor, targets: Tensor) -> Tensor:
        return cosine_regression(predictions, targets)


class MoCoV3(_Predicting):
    """MoCo v3 (https://arxiv.org/abs/2104.02057): the keys of the whole batch instead of a queue.

    Args:
        backbone, projector, predictor: see :class:`BYOL`.
        temperature: of :func:`pet.losses.contrastive.batch_contrast`.
    """

    compares_batch = True

    def __init__(self, *, backbone: nn.Module, projector: nn.Module, predictor: nn.Module, temperature: float) -> None:
        super().__init__(backbone=backbone, projector=projector, predictor=predictor)
        self.temperature = temperature

    def _loss(self, predictions: Tensor, targets: Tensor) -> Tensor:
        return batch_contrast(predictions, targets, temperature=self.temperature)


class DINO(StudentTeacher):
    """DINO (https://arxiv.org/abs/2104.14294): the student is to give a view the prototypes that the teacher gives another one.

    Attributes:
        teacher_temperature: divides the teacher's logits; a schedule may change it.
        centre: moving mean of the teacher's logits, float32 (out,), equal on all processes.

    Args:
        backbone: see :class:`PretrainingMethod`.
        projector: a :class:`pet.models.selfsup.projector.PrototypeHead` with ``out`` prototypes.
        out: number of prototypes.
        student_temperature: divides the student's logits.
        teacher_temperature: divides the teacher's.
        centre_momentum: share of the centre that stays in an iteration.
    """

    compares_batch = False
    centre: Tensor

    def __init__(
        self,
        *,
        backbone: nn.Module,
        projector: nn.Module,
        out: int,
        student_temperature: float,
        teacher_temperature: float,
        centre_momentum: float,
    ) -> None:
        super().__init__(backbone=backbone, projector=projector)
        self.evaluates_teacher = True
        self.student_temperature, self.teacher_temperature = student_temperature, teacher_temperature
        self.centre_momentum = centre_momentum
        self.register_buffer("centre", torch.zeros(out))

    def encode(self, batch: dict[str, Any]) -> Encoded:
        """Return the student's logits of all views, large ones first; views of one size go through the network together."""
        views = list(self.project(torch.cat([batch[name] for name in VIEWS])).chunk(2))
        local = batch.get(LOCAL)
        if local is not None:
            # (B, C, V, H, W), as clips are
            count = local.shape[2]
            views += self.project(local.transpose(1, 2).transpose(0, 1).flatten(0, 1)).chunk(count)
        return {f"student_{place}": logits for place, logits in enumerate(views)}

    def encode_teacher(self, batch: dict[str, Any]) -> Encoded:
        """Return the teacher's logits of the large views."""
        return {
            f"teacher_{place}": logits for place, logits in enumerate(self._taught(torch.cat([batch[name] for name in VIEWS])).chunk(2))
        }

    def compare(self, encoded: Encoded) -> dict[str, dict[str, Tensor]]:
        """Return the loss with the centre as it was; then it moves towards the mean of this batch over all processes."""
        students = [logits for name, logits in encoded.items() if name.startswith("student_")]
        teachers = [logits for name, logits in encoded.items() if name.startswith("teacher_")]
        loss = self_distillation(
            students,
            teachers,
            centre=self.centre.clone(),
            student_temperature=self.student_temperature,
            teacher_temperature=self.teacher_temperature,
        )
        mean = all_reduce_mean(as_single(torch.cat(teachers)).mean(dim=0))
        self.centre.lerp_(mean, 1.0 - self.centre_momentum)
        return self._outputs(loss, students[0])
