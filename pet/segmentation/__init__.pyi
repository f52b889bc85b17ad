from . import config as config
from .data import build_evaluation as build_evaluation
from .data import build_training_data as build_training_data
from .data import expected_data as expected_data
from .export import describe_model as describe_model
from .model import Segmenter as Segmenter
from .model import build_model as build_model
from .prediction import build_predictor as build_predictor
from .runs import test as test
from .runs import train as train
from .task import TASK as TASK

__all__ = [
    "TASK",
    "Segmenter",
    "build_evaluation",
    "build_model",
    "build_predictor",
    "build_training_data",
    "config",
    "describe_model",
    "expected_data",
    "test",
    "train",
]
