from . import config as config
from .model import build_model as build_model
from .prediction import build_predictor as build_predictor
from .runs import test as test
from .runs import train as train
from .task import TASK as TASK
