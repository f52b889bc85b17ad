from . import config as config
from .task import TASK as TASK
