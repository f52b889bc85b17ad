from . import build as build
from . import trainer as trainer
from .build import BUILD_TRAINER_REGISTRY as BUILD_TRAINER_REGISTRY
from .trainer import BaseTrainer as BaseTrainer

__all__ = ["BUILD_TRAINER_REGISTRY", "BaseTrainer", "build", "trainer"]
