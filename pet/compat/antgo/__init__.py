"""One config for training, test and export as in antgo; docs/antgo.md shows it."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
