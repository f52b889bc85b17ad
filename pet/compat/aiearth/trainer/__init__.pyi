from . import mmseg as mmseg

__all__ = ["mmseg"]
