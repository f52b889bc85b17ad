"""Transforms of a data set's ``results``, and functions for what comes after them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
