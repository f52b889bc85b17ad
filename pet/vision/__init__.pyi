from . import config as config
from .export import build_export_network as build_export_network
from .export import check_exportable as check_exportable
from .model import GeneralizedCNN as GeneralizedCNN
from .prediction import build_predictor as build_predictor
from .task import TASK as TASK
