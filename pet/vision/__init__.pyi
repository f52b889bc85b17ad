from . import config as config
from .model import GeneralizedCNN as GeneralizedCNN
from .prediction import build_predictor as build_predictor
from .task import TASK as TASK
from .test_time import build_test_model as build_test_model

__all__ = ["TASK", "GeneralizedCNN", "build_predictor", "build_test_model", "config"]
