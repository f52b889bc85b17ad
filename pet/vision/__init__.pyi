from . import config as config
from .evaluation import build_evaluation as build_evaluation
from .model import GeneralizedCNN as GeneralizedCNN

__all__ = ["GeneralizedCNN", "build_evaluation", "config"]
