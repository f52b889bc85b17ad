"""The page of a run: curves, figures, pictures, settings and facts in one file, or served while a training goes on."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
