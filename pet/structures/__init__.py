"""What represents objects in images: masks of objects and how predictions of the area of a box become masks of the image."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
