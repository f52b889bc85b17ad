from . import config as config
from .model import load_backbone as load_backbone
from .task import TASK as TASK
from .training import build_hooks as build_hooks
from .training import build_step as build_step
