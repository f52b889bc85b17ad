from . import aiearth as aiearth
from . import antgo as antgo
from . import paddleseg as paddleseg
from . import trainframework as trainframework

__all__ = ["aiearth", "antgo", "paddleseg", "trainframework"]
