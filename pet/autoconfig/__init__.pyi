from . import recognise as recognise
from .train import Chosen as Chosen
from .train import choose_config as choose_config
from .train import train_on_data as train_on_data
from .training_process import run_training as run_training
