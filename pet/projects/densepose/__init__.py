"""Dense poses: the places of the pixels of people on the surface of a body."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
