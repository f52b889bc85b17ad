"""Counting people, cells, animals or cars: how many there are, how densely they lie, and where each of them is."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
