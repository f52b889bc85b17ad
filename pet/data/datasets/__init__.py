"""Data sets, one kind a file; what a config has to know of their files is read without the rest."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
