"""Land cover as a task."""

from collections.abc import Sequence
from pathlib import Path

import torch

from pet import segmentation
from pet.data.targets.dataset import Dataset
from pet.models.analysis import analyse
from pet.projects.landcover.data import build_training_data
from pet.projects.landcover.mutual_distillation import MutualDistillation, build_model, growing_momentum, load_students
from pet.segmentation.model import Segmenter
from pet.segmentation.task import SegmentationTask
from pet.typed import AnyConfig, LandcoverConfig
from petlib.checkpoint.origin import Origin
from petlib.config import ConfigError
from petlib.data.protocols import Dataset as Samples
from petlib.data.train_loader import TrainLoader
from petlib.engine.hook import Hook
from petlib.engine.hooks.teacher import TeacherHook


class LandcoverTask(SegmentationTask):
    """Segmentation that may learn from unlabelled images too; of two students the first is tested, exported and predicts.

    Args:
        unlabelled: samples with an ``image``; None: ``SEMI.DATASETS``.
    """

    def __init__(self, unlabelled: Samples | None = None) -> None:
        self._unlabelled = unlabelled

    def build_model(self, cfg: AnyConfig) -> Segmenter:
        """Return the model with random weights: with ``SEMI.ENABLED`` two students with their teachers, else a plain segmenter."""
        return build_model(cfg)

    def build_training_data(self, cfg: AnyConfig, device: torch.device, dataset: Dataset | None = None) -> TrainLoader:
        """Return the batches of ``TRAIN.DATASETS``, or of ``dataset``, with ``SEMI.ENABLED`` next to views of unlabelled images."""
        if not cfg.SEMI.ENABLED:
            return super().build_training_data(cfg, device, dataset)
        return build_training_data(cfg, device, dataset, self._unlabelled)


TASK = LandcoverTask()


def train(
    cfg: LandcoverConfig,
    *,
    train_dataset: Dataset | None = None,
    test_dataset: Dataset | None = None,
    unlabelled_dataset: Samples | None = None,
    hooks: Sequence[Hook] = (),
) -> None:
    """Train the model that ``cfg`` describes; what comes out lies in ``MISC.CKPT``.

    Args:
        cfg: the config.
        train_dataset: the data to learn from; None: ``TRAIN.DATASETS``.
        test_dataset: the data of the evaluations; None: ``TEST.DATASETS``.
        unlabelled_dataset: with ``SEMI.ENABLED`` samples with an ``image``; None: ``SEMI.DATASETS``.
        hooks: further ones than those of the task.

    Raises:
        ConfigError: there are unlabelled data, but ``SEMI.ENABLED`` is off.
    """
    if cfg.SEMI.ENABLED:
        task, all_hooks = LandcoverTask(unlabelled_dataset), [TeacherHook(momentum=growing_momentum(cfg.SEMI.MOMENTUM)), *hooks]
        segmentation.train(cfg, task=task, train_dataset=train_dataset, test_dataset=test_dataset, begin=_begin_students, hooks=all_hooks)
        return
    if unlabelled_dataset is not None:
        raise ConfigError("SEMI.ENABLED: False, but unlabelled data are given; set it to True to learn from them")
    segmentation.train(cfg, task=TASK, train_dataset=train_dataset, test_dataset=test_dataset, hooks=hooks)


def test(cfg: LandcoverConfig, *, test_dataset: Dataset | None = None, folder: Path | None = None) -> dict[str, float]:
    """Measure the model of ``MISC.CKPT`` or ``TEST.WEIGHTS``, see :func:`pet.segmentation.test`; of two students the first."""
    return segmentation.test(cfg, task=TASK, test_dataset=test_dataset, folder=folder)


def _begin_students(model: Segmenter, cfg: AnyConfig) -> Origin:
    assert isinstance(model, MutualDistillation), f"SEMI.ENABLED built a {type(model).__name__}"
    analyse(model.student(0), cfg, name=f"each student, {cfg.MODEL.NETWORK}", channels=cfg.MODEL.IN_CHANNELS)
    return load_students(model, cfg)
