"""The Python doors: scripts that were written for other toolboxes run on Pet with only their imports changed."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
