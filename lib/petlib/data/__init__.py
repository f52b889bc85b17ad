"""The data path: which samples make up which batch, reading and collating them, and loaders with worker processes."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
