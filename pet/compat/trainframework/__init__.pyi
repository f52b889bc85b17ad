from . import data as data
from . import loss as loss
from . import model as model
from . import schedule as schedule
from . import trainer as trainer
from . import transforms as transforms
from .configuration import TrainFrameworkConfig as TrainFrameworkConfig
from .configuration import read_config as read_config
from .model.base_model import load_model as load_model

__all__ = ["TrainFrameworkConfig", "data", "load_model", "loss", "model", "read_config", "schedule", "trainer", "transforms"]
