from . import config as config
from .evaluation import build_evaluation as build_evaluation
from .freeze import FreezeHook as FreezeHook
from .freeze import build_freeze_hooks as build_freeze_hooks
from .model import FineTunedClassifier as FineTunedClassifier
from .model import build_model as build_model
from .optimizer import build_optimizer as build_optimizer
from .prediction import build_predictor as build_predictor

__all__ = [
    "FineTunedClassifier",
    "FreezeHook",
    "build_evaluation",
    "build_freeze_hooks",
    "build_model",
    "build_optimizer",
    "build_predictor",
    "config",
]
