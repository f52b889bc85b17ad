from . import aiearth as aiearth
from . import antgo as antgo
from . import buildseg as buildseg
from . import engine as engine

__all__ = ["aiearth", "antgo", "buildseg", "engine"]
