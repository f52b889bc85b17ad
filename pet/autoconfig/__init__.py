"""A training from a folder of data alone: the format is recognised, the task follows from the labels, and a config is written."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
