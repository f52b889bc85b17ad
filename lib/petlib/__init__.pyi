from . import analyser as analyser
from . import checkpoint as checkpoint
from . import config as config
from . import data as data
from . import distributed as distributed
from . import engine as engine
from . import events as events
from . import launch as launch
from . import log as log
from . import solver as solver

__all__ = ["analyser", "checkpoint", "config", "data", "distributed", "engine", "events", "launch", "log", "solver"]
