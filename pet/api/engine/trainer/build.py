"""The names of trainers."""

from pet.api.engine.building import HINT
from petlib.registry import Registry

BUILD_TRAINER_REGISTRY = Registry("trainer", {"BaseTrainer": "pet.api.engine.trainer.trainer:BaseTrainer"}, hint=HINT, tells_late=True)
"""Subclasses of :class:`~pet.api.engine.trainer.trainer.BaseTrainer`, for ``trainer.name``."""
