from . import config as config
from .data import build_training_data as build_training_data
from .data import expected_data as expected_data
from .evaluation import build_evaluation as build_evaluation
from .model import GeneralizedCNN as GeneralizedCNN
from .prediction import build_predictor as build_predictor
from .test_time import build_test_model as build_test_model

__all__ = ["GeneralizedCNN", "build_evaluation", "build_predictor", "build_test_model", "build_training_data", "config", "expected_data"]
