"""Mutual knowledge distillation: two students, each of whom also learns from the other one and from that one's teacher."""

import logging
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from pet.losses.pixels.base import two_class_logits
from pet.losses.pixels.cross_entropies import CrossEntropyLoss
from pet.models.pretrained import load_pretrained
from pet.models.segmentation.network import SegmentationNetwork
from pet.projects.landcover.cutmix import OWN, mix
from pet.projects.landcover.views import OUTSIDE, STRONG, WEAK
from pet.segmentation.model import Segmenter
from pet.segmentation.model import build_model as build_segmenter
from pet.typed import LandcoverConfig
from petlib.checkpoint.origin import RANDOM, Origin
from petlib.engine.teacher import follow, make_teacher
from petlib.solver.schedules import Factor


class MutualDistillation(Segmenter):
    """Two segmenters that learn from labelled and unlabelled images together.

    Source: Yuan et al., Semi-supervised Semantic Segmentation with Mutual Knowledge Distillation, 2022
    (https://arxiv.org/abs/2208.11499): two students of one architecture, of each a teacher that is the moving average of its
    weights; a student learns from the labels, from the labels of the other's teacher, and from the other student's.

    Details as in AI Earth's preset ``mkd_semi_sup`` (https://github.com/aiearth-damo/deeplearning): teachers look at labelled images and
    at weak views, in training mode and so with the batch-norm statistics of their batches; only parameters are averaged; students
    look at labelled images and at mixed strong views; both kinds of images are taught, labelled ones wherever they are labelled or
    not; the features are not augmented, which that preset switches off; the first student is the one that is tested. Unlike there,
    pixels are compared at the size of the images, and those outside of an unlabelled image do not count.

    In evaluation it is the segmenter of the first student. In its state dict that student is ``network``, under the same names as
    in a :class:`Segmenter`; ``second_network`` and ``teachers`` are next to it.

    Args:
        students: two segmenters of the same settings, whose weights differ; their networks become parts of this model.
        teacher_weight: weight of what is learned from the other's teacher.
        student_weight: weight of what is learned from the other student.
        threshold: probability of a teacher's label from which it is taught.
    """

    def __init__(self, *, students: Sequence[Segmenter], teacher_weight: float, student_weight: float, threshold: float = 0.0) -> None:
        assert len(students) == 2, f"{len(students)} students"
        first, second = students
        super().__init__(
            network=first.network,
            loss=first.loss,
            output_weights=first.output_weights,
            threshold=first.threshold,
            window=first.window,
            overlap=first.overlap,
            with_metrics=first.with_metrics,
        )
        self.second_network = second.network
        self.teachers = nn.ModuleList(make_teacher(network) for network in self.student_networks)
        self.teaching = CrossEntropyLoss(ignore_label=first.loss.ignore_label)
        self.teacher_weight = teacher_weight
        self.student_weight = student_weight
        self.teaching_threshold = threshold

    @property
    def student_networks(self) -> tuple[SegmentationNetwork, SegmentationNetwork]:
        """The networks of both students."""
        return self.network, self.second_network

    def student(self, number: int) -> Segmenter:
        """Return a student, 0 or 1, as a segmenter of its own that shares its network with this model."""
        return Segmenter(
            network=self.student_networks[number],
            loss=self.loss,
            output_weights=self.output_weights,
            threshold=self.threshold,
            window=self.window,
            overlap=self.overlap,
            with_metrics=self.with_metrics,
        )

    def update_teacher(self, momentum: float) -> None:
        """Make ``momentum * teacher + (1 - momentum) * student`` of the parameters of each teacher; 0 makes it its student."""
        for teacher, student in zip(self.teachers, self.student_networks, strict=True):
            follow(teacher, student, momentum=momentum)

    def forward(self, batch: dict[str, Any]) -> Any:
        """Return losses and metrics in training, label images of the first student in evaluation.

        Args:
            batch: ``image`` and, in evaluation, what a :class:`Segmenter` takes with it; in training ``semseg``, integer
                (B, H, W), and ``unlabelled`` and ``unlabelled_strong``, float (B, C, H, W), ``unlabelled_outside``, bool (B, H, W),
                and where strong views are mixed ``unlabelled_own``, see :class:`pet.projects.landcover.CutMixBoxes`.

        Returns:
            In training the losses ``loss_supervised_N``, ``loss_mutual_N`` and ``loss_peer_N`` of the student N, 1 or 2: what it
            learns from labels, from the other's teacher and from the other student. The metrics are the ``accuracy`` of the first
            student and the ``agreement``, the share of pixels to which both teachers give the same label.
        """
        return self._learn(batch) if self.training else super().forward(batch)

    def _learn(self, batch: dict[str, Any]) -> dict[str, dict[str, Tensor]]:
        losses: dict[str, Tensor] = {}
        logits: list[Tensor] = []
        with torch.no_grad():
            outside = _mixed(batch[OUTSIDE], batch)
            taught = [self._labels_of_teacher(teacher, outside, batch) for teacher in self.teachers]
        for number, network in enumerate(self.student_networks, start=1):
            outputs = network(batch["image"])
            losses[f"loss_supervised_{number}"] = self._supervised(outputs, batch["semseg"])
            logits.append(torch.cat([outputs[0], network(batch[STRONG])[0]]).float())
        for number, other in ((1, 1), (2, 0)):
            own = logits[number - 1]
            losses[f"loss_mutual_{number}"] = self.teacher_weight * self.teaching(own, taught[other])
            losses[f"loss_peer_{number}"] = self.student_weight * self.teaching(own, self._labels_of(logits[other].detach(), outside))
        return {"losses": losses, "metrics": self._metrics(logits[0], taught, batch["semseg"]) if self.with_metrics else {}}

    def _supervised(self, outputs: Sequence[Tensor], labels: Tensor) -> Tensor:
        terms = [weight * self.loss(output.float(), labels) for output, weight in zip(outputs, self.output_weights, strict=True)]
        return torch.stack(terms).sum()

    def _labels_of_teacher(self, teacher: nn.Module, outside: Tensor, batch: dict[str, Any]) -> Tensor:
        """Return what a teacher says of labelled images and mixed views, uint8 (2 B, H, W)."""
        weak = _mixed(teacher(batch[WEAK])[0], batch)
        return self._labels_of(torch.cat([teacher(batch["image"])[0], weak]).float(), outside, threshold=self.teaching_threshold)

    def _labels_of(self, logits: Tensor, outside: Tensor, *, threshold: float = 0.0) -> Tensor:
        """Return the labels that logits (2 B, K, H, W) teach, ignored where they are unsure or ``outside`` (B, H, W) of a mixed view."""
        labels = self.labels(logits)
        if threshold > 0.0:
            unsure = two_class_logits(logits).softmax(dim=1).amax(dim=1) < threshold
            labels = labels.masked_fill(unsure, self.loss.ignore_label)
        count = len(labels) - len(outside)
        return torch.cat([labels[:count], labels[count:].masked_fill(outside, self.loss.ignore_label)])

    @torch.no_grad()
    def _metrics(self, logits: Tensor, taught: Sequence[Tensor], labels: Tensor) -> dict[str, Tensor]:
        agreement = (taught[0] == taught[1]).float().mean()
        return {"accuracy": self.accuracy(logits[: len(labels)], labels), "agreement": agreement}


def _mixed(values: Tensor, batch: dict[str, Any]) -> Tensor:
    """Return what belongs to the weak views, (B, H, W) or (B, K, H, W), as the strong views of the batch are mixed."""
    if OWN not in batch:
        return values
    own = batch[OWN]
    return mix(values, own if values.dim() == own.dim() else own[:, None])


def growing_momentum(end: float) -> Factor:
    """Return the share of its weights that a teacher keeps after an iteration, counted from 0.

    It is the mean over all weights since the beginning, ``n / (n + 1)`` once n iterations are done, until ``end`` is reached, as in AI
    Earth's MKD (https://github.com/aiearth-damo/deeplearning, models/landcover/algorithms/exp_cps2.py), whose iterations count from 1
    and begin with the update: ``1 - 1 / n``.
    """
    return lambda iteration: min((iteration + 1) / (iteration + 2), end)


logger = logging.getLogger(__name__)


def build_model(cfg: LandcoverConfig) -> Segmenter:
    """Return the model with random weights: with ``SEMI.ENABLED`` a :class:`MutualDistillation`, else a plain segmenter.

    Raises:
        ConfigError: the network, a loss or an argument is unknown, or they do not go together.
    """
    if not cfg.SEMI.ENABLED:
        return build_segmenter(cfg)
    return MutualDistillation(
        students=[build_segmenter(cfg), build_segmenter(cfg)],
        teacher_weight=cfg.SEMI.TEACHER_WEIGHT,
        student_weight=cfg.SEMI.STUDENT_WEIGHT,
        threshold=cfg.SEMI.THRESHOLD,
    )


def load_students(model: MutualDistillation, cfg: LandcoverConfig) -> Origin:
    """Load what ``TRAIN.WEIGHTS`` names into both students, and begin with teachers that are like them; nothing where it is empty.

    Weights of a segmenter or of a backbone go into both. A checkpoint of this model has each student's own.

    Returns:
        What they begin with, for the state of the run.

    Raises:
        CheckpointError: the file cannot be read or belongs to another network, or published weights cannot be had.
        ConfigError: weights of a library that the network does not come from.
    """
    if not cfg.TRAIN.WEIGHTS:
        return RANDOM
    second = model.student(1)
    # the whole model comes last: a checkpoint of it has other weights for the second student than for the first
    for part in (second, model):
        origin = load_pretrained(part, cfg, backbone=second.network.encoder_name)
    model.update_teacher(0.0)
    if _equal_students(model):
        logger.warning(
            "TRAIN.WEIGHTS: both students begin with the very same weights, so neither can teach the other anything; give weights of a "
            "backbone, or a checkpoint of a training with SEMI.ENABLED"
        )
    return origin


def _equal_students(model: MutualDistillation) -> bool:
    first, second = (network.parameters() for network in model.student_networks)
    return all(torch.equal(one, other) for one, other in zip(first, second, strict=True))
