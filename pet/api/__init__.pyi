from . import aiearth as aiearth
from . import buildseg as buildseg

__all__ = ["aiearth", "buildseg"]
