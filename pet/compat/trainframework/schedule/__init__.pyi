from . import scheduler as scheduler
from .scheduler import BaseScheduler as BaseScheduler

__all__ = ["BaseScheduler", "scheduler"]
