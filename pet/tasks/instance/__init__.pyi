from . import config as config
from .prediction import build_predictor as build_predictor
from .task import TASK as TASK
