"""The names of trainers."""

from pet.compat.trainframework.building import HINT
from petlib.registry import Registry

BUILD_TRAINER_REGISTRY = Registry(
    "trainer", {"BaseTrainer": "pet.compat.trainframework.trainer.trainer:BaseTrainer"}, hint=HINT, tells_late=True
)
"""Subclasses of :class:`~pet.compat.trainframework.trainer.trainer.BaseTrainer`, for ``trainer.name``."""
