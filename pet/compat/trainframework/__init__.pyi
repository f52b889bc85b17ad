from . import data as data
from . import loss as loss
from . import model as model
from . import schedule as schedule
from . import trainer as trainer
from . import transforms as transforms
from .configuration import EngineConfig as EngineConfig
from .configuration import read_config as read_config
from .model.loading import load_model as load_model

__all__ = ["EngineConfig", "data", "load_model", "loss", "model", "read_config", "schedule", "trainer", "transforms"]
