"""The names of trainers."""

from pet.compat.trainframework.building import make_registry

BUILD_TRAINER_REGISTRY = make_registry("trainer", {"BaseTrainer": "pet.compat.trainframework.trainer.trainer:BaseTrainer"})
"""Subclasses of :class:`~pet.compat.trainframework.trainer.trainer.BaseTrainer`, for ``trainer.name``."""
