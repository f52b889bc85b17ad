from . import config as config
from .prediction import build_predictor as build_predictor
from .prediction import place_exported as place_exported
from .task import TASK as TASK
