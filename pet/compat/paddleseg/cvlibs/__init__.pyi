from . import manager as manager

__all__ = ["manager"]
